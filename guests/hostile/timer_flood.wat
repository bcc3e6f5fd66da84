;; manifest: timers
;; Registers a thousand timers again and again, deaf to refusals.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $calls i32)
  (call $many (i32.const 8192) (i32.const 1000) (i32.const 1))
  (call $many (i32.const 8256) (i32.const 1000) (i32.const 0))
  (loop $again
    (call $register_timers (i32.const 1) (i32.const 65536) (i32.const 8000))
    (local.set $calls (i32.add (local.get $calls) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $calls) (i32.const 10000))))
  (call $answer_ok))
(func (export "wasmill:transform/timer-handler@0.1.0#on-timers") (param $fired i32) (result i32)
  (call $answer_ok))
