//! That the simplest state keeps the contract.

use super::*;

const MANIFEST: &str = r#"{"manifest_version":1,"name":"t","inputs":[],
    "state":[
        {"name":"counts","value":"long","scan":true},
        {"name":"recent","value":"string","ttl":{"ms":100,"time":"event"}}],
    "timers":["event","processing"]}"#;
const COUNTS: StoreIndex = StoreIndex(0);
const RECENT: StoreIndex = StoreIndex(1);
const EVENT: TimeDomain = TimeDomain::Event;

fn state() -> MemoryState {
    let manifest = serde_json::from_str(MANIFEST).expect("a manifest");
    let mut state = MemoryState::new(&manifest, Partition(3)).expect("schemas");
    state.begin(StateTimes::default(), 1000);
    state
}

fn binaries(entries: &[&[u8]]) -> BinariesBuf {
    entries.iter().map(Some).collect()
}

fn put(
    state: &mut MemoryState,
    store: StoreIndex,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), StateFailure> {
    let values: BinariesBuf = [value].into_iter().collect();
    state.put_many(store, binaries(&[key]).as_ref(), values.as_ref())
}

fn get(state: &mut MemoryState, store: StoreIndex, key: &[u8]) -> Option<Vec<u8>> {
    let mut values = BinariesBuf::default();
    state.get_many(store, binaries(&[key]).as_ref(), &mut values).expect("read");
    assert_eq!(values.len(), 1);
    values.as_ref().get(0).map(<[u8]>::to_vec)
}

fn times(event_watermark: i64) -> StateTimes {
    StateTimes { event_watermark: Some(event_watermark), processing_time: 0 }
}

fn due(state: &mut MemoryState, until: i64) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    let mut fired = FiredTimers {
        partition: Partition(0),
        event_watermark: None,
        domain: TimeDomain::Processing,
        keys: BinariesBuf::default(),
        tags: BinariesBuf::default(),
        times: vec![7],
    };
    state.take_due(EVENT, until, 1000, &mut fired).expect("taken");
    assert_eq!((fired.partition, fired.domain), (Partition(3), EVENT));
    let owned = |part: Option<&[u8]>| part.expect("present").to_vec();
    let (keys, tags) = (fired.keys.as_ref(), fired.tags.as_ref());
    keys.iter().zip(tags.iter()).zip(&fired.times).map(|((k, t), time)| (owned(k), owned(t), *time)).collect()
}

#[test]
fn reads_see_the_newest_stage_and_each_stage_can_be_dropped() {
    let mut state = state();
    put(&mut state, COUNTS, b"\x01a", Some(b"\x02")).expect("written");
    assert_eq!(get(&mut state, COUNTS, b"\x01a").as_deref(), Some(b"\x02".as_slice()));
    state.keep();
    state.begin(StateTimes::default(), 1000);
    put(&mut state, COUNTS, b"\x01a", None).expect("deleted");
    assert_eq!(get(&mut state, COUNTS, b"\x01a"), None);
    state.undo();
    assert_eq!(get(&mut state, COUNTS, b"\x01a").as_deref(), Some(b"\x02".as_slice()), "still kept");
    state.committed(&[(PortIndex(0), Offset(5))]);
    assert_eq!(state.overlay_bytes(), 0);
    assert_eq!(state.committed_offsets()[&PortIndex(0)], Offset(5));
    state.begin(StateTimes::default(), 1000);
    state.delete_many(COUNTS, binaries(&[b"\x01a"]).as_ref()).expect("deleted");
    state.keep();
    state.aborted();
    assert_eq!(state.committed_entries(COUNTS).len(), 1, "committed before the abort");
    assert_eq!(get(&mut state, COUNTS, b"\x01a").as_deref(), Some(b"\x02".as_slice()));
}

#[test]
fn the_overlay_holds_each_changed_key_once_store_by_store() {
    let mut state = state();
    put(&mut state, RECENT, b"\x01r", Some(b"\x02x")).expect("written");
    put(&mut state, COUNTS, b"\x01a", Some(b"\x02")).expect("written");
    state
        .register_timers(EVENT, binaries(&[b"k"]).as_ref(), binaries(&[b"t"]).as_ref(), &[9])
        .expect("registered");
    state.keep();
    state.begin(StateTimes::default(), 1000);
    put(&mut state, COUNTS, b"\x01a", Some(b"\x04")).expect("written again");
    state.keep();
    state.set_event_clock(PortIndex(1), EventClock { event_time_max: Some(8), event_watermark: None });
    let mut seen = Vec::new();
    state.changes(&mut |change| {
        seen.push((change.changelog.0, change.key.to_vec(), change.value.map(<[u8]>::to_vec)));
        ControlFlow::Continue(())
    });
    let clock = [8_i64.to_be_bytes(), i64::MIN.to_be_bytes()].concat();
    let expected = [
        (0, b"\x01a".to_vec(), Some(b"\x04".to_vec())),
        (1, b"\x01r".to_vec(), Some(b"\x02x".to_vec())),
        (2, b"\x01k\x00t".to_vec(), Some(9_i64.to_be_bytes().to_vec())),
        (3, b"clock/1".to_vec(), Some(clock)),
    ];
    assert_eq!(seen, expected);
    let mut first = 0;
    state.changes(&mut |_| {
        first += 1;
        ControlFlow::Break(())
    });
    assert_eq!(first, 1);
}

#[test]
fn what_is_wrong_is_refused_and_nothing_of_it_is_written() {
    let mut state = state();
    let (keys, values) = (binaries(&[b"\x01a", b"\x01b"]), binaries(&[b"\x02", b"\x02\x02"]));
    let error = state.put_many(COUNTS, keys.as_ref(), values.as_ref()).expect_err("a byte too many");
    assert_eq!(error.to_string(), "value 1 is none of the store `counts`: 1 bytes follow its end");
    assert_eq!(get(&mut state, COUNTS, b"\x01a"), None);
    assert!(matches!(put(&mut state, COUNTS, b"\x01", Some(b"\x02")), Err(StateFailure::Keys(_))));
    assert!(matches!(put(&mut state, RECENT, b"\x01a", Some(b"\x02\xff")), Err(StateFailure::Values(_))));
    assert!(matches!(put(&mut state, StoreIndex(2), b"\x01a", None), Err(StateFailure::UnknownStore(2))));
    let long = [b"\xde\x0f".as_slice(), &[b'x'; 999]].concat();
    let error = put(&mut state, RECENT, b"\x01a", Some(&long)).expect_err("over the limit");
    assert!(matches!(error, StateFailure::Limit { limit_bytes: 1000 }), "{error}");
    let error = state.scan(RECENT, &Scan { limit: 1, ..Scan::default() }, &mut ScanPage::default());
    assert!(matches!(error, Err(StateFailure::Scan(_))), "not declared with `scan`");
}

#[test]
fn entries_are_absent_when_their_time_has_passed() {
    let mut state = state();
    state.begin(times(1000), 1000);
    put(&mut state, RECENT, b"\x01a", Some(b"\x02x")).expect("written");
    state.keep();
    state.begin(times(1099), 1000);
    assert!(get(&mut state, RECENT, b"\x01a").is_some());
    state.begin(times(1100), 1000);
    assert_eq!(get(&mut state, RECENT, b"\x01a"), None);
}

#[test]
fn a_scan_goes_on_where_its_page_ended() {
    let mut state = state();
    for suffix in [b"1", b"2", b"3", b"4", b"5"] {
        put(&mut state, COUNTS, &[b"\x01a".as_slice(), suffix].concat(), Some(b"\x02")).expect("written");
    }
    put(&mut state, COUNTS, b"\x01b3", Some(b"\x02")).expect("another key");
    let range = Scan { key: b"a", start: Some(b"2"), limit: 2, ..Scan::default() };
    let mut page = ScanPage::default();
    state.scan(COUNTS, &range, &mut page).expect("a page");
    assert_eq!(page.suffixes.as_ref().iter().collect::<Vec<_>>(), [Some(b"2".as_slice()), Some(b"3")]);
    put(&mut state, COUNTS, b"\x01a3", None).expect("deleted in between");
    let mut next = ScanPage::default();
    state.scan(COUNTS, &Scan { cursor: page.cursor.as_deref(), ..range }, &mut next).expect("a page");
    assert_eq!(next.suffixes.as_ref().iter().collect::<Vec<_>>(), [Some(b"4".as_slice()), Some(b"5")]);
    assert_eq!(next.cursor, None);
    let foreign = Scan { cursor: Some(b"1"), ..range };
    assert!(matches!(state.scan(COUNTS, &foreign, &mut ScanPage::default()), Err(StateFailure::Scan(_))));
}

#[test]
fn timers_come_once_in_order_and_come_back_if_the_call_fails() {
    let mut state = state();
    let (keys, tags) = (binaries(&[b"b", b"a", b"a", b"c"]), binaries(&[b"", b"y", b"x", b""]));
    state.register_timers(EVENT, keys.as_ref(), tags.as_ref(), &[5, 5, 5, 3]).expect("registered");
    state.register_timers(EVENT, binaries(&[b"c"]).as_ref(), binaries(&[b""]).as_ref(), &[8]).expect("moved");
    state.keep();
    assert_eq!((state.next_due(EVENT), state.next_due(TimeDomain::Processing)), (Some(5), None));
    let expected = [
        (b"a".to_vec(), b"x".to_vec(), 5),
        (b"a".to_vec(), b"y".to_vec(), 5),
        (b"b".to_vec(), b"".to_vec(), 5),
    ];
    for _ in 0..2 {
        state.begin(times(7), 1000);
        assert_eq!(due(&mut state, 7), expected);
        assert_eq!(due(&mut state, 7), []);
        state.undo();
    }
    state.begin(times(7), 1000);
    due(&mut state, 7);
    state.cancel_timers(EVENT, binaries(&[b"c"]).as_ref(), binaries(&[b""]).as_ref()).expect("cancelled");
    state.keep();
    assert_eq!(state.next_due(EVENT), None);
    state.committed(&[]);
    assert_eq!(state.committed_timers(), []);
}

#[test]
fn a_scripted_failure_comes_once() {
    let mut state = state();
    let limit = StateFailure::Limit { limit_bytes: 1 };
    state.clone().fail_next(limit);
    assert!(matches!(state.tick(), Err(StateFailure::Limit { limit_bytes: 1 })));
    state.tick().expect("once");
}
