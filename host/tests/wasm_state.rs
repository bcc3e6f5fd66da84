//! Keyed state and timers as a guest sees them: a real component, a state in memory.

mod wasm_guests;

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use wasmill::model::failure::Outage;
use wasmill::model::failure::Refusal;
use wasmill::model::ids::PortIndex;
use wasmill::model::limits::Limits;
use wasmill::model::position::Partition;
use wasmill::model::record_batch::Invoked;
use wasmill::model::record_batch::RecordBatch;
use wasmill::model::state::StateTimes;
use wasmill::model::state::StoreIndex;
use wasmill::model::state::TimeDomain;
use wasmill::pipeline::memory_state::MemoryState;
use wasmill::pipeline::ports::Guest;
use wasmill::pipeline::ports::InvokeFailure;
use wasmill::pipeline::state_ports::StateFailure;
use wasmill::pipeline::state_ports::StateSlot;
use wasmill::pipeline::state_ports::TaskState;
use wasmill::wasm::guest::WasmGuest;
use wasmill::wasm::loader::LoadError;

type Bytes<'a> = Option<&'a [u8]>;

const GET: u32 = 0;
const PUT: u32 = 1;
const DELETE: u32 = 2;
const SCAN: u32 = 3;
const REGISTER: u32 = 4;
const CANCEL: u32 = 5;
const LATER: u32 = 6;

/// The probe of `state_probe.wat`, with a state of its own.
struct Probe {
    guest: WasmGuest,
    state: MemoryState,
    slot: StateSlot,
}

impl Probe {
    fn new() -> Self {
        Self::within(Limits::default())
    }

    fn within(limits: Limits) -> Self {
        let component = wasm_guests::loader().load(&wasm_guests::state_probe()).expect("loads");
        let state = wasm_guests::state(&component, StateTimes::default());
        let mut spec = wasm_guests::spec(component);
        spec.limits = limits;
        Self { guest: WasmGuest::new(spec).expect("a guest"), slot: wasm_guests::slot(&state), state }
    }

    fn call(&mut self, port: u32, batch: RecordBatch) -> Result<Invoked, InvokeFailure> {
        let outcome = self.guest.invoke(&RecordBatch { port: PortIndex(port), ..batch }, &mut self.slot);
        assert!(self.slot.is_some(), "the state is back");
        outcome
    }

    fn refused(&mut self, port: u32, batch: RecordBatch) -> String {
        match self.call(port, batch).map(|_| ()) {
            Err(InvokeFailure::Fatal(message)) => message,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    fn get(&mut self, keys: &[Bytes<'_>]) -> ArrayRef {
        let invoked = self.call(GET, values(keys)).expect("read");
        invoked.emissions[0].rows.value.clone().expect("values")
    }

    /// Suffixes and values of the next page.
    fn scan(&mut self, batch: RecordBatch) -> Vec<(Vec<u8>, Vec<u8>)> {
        let invoked = self.call(SCAN, batch).expect("a page");
        let rows = &invoked.emissions[0].rows;
        let (suffixes, values) = (rows.key.as_ref().expect("suffixes"), rows.value.as_ref().expect("values"));
        assert_eq!((suffixes.null_count(), values.null_count()), (0, 0));
        let pairs =
            suffixes.as_binary::<i32>().iter().flatten().zip(values.as_binary::<i32>().iter().flatten());
        pairs.map(|(suffix, value)| (suffix.to_vec(), value.to_vec())).collect()
    }
}

fn binary(entries: &[Bytes<'_>]) -> ArrayRef {
    Arc::new(BinaryArray::from_opt_vec(entries.to_vec()))
}

fn values(entries: &[Bytes<'_>]) -> RecordBatch {
    wasm_guests::batch(binary(entries))
}

fn pairs(entries: &[(Bytes<'_>, Bytes<'_>)]) -> RecordBatch {
    let (keys, of_keys): (Vec<_>, Vec<_>) = entries.iter().copied().unzip();
    let mut batch = values(&of_keys);
    batch.rows.key = Some(binary(&keys));
    batch
}

fn timed(entries: &[(&[u8], &[u8], i64)]) -> RecordBatch {
    let mut batch =
        pairs(&entries.iter().map(|(key, value, _)| (Some(*key), Some(*value))).collect::<Vec<_>>());
    batch.rows.timestamp =
        Some(Arc::new(Int64Array::from_iter_values(entries.iter().map(|(.., time)| *time))));
    batch
}

/// Avro bodies of texts.
const ONE: Bytes<'static> = Some(b"\x06one");
const TWO: Bytes<'static> = Some(b"\x06two");

#[test]
fn what_is_written_is_read_in_the_order_of_the_keys() {
    let mut probe = Probe::new();
    let (a, b, c) = (Some(b"\x01a".as_slice()), Some(b"\x01b".as_slice()), Some(b"\x00".as_slice()));
    probe.call(PUT, pairs(&[(a, ONE), (b, TWO), (c, ONE), (a, TWO)])).expect("written");
    assert_eq!(
        &probe.get(&[b, Some(b"\x01x"), a, c, b]),
        &binary(&[TWO, None, TWO, ONE, TWO]),
        "the last one counts"
    );
    assert_eq!(&probe.get(&[]), &binary(&[]));
    probe.call(DELETE, values(&[a, Some(b"\x01x")])).expect("deleted");
    probe.call(PUT, pairs(&[(b, None)])).expect("an absent value deletes");
    assert_eq!(&probe.get(&[a, b, c]), &binary(&[None, None, ONE]));
    let nine: Vec<_> = std::iter::repeat_n(c, 8).chain([a]).collect();
    assert_eq!(probe.get(&nine).null_count(), 1, "in the second byte of validity");
    probe.state.keep();
    probe.state.committed(&[]);
    let committed = probe.state.committed_entries(StoreIndex(0));
    assert_eq!(committed.into_iter().collect::<Vec<_>>(), [(b"\x00".to_vec(), b"\x06one".to_vec())]);
    assert_eq!(probe.guest.stats().instances_made, 1);
}

#[test]
fn large_batches_cross_in_one_call() {
    let mut probe = Probe::new();
    let keys: Vec<Vec<u8>> =
        (0..10_000_u32).map(|key| [b"\x04".as_slice(), &key.to_be_bytes()].concat()).collect();
    let entries: Vec<_> = keys.iter().map(|key| (Some(key.as_slice()), ONE)).collect();
    probe.call(PUT, pairs(&entries)).expect("written");
    let read: Vec<_> = keys.iter().rev().map(|key| Some(key.as_slice())).collect();
    assert_eq!(
        probe.get(&read).as_binary::<i32>().iter().flatten().filter(|value| Some(*value) == ONE).count(),
        10_000
    );
}

#[test]
fn a_scan_gives_page_after_page() {
    let mut probe = Probe::new();
    let keys: Vec<Vec<u8>> = (b'a'..=b'f').map(|suffix| vec![1, b'k', b'x', suffix]).collect();
    let entries: Vec<_> = keys.iter().map(|key| (Some(key.as_slice()), ONE)).collect();
    probe.call(PUT, pairs(&entries)).expect("written");
    probe.call(PUT, pairs(&[(Some(b"\x01ky"), TWO), (Some(b"\x01lxa"), TWO)])).expect("written");
    let names = |page: Vec<(Vec<u8>, Vec<u8>)>| {
        assert!(page.iter().all(|(_, value)| Some(value.as_slice()) == ONE));
        page.into_iter().map(|(suffix, _)| String::from_utf8(suffix).expect("text")).collect::<Vec<_>>()
    };
    let all = || timed(&[(b"k", b"x", 4)]);
    assert_eq!(names(probe.scan(all())), ["xa", "xb", "xc", "xd"]);
    assert_eq!(names(probe.scan(all())), ["xe", "xf"]);
    assert_eq!(names(probe.scan(all())).len(), 4, "from the start again, after the last page");
    assert_eq!(names(probe.scan(all())).len(), 2);
    let range = timed(&[(b"k", b"x", 9), (b"", b"xb", 0), (b"", b"xd", 0)]);
    assert_eq!(names(probe.scan(range)), ["xb", "xc"], "the end is excluded");
    assert_eq!(probe.refused(SCAN, timed(&[(b"k", b"x", 0)])), "the limit is 0; expected 1 to 10000");
    let long = [b'x'; 4097];
    assert_eq!(probe.refused(SCAN, timed(&[(&long, b"", 1)])), "`key` has 4097 bytes; expected at most 4096");
}

#[test]
fn timers_are_registered_moved_cancelled_and_fired() {
    let mut probe = Probe::new();
    probe.call(REGISTER, timed(&[(b"b", b"", 20), (b"a", b"t", 10), (b"c", b"", 5)])).expect("registered");
    probe.call(REGISTER, timed(&[(b"c", b"", 15)])).expect("moved");
    probe.call(CANCEL, pairs(&[(Some(b"b"), Some(b"")), (Some(b"x"), Some(b""))])).expect("cancelled");
    probe.call(LATER, timed(&[(b"p", b"", 7)])).expect("registered");
    probe.state.keep();
    let times = StateTimes { event_watermark: Some(16), processing_time: 9 };
    probe.state.begin(times, 1000);
    let mut fired = wasm_guests::fired(&[]);
    probe.state.take_due(TimeDomain::Event, 16, 1000, &mut fired).expect("due");
    let invoked = probe.guest.fire(&fired, &mut probe.slot).expect("fired");
    assert!(probe.slot.is_some(), "the state is back");
    let rows = &invoked.emissions[0].rows;
    assert_eq!(rows.key.as_ref(), Some(&binary(&[Some(b"a"), Some(b"c")])));
    assert_eq!(rows.value.as_ref(), Some(&binary(&[Some(b"t"), Some(b"")])));
    assert_eq!(rows.timestamp.as_deref(), Some(&Int64Array::from(vec![10, 15])));
    assert_eq!(invoked.emissions[0].sources, [0, 1], "indexes of timers");

    probe.state.take_due(TimeDomain::Processing, 9, 1000, &mut fired).expect("due");
    let invoked = probe.guest.fire(&fired, &mut probe.slot).expect("fired");
    assert!(invoked.emissions.is_empty());
    let [rejection] = invoked.rejections.as_slice() else { panic!("{invoked:?}") };
    assert_eq!((rejection.rows.as_slice(), rejection.reason.as_str()), ([0].as_slice(), "processing time"));
    assert_eq!((fired.partition, fired.len()), (Partition(3), 1));
}

#[test]
fn a_transform_without_timers_is_never_fired() {
    let component = wasm_guests::loader().load(&wasm_guests::identity_guest(wasm_guests::RAW_MANIFEST));
    let mut guest = wasm_guests::guest(component.expect("loads"));
    let failure = guest.fire(&wasm_guests::fired(&[b"a"]), &mut None).map(|_| ()).expect_err("no export");
    assert!(matches!(&failure, InvokeFailure::Fatal(m) if m.contains("`timer-handler`")), "{failure:?}");
}

#[test]
fn storage_that_fails_is_no_fault_of_the_guest() {
    let mut probe = Probe::new();
    let failure = StateFailure::Storage {
        partition: Partition(3),
        outage: Outage::new("state-disk", "the disk is full"),
    };
    for (port, batch) in [
        (GET, values(&[Some(b"\x01a")])),
        (PUT, pairs(&[(Some(b"\x01a"), ONE)])),
        (DELETE, values(&[Some(b"\x01a")])),
        (SCAN, timed(&[(b"k", b"", 4)])),
        (REGISTER, timed(&[(b"k", b"", 4)])),
        (CANCEL, pairs(&[(Some(b"k"), Some(b""))])),
    ] {
        probe.state.fail_next(failure.clone());
        let found = probe.call(port, batch.clone()).map(|_| ()).expect_err("fails");
        let InvokeFailure::State(StateFailure::Storage { outage, .. }) = &found else {
            panic!("{port}: {found:?}")
        };
        assert_eq!(outage.code.0, "state-disk", "{port}");
        assert!(!probe.guest.stats().is_live, "{port}: the call ended in its middle");
        probe.call(port, batch).unwrap_or_else(|error| panic!("{port}: afterwards: {error}"));
    }
}

#[test]
fn a_transform_with_stores_is_not_called_without_its_state() {
    let mut probe = Probe::new();
    let batch = values(&[Some(b"\x01a")]);
    let failure = probe.guest.invoke(&batch, &mut None).map(|_| ()).expect_err("nothing is lent");
    let InvokeFailure::State(StateFailure::Stop(stop)) = &failure else { panic!("{failure:?}") };
    assert_eq!(stop.code.0, "internal-state");
}

#[test]
fn a_batch_may_write_up_to_its_limit_each_time() {
    let entry = (Some(b"\x01a".as_slice()), ONE);
    // 6 bytes of key and value, and 64 for the entry.
    let limits = Limits { state_bytes_per_batch_max: 4 * 70, ..Limits::default() };
    let mut probe = Probe::within(limits);
    for _ in 0..3 {
        probe.call(PUT, pairs(&[entry; 4])).expect("within the limit, call after call");
    }
    let failure = probe.call(PUT, pairs(&[entry; 5])).map(|_| ()).expect_err("over the limit");
    assert!(matches!(failure, InvokeFailure::StateLimit { limit_bytes: 280 }), "{failure:?}");
    probe.call(DELETE, values(&[entry.0; 4])).expect("within the limit");
}

#[test]
fn the_limit_of_the_state_itself_counts_as_well() {
    let mut probe = Probe::new();
    probe.state.begin(StateTimes::default(), 10);
    let failure = probe
        .call(PUT, pairs(&[(Some(b"\x01a".as_slice()), ONE); 2]))
        .map(|_| ())
        .expect_err("over the limit");
    assert!(matches!(failure, InvokeFailure::StateLimit { limit_bytes: 10 }), "{failure:?}");
}

#[test]
fn timers_are_exported_if_and_only_if_they_are_declared() {
    let refused = |fields: &str, manifest: &str| -> Refusal {
        match wasm_guests::loader().load(&wasm_guests::core_module(fields, manifest)) {
            Err(LoadError::Refused(refusal)) => *refusal,
            other => panic!("expected a refusal, got {other:?}"),
        }
    };
    let handler = "(func (export \"wasmill:transform/timer-handler@0.1.0#on-timers\") (param i32) (result i32) (call $answer_ok))";
    let refusal = refused(handler, wasm_guests::RAW_MANIFEST);
    assert_eq!((refusal.code.0, refusal.field.as_str()), ("timers-not-declared", "manifest.timers"));
    let timed = wasm_guests::RAW_MANIFEST.replacen('{', "{\"timers\":[\"processing\"],", 1);
    let refusal = refused("", &timed);
    assert_eq!((refusal.code.0, refusal.field.as_str()), ("timers-not-exported", "component.exports"));
    let component = wasm_guests::loader().load(&wasm_guests::core_module(handler, &timed)).expect("both");
    assert_eq!(component.manifest().timers, [TimeDomain::Processing]);
}
