;; manifest: state
;; Two values for one key.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 1))
  (call $many (i32.const 8256) (i32.const 2) (i32.const 1))
  (call $put (i32.const 0) (i32.const 8192) (i32.const 8256))
  (call $answer_with_state))
