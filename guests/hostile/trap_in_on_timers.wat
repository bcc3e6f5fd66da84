;; manifest: timers
(func $innermost (unreachable))
(func (export "wasmill:transform/timer-handler@0.1.0#on-timers") (param $fired i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 1))
  (call $one (i32.const 8256) (i32.const 9000) (i32.const 1))
  (call $put (i32.const 0) (i32.const 8192) (i32.const 8256))
  (if (i32.load8_u (i32.const 512)) (then (return (call $answer_with_state))))
  (call $innermost)
  (unreachable))
