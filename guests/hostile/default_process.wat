;; The healthy guest: emits what it was given.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $prepare_emit (local.get $batch))
  (call $call_emit)
  (call $answer_with_emit))
