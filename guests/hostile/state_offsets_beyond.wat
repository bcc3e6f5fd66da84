;; manifest: state
;; A key that ends where there is no data.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 8))
  (i32.store (i32.const 8224) (i32.const 0x7fffffff))
  (call $delete (i32.const 0) (i32.const 8192))
  (call $answer_with_state))
