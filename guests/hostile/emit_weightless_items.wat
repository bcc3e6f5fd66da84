;; manifest: {"manifest_version":1,"name":"hostile","inputs":[{"name":"in","value":{"kind":"raw"}}],"outputs":[{"name":"out","value":{"kind":"typed","schema":{"type":"array","items":"null"}}}]}
(data (i32.const 900) "\00\00\00\00\00\00\10\00")
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $calls i32)
  (memory.fill (i32.const 800) (i32.const 0) (i32.const 48))
  (i32.store (i32.const 808) (i32.const 900))
  (i32.store (i32.const 812) (i32.const 8))
  (call $prepare_column (i32.const 1) (i32.const 800) (i32.const 2))
  ;; Its child is column 1, which has no buffers.
  (i32.store (i32.const 708) (i32.const 840))
  (i32.store (i32.const 712) (i32.const 1))
  (i32.store (i32.const 840) (i32.const 1))
  (memory.fill (i32.const 720) (i32.const 0) (i32.const 20))
  (i32.store (i32.const 316) (i32.const 2))
  (loop $again
    (call $call_emit)
    (local.set $calls (i32.add (local.get $calls) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $calls) (i32.const 1000))))
  (call $answer_with_emit))
