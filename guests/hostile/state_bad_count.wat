;; manifest: state
;; Four billion keys with the offsets of one.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 1))
  (i32.store (i32.const 8192) (i32.const -1))
  (call $get (i32.const 0) (i32.const 8192))
  (call $answer_with_state))
