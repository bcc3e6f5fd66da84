;; manifest: state
;; Looks eight million keys up in one call.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $many (i32.const 8192) (i32.const 8000000) (i32.const 1))
  (call $get (i32.const 0) (i32.const 8192))
  (call $answer_with_state))
