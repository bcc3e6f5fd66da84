;; manifest: timers
;; Emits a row of 1000 bytes again and again, deaf to refusals.
(data (i32.const 9000) "\00\00\00\00\e8\03\00\00")
(func (export "wasmill:transform/timer-handler@0.1.0#on-timers") (param $fired i32) (result i32)
  (local $calls i32)
  (memory.fill (i32.const 800) (i32.const 0) (i32.const 24))
  (i32.store (i32.const 808) (i32.const 9000))
  (i32.store (i32.const 812) (i32.const 8))
  (i32.store (i32.const 816) (i32.const 9100))
  (i32.store (i32.const 820) (i32.const 1000))
  (call $prepare_column (i32.const 1) (i32.const 800) (i32.const 3))
  (loop $again
    (call $call_emit)
    (local.set $calls (i32.add (local.get $calls) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $calls) (i32.const 100000))))
  (call $answer_ok))
