;; manifest: state
;; A key that says it is longer than it is.
(data (i32.const 9000) "\05abc")
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 4))
  (call $get (i32.const 0) (i32.const 8192))
  (call $answer_with_state))
