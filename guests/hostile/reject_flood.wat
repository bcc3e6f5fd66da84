(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $calls i32)
  (loop $again
    ;; Row 0, with a reason of 4 KiB.
    (call $reject (i32.const 900) (i32.const 4) (i32.const 2048) (i32.const 4096) (i32.const 640))
    (local.set $calls (i32.add (local.get $calls) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $calls) (i32.const 100000))))
  (call $answer_ok))
