;; manifest: state
;; A cursor that no scan has given.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $scan_all (i32.const 0) (i32.const 10) (i32.const 1) (i32.const 9000) (i32.const 5000))
  (call $answer_with_state))
