;; What every guest here starts from. Addresses:
;;   64    result of `process` and `open`: tag, failure tag, text
;;   128   result of `describe`: text
;;   256   parameters of `emit`
;;   512   result of `emit`; 640 result of `reject`
;;   1024  the manifest, then constants
;;   65536 the heap, emptied when a batch is done
(import "wasmill:transform/output@0.1.0" "emit" (func $emit (param i32 i32)))
(import "wasmill:transform/rejects@0.1.0" "reject" (func $reject (param i32 i32 i32 i32 i32)))
(import "wasmill:transform/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
(import "wasmill:transform/log@0.1.0" "max-level" (func $max_level (param i32)))
(import "wasmill:transform/config@0.1.0" "get" (func $config (param i32 i32 i32)))
(import "wasmill:transform/clock@0.1.0" "watermark" (func $watermark (param i32)))
(import "wasmill:transform/clock@0.1.0" "processing-time" (func $processing_time (result i64)))
(import "wasmill:transform/schemas@0.1.0" "text" (func $schema_text (param i32 i32)))
(import "wasmill:transform/schemas@0.1.0" "declare" (func $schema_declare (param i32 i32 i32)))
(memory (export "memory") 2)
(global $heap (mut i32) (i32.const 65536))
(data (i32.const 60000) "unknown-port")
(data (i32.const 60016) "limit-exceeded")

;; Takes `size` bytes of the heap.
(func $alloc (param $align i32) (param $size i32) (result i32)
  (local $at i32) (local $missing i32)
  (local.set $at
    (i32.and
      (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
  (global.set $heap (i32.add (local.get $at) (local.get $size)))
  (local.set $missing
    (i32.sub (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
  (if (i32.gt_s (local.get $missing) (i32.const 0))
    (then
      (if (i32.eq
            (memory.grow (i32.add (i32.div_u (local.get $missing) (i32.const 65536)) (i32.const 1)))
            (i32.const -1))
        (then (unreachable)))))
  (local.get $at))

;; Sets `emit`'s parameters: port 0, the schema and rows of the batch, no sources.
(func $prepare_emit (param $batch i32)
  (memory.fill (i32.const 256) (i32.const 0) (i32.const 72))
  (memory.copy (i32.const 260) (i32.add (local.get $batch) (i32.const 24)) (i32.const 8))
  (memory.copy (i32.const 268) (i32.add (local.get $batch) (i32.const 32)) (i32.const 52))
  ;; `offset` is for input only.
  (i32.store8 (i32.const 304) (i32.const 0)))

;; Sets `emit`'s parameters: one root column at 700, the value, of `count` rows.
(func $prepare_column (param $count i32) (param $buffers i32) (param $buffer_count i32)
  (memory.fill (i32.const 256) (i32.const 0) (i32.const 72))
  (i32.store (i32.const 268) (local.get $count))
  (i32.store8 (i32.const 280) (i32.const 1))
  (i32.store (i32.const 312) (i32.const 700))
  (i32.store (i32.const 316) (i32.const 1))
  (memory.fill (i32.const 700) (i32.const 0) (i32.const 20))
  (i32.store (i32.const 700) (local.get $buffers))
  (i32.store (i32.const 704) (local.get $buffer_count)))

(func $call_emit
  (call $emit (i32.const 256) (i32.const 512)))

;; The answer of `process`: success, or a fatal failure that carries `emit`'s refusal.
(func $answer_with_emit (result i32)
  (local $case i32)
  (global.set $heap (i32.const 65536))
  (if (i32.eqz (i32.load8_u (i32.const 512)))
    (then (return (call $answer_ok))))
  (local.set $case (i32.load8_u (i32.const 520)))
  (if (i32.eqz (local.get $case))
    (then (return (call $answer_fatal (i32.const 60000) (i32.const 12)))))
  (if (i32.eq (local.get $case) (i32.const 4))
    (then (return (call $answer_fatal (i32.const 60016) (i32.const 14)))))
  (call $answer_fatal (i32.load (i32.const 528)) (i32.load (i32.const 532))))

(func $answer_ok (result i32)
  (i32.store8 (i32.const 64) (i32.const 0))
  (i32.const 64))

(func $answer_fatal (param $text i32) (param $len i32) (result i32)
  (i32.store8 (i32.const 64) (i32.const 1))
  (i32.store8 (i32.const 68) (i32.const 1))
  (i32.store (i32.const 72) (local.get $text))
  (i32.store (i32.const 76) (local.get $len))
  (i32.const 64))
