;; manifest: {"manifest_version":1,"name":"hostile","inputs":[{"name":"in","value":{"kind":"raw"}}],"outputs":[{"name":"out","value":{"kind":"raw"}}]}
;; 4096 columns without a row, again and again.
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $calls i32)
  (call $prepare_column (i32.const 0) (i32.const 0) (i32.const 0))
  (i32.store (i32.const 312) (call $alloc (i32.const 8) (i32.const 81920)))
  (i32.store (i32.const 316) (i32.const 4096))
  ;; Three empty buffers for the first.
  (memory.fill (i32.const 800) (i32.const 0) (i32.const 24))
  (i32.store (i32.load (i32.const 312)) (i32.const 800))
  (i32.store offset=4 (i32.load (i32.const 312)) (i32.const 3))
  (loop $again
    (call $call_emit)
    (local.set $calls (i32.add (local.get $calls) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $calls) (i32.const 100))))
  (call $answer_with_emit))
