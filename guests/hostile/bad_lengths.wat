;; Binary of two rows with three bytes of offsets.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (memory.fill (i32.const 800) (i32.const 0) (i32.const 24))
  (i32.store (i32.const 808) (i32.const 1024))
  (i32.store (i32.const 812) (i32.const 3))
  (call $prepare_column (i32.const 2) (i32.const 800) (i32.const 3))
  (call $call_emit)
  (call $answer_with_emit))
