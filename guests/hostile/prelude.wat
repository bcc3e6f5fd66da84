;; What every guest here starts from. Addresses:
;;   64    result of `process` and `open`: tag, failure tag, text
;;   128   result of `describe`: text
;;   256   parameters of `emit`
;;   512   result of `emit`, and of calls on state and timers; 640 result of `reject`
;;   1024  the manifest, then constants
;;   8192  packed byte strings: keys; 8256 values or tags; 8320 parameters of `register`
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
(import "wasmill:transform/state@0.1.0" "get-many"
  (func $get_many (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasmill:transform/state@0.1.0" "put-many"
  (func $put_many (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasmill:transform/state@0.1.0" "delete-many"
  (func $delete_many (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasmill:transform/state@0.1.0" "scan"
  (func $scan (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasmill:transform/timers@0.1.0" "register" (func $register (param i32 i32)))
(import "wasmill:transform/timers@0.1.0" "cancel"
  (func $cancel (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(memory (export "memory") 2)
(global $heap (mut i32) (i32.const 65536))
(data (i32.const 60000) "unknown-port")
(data (i32.const 60016) "limit-exceeded")
(data (i32.const 60032) "unknown-store")
(data (i32.const 60048) "not-declared")

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

;; Sets the byte strings at `at` (28 bytes, then 8 of offsets): one entry.
(func $one (param $at i32) (param $data i32) (param $len i32)
  (memory.fill (local.get $at) (i32.const 0) (i32.const 36))
  (i32.store (local.get $at) (i32.const 1))
  (i32.store offset=12 (local.get $at) (i32.add (local.get $at) (i32.const 28)))
  (i32.store offset=16 (local.get $at) (i32.const 8))
  (i32.store offset=20 (local.get $at) (local.get $data))
  (i32.store offset=24 (local.get $at) (local.get $len))
  (i32.store offset=32 (local.get $at) (local.get $len)))

;; Sets the byte strings at `at` to `count` entries of `each` zero bytes.
(func $many (param $at i32) (param $count i32) (param $each i32)
  (local $offsets i32) (local $entry i32)
  (local.set $offsets
    (call $alloc (i32.const 4) (i32.mul (i32.add (local.get $count) (i32.const 1)) (i32.const 4))))
  (memory.fill (local.get $at) (i32.const 0) (i32.const 28))
  (i32.store (local.get $at) (local.get $count))
  (i32.store offset=12 (local.get $at) (local.get $offsets))
  (i32.store offset=16 (local.get $at) (i32.mul (i32.add (local.get $count) (i32.const 1)) (i32.const 4)))
  (i32.store offset=24 (local.get $at) (i32.mul (local.get $count) (local.get $each)))
  (i32.store offset=20 (local.get $at) (call $alloc (i32.const 1) (i32.load offset=24 (local.get $at))))
  (memory.fill (i32.load offset=20 (local.get $at)) (i32.const 0) (i32.load offset=24 (local.get $at)))
  (loop $again
    (i32.store (local.get $offsets) (i32.mul (local.get $entry) (local.get $each)))
    (local.set $offsets (i32.add (local.get $offsets) (i32.const 4)))
    (local.set $entry (i32.add (local.get $entry) (i32.const 1)))
    (br_if $again (i32.le_u (local.get $entry) (local.get $count)))))

(func $get (param $store i32) (param $keys i32)
  (call $get_many (local.get $store) (i32.load (local.get $keys))
    (i32.load offset=4 (local.get $keys)) (i32.load offset=8 (local.get $keys)) (i32.load offset=12 (local.get $keys))
    (i32.load offset=16 (local.get $keys)) (i32.load offset=20 (local.get $keys)) (i32.load offset=24 (local.get $keys)) (i32.const 512)))

(func $delete (param $store i32) (param $keys i32)
  (call $delete_many (local.get $store) (i32.load (local.get $keys))
    (i32.load offset=4 (local.get $keys)) (i32.load offset=8 (local.get $keys)) (i32.load offset=12 (local.get $keys))
    (i32.load offset=16 (local.get $keys)) (i32.load offset=20 (local.get $keys)) (i32.load offset=24 (local.get $keys)) (i32.const 512)))

(func $put (param $store i32) (param $keys i32) (param $values i32)
  (call $put_many (local.get $store) (i32.load (local.get $keys))
    (i32.load offset=4 (local.get $keys)) (i32.load offset=8 (local.get $keys)) (i32.load offset=12 (local.get $keys))
    (i32.load offset=16 (local.get $keys)) (i32.load offset=20 (local.get $keys)) (i32.load offset=24 (local.get $keys)) (i32.load (local.get $values))
    (i32.load offset=4 (local.get $values)) (i32.load offset=8 (local.get $values)) (i32.load offset=12 (local.get $values))
    (i32.load offset=16 (local.get $values)) (i32.load offset=20 (local.get $values)) (i32.load offset=24 (local.get $values)) (i32.const 512)))

(func $cancel_timers (param $domain i32) (param $keys i32) (param $values i32)
  (call $cancel (local.get $domain) (i32.load (local.get $keys))
    (i32.load offset=4 (local.get $keys)) (i32.load offset=8 (local.get $keys)) (i32.load offset=12 (local.get $keys))
    (i32.load offset=16 (local.get $keys)) (i32.load offset=20 (local.get $keys)) (i32.load offset=24 (local.get $keys)) (i32.load (local.get $values))
    (i32.load offset=4 (local.get $values)) (i32.load offset=8 (local.get $values)) (i32.load offset=12 (local.get $values))
    (i32.load offset=16 (local.get $values)) (i32.load offset=20 (local.get $values)) (i32.load offset=24 (local.get $values)) (i32.const 512)))

;; All entries of the partition's key.
(func $scan_all (param $store i32) (param $limit i32) (param $has_cursor i32) (param $cursor i32) (param $cursor_len i32)
  (call $scan (local.get $store)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (local.get $limit) (local.get $has_cursor) (local.get $cursor) (local.get $cursor_len)
    (i32.const 512)))

;; Registers timers with keys at 8192 and tags at 8256.
(func $register_timers (param $domain i32) (param $times i32) (param $times_len i32)
  (i32.store8 (i32.const 8320) (local.get $domain))
  (memory.copy (i32.const 8324) (i32.const 8192) (i32.const 28))
  (memory.copy (i32.const 8352) (i32.const 8256) (i32.const 28))
  (i32.store (i32.const 8380) (local.get $times))
  (i32.store (i32.const 8384) (local.get $times_len))
  (call $register (i32.const 8320) (i32.const 512)))

;; The answer of `process`: success, or a fatal failure that carries the state's refusal.
(func $answer_with_state (result i32)
  (if (i32.load8_u (i32.const 512))
    (then
      (if (i32.eqz (i32.load8_u (i32.const 520)))
        (then (return (call $answer_fatal (i32.const 60032) (i32.const 13)))))))
  (call $answer_with_emit))

;; Likewise with that of the timers.
(func $answer_with_timers (result i32)
  (global.set $heap (i32.const 65536))
  (if (i32.eqz (i32.load8_u (i32.const 512)))
    (then (return (call $answer_ok))))
  (if (i32.eq (i32.load8_u (i32.const 520)) (i32.const 1))
    (then (return (call $answer_fatal (i32.const 60048) (i32.const 12)))))
  (if (i32.eq (i32.load8_u (i32.const 520)) (i32.const 2))
    (then (return (call $answer_fatal (i32.const 60016) (i32.const 14)))))
  (call $answer_fatal (i32.load (i32.const 528)) (i32.load (i32.const 532))))
