;; manifest: state
;; Two keys with the offsets 0, 5, 2.
(data (i32.const 9000) "\00\00\00\00\05\00\00\00\02\00\00\00")
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9100) (i32.const 8))
  (i32.store (i32.const 8192) (i32.const 2))
  (i32.store (i32.const 8204) (i32.const 9000))
  (i32.store (i32.const 8208) (i32.const 12))
  (call $get (i32.const 0) (i32.const 8192))
  (call $answer_with_state))
