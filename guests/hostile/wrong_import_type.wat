(component
  (import "wasmill:transform/output@0.1.0" (instance
    (export "emit" (func (param "text" string)))))
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (instance $handler (export "describe" (func $run)))
  (export "wasmill:transform/handler@0.1.0" (instance $handler)))
