//! What keyed state costs at the boundary: a guest that does nothing but call, a state that does
//! nothing but answer. Beside it the same call without state.
//!
//! `cargo run -p wasmill --example state_boundary --config profile.dev.package.wasmill.opt-level=3`

#[path = "../tests/wasm_guests/mod.rs"]
mod wasm_guests;

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::BinaryArray;
use wasmill::model::binaries::BinariesBuf;
use wasmill::model::binaries::BinariesRef;
use wasmill::model::ids::PortIndex;
use wasmill::model::position::Offset;
use wasmill::model::record_batch::RecordBatch;
use wasmill::model::state::EventClock;
use wasmill::model::state::FiredTimers;
use wasmill::model::state::Scan;
use wasmill::model::state::ScanPage;
use wasmill::model::state::StateTimes;
use wasmill::model::state::StoreIndex;
use wasmill::model::state::TimeDomain;
use wasmill::pipeline::ports::Guest;
use wasmill::pipeline::state_ports::Change;
use wasmill::pipeline::state_ports::StateFailure;
use wasmill::pipeline::state_ports::StateSlot;
use wasmill::pipeline::state_ports::TaskState;
use wasmill::wasm::guest::WasmGuest;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MANIFEST: &str = r#"{"manifest_version":1,"name":"cost","inputs":[{"name":"in","key":{"kind":"raw"},"value":{"kind":"raw"}}],"state":[{"name":"sums","value":"bytes"}]}"#;

/// Keys from the column of keys, values from the column of values.
const PROLOGUE: &str = r#"(func (export "wasmill:transform/handler@0.1.0#process") (param $batch i32) (result i32)
  (local $columns i32)
  (local.set $columns (i32.load offset=76 (local.get $batch)))
  (i32.store (i32.const 8192) (i32.load offset=32 (local.get $batch)))
  (memory.copy (i32.const 8196) (i32.load (local.get $columns)) (i32.const 24))
  (i32.store (i32.const 8256) (i32.load offset=32 (local.get $batch)))
  (memory.copy (i32.const 8260) (i32.load offset=20 (local.get $columns)) (i32.const 24))
  (i32.store8 (i32.const 512) (i32.const 0))"#;
const EPILOGUE: &str = "(call $answer_with_state))";

/// Answers every read with the same 16 bytes, and looks at what is written.
struct Constant {
    value: [u8; 16],
    written: usize,
}

impl TaskState for Constant {
    fn get_many(
        &mut self,
        _: StoreIndex,
        keys: BinariesRef<'_>,
        values: &mut BinariesBuf,
    ) -> Result<(), StateFailure> {
        for key in keys.iter() {
            black_box(key);
            values.push(Some(&self.value));
        }
        Ok(())
    }
    fn put_many(
        &mut self,
        _: StoreIndex,
        keys: BinariesRef<'_>,
        values: BinariesRef<'_>,
    ) -> Result<(), StateFailure> {
        for (key, value) in keys.iter().zip(values.iter()) {
            self.written += black_box((key, value)).1.map_or(0, <[u8]>::len);
        }
        Ok(())
    }
    fn delete_many(&mut self, _: StoreIndex, _: BinariesRef<'_>) -> Result<(), StateFailure> {
        Ok(())
    }
    fn scan(&mut self, _: StoreIndex, _: &Scan<'_>, _: &mut ScanPage) -> Result<(), StateFailure> {
        Ok(())
    }
    fn register_timers(
        &mut self,
        _: TimeDomain,
        _: BinariesRef<'_>,
        _: BinariesRef<'_>,
        _: &[i64],
    ) -> Result<(), StateFailure> {
        Ok(())
    }
    fn cancel_timers(
        &mut self,
        _: TimeDomain,
        _: BinariesRef<'_>,
        _: BinariesRef<'_>,
    ) -> Result<(), StateFailure> {
        Ok(())
    }
    fn begin(&mut self, _: StateTimes, _: u64) {}
    fn keep(&mut self) {}
    fn undo(&mut self) {}
    fn registered_event_min(&self) -> Option<i64> {
        None
    }
    fn next_due(&self, _: TimeDomain) -> Option<i64> {
        None
    }
    fn take_due(&mut self, _: TimeDomain, _: i64, _: usize, _: &mut FiredTimers) -> Result<(), StateFailure> {
        Ok(())
    }
    fn event_clock(&self, _: PortIndex) -> EventClock {
        EventClock::default()
    }
    fn set_event_clock(&mut self, _: PortIndex, _: EventClock) {}
    fn overlay_bytes(&self) -> u64 {
        0
    }
    fn changes(&mut self, _: &mut dyn FnMut(Change<'_>) -> ControlFlow<()>) {}
    fn committed(&mut self, _: &[(PortIndex, Offset)]) {}
    fn aborted(&mut self) {}
    fn tick(&mut self) -> Result<(), StateFailure> {
        Ok(())
    }
}

/// CPU time of this thread, from the kernel's books.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel's books");
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number"))
}

/// Keys of about 10 bytes, values of 16.
fn batch(rows: usize) -> RecordBatch {
    let key = |row: usize| {
        let key = format!("acct-{}", row * 7919 % 100_000);
        [&[key.len() as u8], key.as_bytes()].concat()
    };
    let mut batch =
        wasm_guests::batch(Arc::new(BinaryArray::from_iter_values((0..rows).map(|row| [row as u8; 16]))));
    batch.rows.key = Some(Arc::new(BinaryArray::from_iter_values((0..rows).map(key))));
    batch
}

fn guest(calls: &str) -> WasmGuest {
    let module = wasm_guests::core_module(&format!("{PROLOGUE}{calls}{EPILOGUE}"), MANIFEST);
    wasm_guests::guest(wasm_guests::loader().load(&module).expect("loads"))
}

/// Nanoseconds of a call of each guest in the best of some rounds, taken in turns.
fn measure<const N: usize>(guests: &mut [WasmGuest; N], rows: usize) -> [f64; N] {
    let batch = batch(rows);
    let mut slot: StateSlot = Some(Box::new(Constant { value: [7; 16], written: 0 }));
    let calls = (4_000_000 / (rows + 300)) as u32;
    let mut best = [f64::MAX; N];
    for _ in 0..12 {
        for (guest, best) in guests.iter_mut().zip(&mut best) {
            let start = cpu_time();
            for _ in 0..calls {
                black_box(guest.invoke(&batch, &mut slot).expect("done"));
            }
            *best = best.min((cpu_time() - start).as_nanos() as f64 / f64::from(calls));
        }
    }
    best
}

fn main() {
    let get = "(call $get (i32.const 0) (i32.const 8192))";
    let put = "(call $put (i32.const 0) (i32.const 8192) (i32.const 8256))";
    let mut guests = [guest(""), guest(get), guest(put), guest(&format!("{get}{put}"))];
    for rows in [1000, 100, 1] {
        let [none, get, put, both] = measure(&mut guests, rows).map(|ns| ns / rows as f64);
        println!(
            "{rows} keys a call: get {:.1} ns a key, put {:.1}, both {:.1}; the call without state {none:.1}",
            get - none,
            put - none,
            both - none
        );
    }
}
