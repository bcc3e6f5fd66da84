;; manifest: {"manifest_version":1,"name":"hostile","inputs":[{"name":"in","value":{"kind":"raw"}}],"outputs":[{"name":"out","value":{"kind":"typed","schema":"null"}}]}
(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (call $prepare_column (i32.const -1) (i32.const 0) (i32.const 0))
  (i32.store (i32.const 716) (i32.const -1))
  (call $call_emit)
  (call $answer_with_emit))
