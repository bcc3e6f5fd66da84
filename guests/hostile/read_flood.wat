;; manifest: state
;; Reads a value of almost 1 MiB a thousand times in one call.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $value i32)
  (local.set $value (call $alloc (i32.const 1) (i32.const 999999)))
  ;; The length 999996 as Avro writes it.
  (i32.store (local.get $value) (i32.const 0x007a88f8))
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 1))
  (call $one (i32.const 8256) (local.get $value) (i32.const 999999))
  (call $put (i32.const 0) (i32.const 8192) (i32.const 8256))
  (if (i32.load8_u (i32.const 512)) (then (return (call $answer_with_state))))
  (call $many (i32.const 8192) (i32.const 1000) (i32.const 1))
  (call $get (i32.const 0) (i32.const 8192))
  (call $answer_with_state))
