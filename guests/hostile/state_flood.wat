;; manifest: state
;; Writes another key of 5 bytes with a value of 4 KiB again and again, deaf to refusals.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $calls i32) (local $value i32)
  (local.set $value (call $alloc (i32.const 1) (i32.const 4098)))
  ;; The length 4096 as Avro writes it.
  (i32.store16 (local.get $value) (i32.const 0x4080))
  (i32.store8 (i32.const 9000) (i32.const 4))
  (loop $again
    (i32.store (i32.const 9001) (local.get $calls))
    (call $one (i32.const 8192) (i32.const 9000) (i32.const 5))
    (call $one (i32.const 8256) (local.get $value) (i32.const 4098))
    (call $put (i32.const 0) (i32.const 8192) (i32.const 8256))
    (local.set $calls (i32.add (local.get $calls) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $calls) (i32.const 100000))))
  (call $answer_ok))
