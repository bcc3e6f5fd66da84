;; manifest: state
;; Writes state and registers a timer in `describe`, and trusts that both are refused.
(func (export "wasmill:transform/handler@0.1.0#describe") (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 1))
  (call $one (i32.const 8256) (i32.const 9000) (i32.const 1))
  (call $put (i32.const 0) (i32.const 8192) (i32.const 8256))
  (if (i32.eqz (i32.load8_u (i32.const 512))) (then (unreachable)))
  (call $register_timers (i32.const 0) (i32.const 9000) (i32.const 8))
  (if (i32.eqz (i32.load8_u (i32.const 512))) (then (unreachable)))
  (i32.store (i32.const 128) (i32.const 1024))
  (i32.store (i32.const 132) (global.get $manifest_len))
  (i32.const 128))
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (unreachable))
