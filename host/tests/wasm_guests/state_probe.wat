;; Does with state and timers what its records say; the ports of `PROBE_MANIFEST` in order:
;;   0 get       emits what stands under the values
;;   1 put       writes the values under the keys
;;   2 delete    deletes the values
;;   3 scan      the page after the last one: first key and value are key and prefix, the first timestamp
;;               the limit, the second and third value, if there are any, start and end; emits suffixes
;;               as keys
;;   4 register  timers of event time: keys, values as tags, timestamps
;;   5 cancel    likewise
;;   6 register  timers of processing time
;; `on-timers` emits keys, tags as values, and times as timestamps, each with its timer as source; it
;; rejects timers whose domain is processing time.
(global $cursor (mut i32) (i32.const 0))
(global $cursor_len (mut i32) (i32.const 0))
(global $has_cursor (mut i32) (i32.const 0))
(data (i32.const 5000) "processing time")

;; The column that an option at `at` names, or 0.
(func $root (param $batch i32) (param $at i32) (result i32)
  (if (result i32) (i32.load8_u (local.get $at))
    (then (i32.add (i32.load offset=76 (local.get $batch))
      (i32.mul (i32.load offset=4 (local.get $at)) (i32.const 20))))
    (else (i32.const 0))))

;; How many of `count` entries a validity buffer marks as absent.
(func $nulls (param $validity i32) (param $len i32) (param $count i32) (result i32)
  (local $entry i32) (local $nulls i32)
  (if (i32.eqz (local.get $len)) (then (return (i32.const 0))))
  (loop $again
    (if (i32.lt_u (local.get $entry) (local.get $count))
      (then
        (local.set $nulls (i32.add (local.get $nulls) (i32.eqz (i32.and (i32.const 1)
          (i32.shr_u
            (i32.load8_u (i32.add (local.get $validity) (i32.shr_u (local.get $entry) (i32.const 3))))
            (i32.and (local.get $entry) (i32.const 7)))))))
        (local.set $entry (i32.add (local.get $entry) (i32.const 1)))
        (br $again))))
  (local.get $nulls))

;; Sets column `index` of the emission at 700, with its buffers, to byte strings at `at`.
(func $set_column (param $index i32) (param $at i32)
  (local $column i32) (local $buffers i32)
  (local.set $column (i32.add (i32.const 700) (i32.mul (local.get $index) (i32.const 20))))
  (local.set $buffers (i32.add (i32.const 800) (i32.mul (local.get $index) (i32.const 24))))
  (memory.fill (local.get $column) (i32.const 0) (i32.const 20))
  (i32.store (local.get $column) (local.get $buffers))
  (i32.store offset=4 (local.get $column) (i32.const 3))
  (i32.store offset=16 (local.get $column)
    (call $nulls (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at)) (i32.load (local.get $at))))
  (memory.copy (local.get $buffers) (i32.add (local.get $at) (i32.const 4)) (i32.const 24)))

;; Sets `emit`'s parameters: columns from 700, the value is number 0.
(func $prepare_rows (param $count i32) (param $columns i32)
  (memory.fill (i32.const 256) (i32.const 0) (i32.const 72))
  (i32.store (i32.const 268) (local.get $count))
  (i32.store8 (i32.const 280) (i32.const 1))
  (i32.store (i32.const 312) (i32.const 700))
  (i32.store (i32.const 316) (local.get $columns)))

(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $port i32) (local $count i32) (local $key i32) (local $value i32) (local $time i32)
  (local.set $port (i32.load (local.get $batch)))
  (local.set $count (i32.load offset=32 (local.get $batch)))
  (local.set $key (call $root (local.get $batch) (i32.add (local.get $batch) (i32.const 36))))
  (local.set $value (call $root (local.get $batch) (i32.add (local.get $batch) (i32.const 44))))
  (local.set $time (call $root (local.get $batch) (i32.add (local.get $batch) (i32.const 52))))
  (if (i32.eqz (local.get $port)) (then
    (call $get_many (i32.const 0) (local.get $count)
      (i32.load (i32.load (local.get $value))) (i32.load offset=4 (i32.load (local.get $value)))
      (i32.load offset=8 (i32.load (local.get $value))) (i32.load offset=12 (i32.load (local.get $value)))
      (i32.load offset=16 (i32.load (local.get $value))) (i32.load offset=20 (i32.load (local.get $value)))
      (i32.const 512))
    (if (i32.load8_u (i32.const 512)) (then (return (call $answer_with_state))))
    (call $prepare_rows (i32.load (i32.const 520)) (i32.const 1))
    (call $set_column (i32.const 0) (i32.const 520))
    (call $call_emit)
    (return (call $answer_with_emit))))
  (if (i32.eq (local.get $port) (i32.const 1)) (then
    (call $put_many (i32.const 0) (local.get $count)
      (i32.load (i32.load (local.get $key))) (i32.load offset=4 (i32.load (local.get $key)))
      (i32.load offset=8 (i32.load (local.get $key))) (i32.load offset=12 (i32.load (local.get $key)))
      (i32.load offset=16 (i32.load (local.get $key))) (i32.load offset=20 (i32.load (local.get $key)))
      (local.get $count)
      (i32.load (i32.load (local.get $value))) (i32.load offset=4 (i32.load (local.get $value)))
      (i32.load offset=8 (i32.load (local.get $value))) (i32.load offset=12 (i32.load (local.get $value)))
      (i32.load offset=16 (i32.load (local.get $value))) (i32.load offset=20 (i32.load (local.get $value)))
      (i32.const 512))
    (return (call $answer_with_state))))
  (if (i32.eq (local.get $port) (i32.const 2)) (then
    (call $delete_many (i32.const 0) (local.get $count)
      (i32.load (i32.load (local.get $value))) (i32.load offset=4 (i32.load (local.get $value)))
      (i32.load offset=8 (i32.load (local.get $value))) (i32.load offset=12 (i32.load (local.get $value)))
      (i32.load offset=16 (i32.load (local.get $value))) (i32.load offset=20 (i32.load (local.get $value)))
      (i32.const 512))
    (return (call $answer_with_state))))
  (if (i32.eq (local.get $port) (i32.const 3)) (then
    (return (call $scan_page (local.get $count) (i32.load (local.get $key)) (i32.load (local.get $value))
      (i32.load (i32.load offset=8 (i32.load (local.get $time))))))))
  (if (i32.eq (local.get $port) (i32.const 5)) (then
    (call $cancel (i32.const 0) (local.get $count)
      (i32.load (i32.load (local.get $key))) (i32.load offset=4 (i32.load (local.get $key)))
      (i32.load offset=8 (i32.load (local.get $key))) (i32.load offset=12 (i32.load (local.get $key)))
      (i32.load offset=16 (i32.load (local.get $key))) (i32.load offset=20 (i32.load (local.get $key)))
      (local.get $count)
      (i32.load (i32.load (local.get $value))) (i32.load offset=4 (i32.load (local.get $value)))
      (i32.load offset=8 (i32.load (local.get $value))) (i32.load offset=12 (i32.load (local.get $value)))
      (i32.load offset=16 (i32.load (local.get $value))) (i32.load offset=20 (i32.load (local.get $value)))
      (i32.const 512))
    (return (call $answer_with_timers))))
  ;; 4 and 6.
  (i32.store8 (i32.const 8320) (i32.eq (local.get $port) (i32.const 6)))
  (i32.store (i32.const 8324) (local.get $count))
  (memory.copy (i32.const 8328) (i32.load (local.get $key)) (i32.const 24))
  (i32.store (i32.const 8352) (local.get $count))
  (memory.copy (i32.const 8356) (i32.load (local.get $value)) (i32.const 24))
  (memory.copy (i32.const 8380) (i32.add (i32.load (local.get $time)) (i32.const 8)) (i32.const 8))
  (call $register (i32.const 8320) (i32.const 512))
  (call $answer_with_timers))

;; Start (included) and end of entry `index` in the offsets of a Binary column's buffers.
(func $start (param $buffers i32) (param $index i32) (result i32)
  (i32.add (i32.load offset=16 (local.get $buffers))
    (i32.load (i32.add (i32.load offset=8 (local.get $buffers)) (i32.mul (local.get $index) (i32.const 4))))))

(func $scan_page (param $count i32) (param $keys i32) (param $values i32) (param $limit i32) (result i32)
  (local $ranged i32) (local $page i32)
  (local.set $ranged (i32.eq (local.get $count) (i32.const 3)))
  (call $scan (i32.const 0)
    (call $start (local.get $keys) (i32.const 0))
    (i32.sub (call $start (local.get $keys) (i32.const 1)) (call $start (local.get $keys) (i32.const 0)))
    (call $start (local.get $values) (i32.const 0))
    (i32.sub (call $start (local.get $values) (i32.const 1)) (call $start (local.get $values) (i32.const 0)))
    (local.get $ranged)
    (call $start (local.get $values) (i32.const 1))
    (if (result i32) (local.get $ranged)
      (then (i32.sub (call $start (local.get $values) (i32.const 2)) (call $start (local.get $values) (i32.const 1))))
      (else (i32.const 0)))
    (local.get $ranged)
    (if (result i32) (local.get $ranged)
      (then (call $start (local.get $values) (i32.const 2)))
      (else (i32.const 0)))
    (if (result i32) (local.get $ranged)
      (then (i32.sub (call $start (local.get $values) (i32.const 3)) (call $start (local.get $values) (i32.const 2))))
      (else (i32.const 0)))
    (local.get $limit)
    (global.get $has_cursor) (global.get $cursor) (global.get $cursor_len)
    (i32.const 512))
  (if (i32.load8_u (i32.const 512)) (then (return (call $answer_with_state))))
  ;; The page at 520: suffixes, values, cursor. The heap is emptied, so the cursor moves.
  (global.set $has_cursor (i32.load8_u (i32.const 576)))
  (global.set $cursor (i32.const 6000))
  (global.set $cursor_len (i32.load (i32.const 584)))
  (memory.copy (i32.const 6000) (i32.load (i32.const 580)) (i32.load (i32.const 584)))
  (call $prepare_rows (i32.load (i32.const 520)) (i32.const 2))
  (call $set_column (i32.const 0) (i32.const 548))
  (call $set_column (i32.const 1) (i32.const 520))
  (i32.store8 (i32.const 272) (i32.const 1))
  (i32.store (i32.const 276) (i32.const 1))
  (call $call_emit)
  (call $answer_with_emit))

(func (export "wasmill:transform/timer-handler@0.1.0#on-timers") (param $fired i32) (result i32)
  (local $count i32) (local $sources i32) (local $at i32)
  (local.set $count (i32.load offset=28 (local.get $fired)))
  (local.set $sources (call $alloc (i32.const 4) (i32.mul (local.get $count) (i32.const 4))))
  (loop $again
    (i32.store (i32.add (local.get $sources) (i32.mul (local.get $at) (i32.const 4))) (local.get $at))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $at) (local.get $count))))
  (if (i32.load8_u offset=24 (local.get $fired)) (then
    (call $reject (local.get $sources) (i32.mul (local.get $count) (i32.const 4))
      (i32.const 5000) (i32.const 15) (i32.const 640))
    (if (i32.load8_u (i32.const 640)) (then (unreachable)))
    (return (call $answer_ok))))
  (call $prepare_rows (local.get $count) (i32.const 3))
  (call $set_column (i32.const 0) (i32.add (local.get $fired) (i32.const 56)))
  (call $set_column (i32.const 1) (i32.add (local.get $fired) (i32.const 28)))
  (i32.store8 (i32.const 272) (i32.const 1))
  (i32.store (i32.const 276) (i32.const 1))
  ;; Column 2 has two buffers: no validity, the times.
  (memory.fill (i32.const 740) (i32.const 0) (i32.const 20))
  (i32.store (i32.const 740) (i32.const 848))
  (i32.store (i32.const 744) (i32.const 2))
  (memory.fill (i32.const 848) (i32.const 0) (i32.const 8))
  (memory.copy (i32.const 856) (i32.add (local.get $fired) (i32.const 84)) (i32.const 8))
  (i32.store8 (i32.const 288) (i32.const 1))
  (i32.store (i32.const 292) (i32.const 2))
  (i32.store (i32.const 320) (local.get $sources))
  (i32.store (i32.const 324) (i32.mul (local.get $count) (i32.const 4)))
  (call $call_emit)
  (call $answer_with_emit))
