;; manifest: {"manifest_version":1,"name":"hostile","inputs":[{"name":"in","value":{"kind":"raw"}}],"outputs":[{"name":"out","value":{"kind":"typed","schema":{"type":"array","items":{"type":"array","items":"int"}}}}]}
(data (i32.const 900) "\00\00\00\00\01\00\00\00")
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (memory.fill (i32.const 800) (i32.const 0) (i32.const 24))
  (i32.store (i32.const 808) (i32.const 900))
  (i32.store (i32.const 812) (i32.const 8))
  (call $prepare_column (i32.const 1) (i32.const 800) (i32.const 2))
  ;; Its one child is column 0, itself.
  (i32.store (i32.const 708) (i32.const 840))
  (i32.store (i32.const 712) (i32.const 1))
  (i32.store (i32.const 840) (i32.const 0))
  ;; A second column, so that there may be a child.
  (memory.copy (i32.const 720) (i32.const 700) (i32.const 8))
  (memory.fill (i32.const 728) (i32.const 0) (i32.const 12))
  (i32.store (i32.const 316) (i32.const 2))
  (call $call_emit)
  (call $answer_with_emit))
