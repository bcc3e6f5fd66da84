;; manifest: state
;; The second key is absent.
(data (i32.const 9000) "\01")
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $many (i32.const 8192) (i32.const 2) (i32.const 1))
  (i32.store (i32.const 8196) (i32.const 9000))
  (i32.store (i32.const 8200) (i32.const 1))
  (call $delete (i32.const 0) (i32.const 8192))
  (call $answer_with_state))
