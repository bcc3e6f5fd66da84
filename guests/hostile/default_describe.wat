(func (export "wasmill:transform/handler@0.1.0#describe") (result i32)
  (i32.store (i32.const 128) (i32.const 1024))
  (i32.store (i32.const 132) (global.get $manifest_len))
  (i32.const 128))
