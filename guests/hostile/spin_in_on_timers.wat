;; manifest: timers
(func (export "wasmill:transform/timer-handler@0.1.0#on-timers") (param $fired i32) (result i32)
  (loop $again (br $again))
  (unreachable))
