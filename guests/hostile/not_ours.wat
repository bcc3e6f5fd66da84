(component
  (core module $m (func (export "run")))
  (core instance $i (instantiate $m))
  (func $run (canon lift (core func $i "run")))
  (instance $runner (export "run" (func $run)))
  (export "example:job/runner@1.0.0" (instance $runner)))
