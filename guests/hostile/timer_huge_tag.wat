;; manifest: timers
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 1))
  (call $one (i32.const 8256) (i32.const 9000) (i32.const 257))
  (call $cancel_timers (i32.const 1) (i32.const 8192) (i32.const 8256))
  (call $answer_with_timers))
(func (export "wasmill:transform/timer-handler@0.1.0#on-timers") (param $fired i32) (result i32)
  (call $answer_ok))
