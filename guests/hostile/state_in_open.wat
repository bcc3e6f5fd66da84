;; manifest: state
(func (export "wasmill:transform/handler@0.1.0#open") (param i32 i32) (result i32)
  (call $one (i32.const 8192) (i32.const 9000) (i32.const 1))
  (call $get (i32.const 0) (i32.const 8192))
  ;; The error of `open` is the refusal; without one, all is lost.
  (if (i32.eqz (i32.load8_u (i32.const 512))) (then (unreachable)))
  (i32.store8 (i32.const 64) (i32.const 1))
  (i32.store (i32.const 68) (i32.load (i32.const 528)))
  (i32.store (i32.const 72) (i32.load (i32.const 532)))
  (i32.const 64))
