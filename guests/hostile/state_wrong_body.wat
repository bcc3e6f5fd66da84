;; manifest: state
;; The second of two values is no Avro body of the store's schema: bytes that end too soon.
(data (i32.const 9000) "\00\08")
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $many (i32.const 8192) (i32.const 2) (i32.const 1))
  (call $many (i32.const 8256) (i32.const 2) (i32.const 1))
  (i32.store (i32.const 8276) (i32.const 9000))
  (call $put (i32.const 0) (i32.const 8192) (i32.const 8256))
  (call $answer_with_state))
