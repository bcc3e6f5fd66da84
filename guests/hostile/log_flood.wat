(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (loop $again
    (call $log (i32.const 2) (i32.const 60000) (i32.const 7) (i32.const 1024) (i32.const 30000))
    (br $again))
  (unreachable))
