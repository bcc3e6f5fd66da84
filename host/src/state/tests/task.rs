//! One behaviour a test.

use std::path::Path;

use serde_json::json;

use crate::model::binaries::BinariesBuf;
use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::state::EventClock;
use crate::model::state::Scan;
use crate::model::state::ScanPage;
use crate::model::state::StateTimes;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::status::RestoreSource;
use crate::pipeline::state_ports::ChangelogIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::TaskState;
use crate::state::restore::ChangelogRecord;
use crate::state::testing::Rig;
use crate::state::testing::binaries;
use crate::state::testing::manifest;
use crate::state::testing::state_key;
use crate::state::testing::temporary;

fn rig() -> Rig {
    Rig::new(
        manifest(json!([
            { "name": "plain", "value": { "v": 1 } },
            { "name": "scanned", "value": { "v": 1 }, "scan": true },
            { "name": "short", "value": { "v": 1 }, "ttl": { "ms": 1000, "time": "event" } },
            { "name": "whole", "value": { "v": 1 }, "scope": "partition" },
        ])),
        32 << 20,
    )
}

#[test]
fn the_first_watermark_alone_is_to_be_written() {
    let mut rig = rig();
    rig.begin(None);
    rig.state().keep();
    assert!(!rig.state().has_notes());
    rig.begin(Some(5000));
    rig.state().keep();
    assert!(rig.state().has_notes(), "its commit counts on a record of it in the changelog");
    rig.commit();
    assert!(!rig.state().has_notes());
}

#[test]
fn what_an_invocation_wrote_is_kept_or_undone_as_a_whole() {
    let mut rig = rig();
    let key = state_key(b"k", b"");
    rig.begin(None);
    rig.put(0, &key, b"one");
    assert_eq!(rig.get(0, &key).as_deref(), Some(&b"one"[..]));
    rig.state().keep();
    rig.begin(None);
    rig.put(0, &key, b"two");
    rig.put(0, &key, b"three");
    rig.delete(0, &state_key(b"other", b""));
    assert_eq!(rig.get(0, &key).as_deref(), Some(&b"three"[..]));
    rig.state().undo();
    assert_eq!(rig.get(0, &key).as_deref(), Some(&b"one"[..]));
    let changes = rig.changes();
    assert_eq!(changes[0].len(), 1, "the undone deletion is no change");
    rig.state().aborted();
    assert_eq!(rig.get(0, &key), None);
    assert!(rig.changes().iter().all(Vec::is_empty));
    assert_eq!(rig.state().overlay_bytes(), 0);
}

#[test]
fn a_cycle_has_one_change_a_key() {
    let mut rig = rig();
    let (a, b) = (state_key(b"a", b""), state_key(b"b", b""));
    for round in [b"1", b"2", b"3"] {
        rig.begin(None);
        rig.put(0, &a, round);
        rig.put(0, &b, round);
        rig.state().keep();
    }
    let changes = rig.changes();
    assert_eq!(changes[0].len(), 2);
    assert!(changes[0].iter().all(|(_, value)| value.as_ref().is_some_and(|value| value.ends_with(b"3"))));
    assert_eq!(changes[5].len(), 1, "the schema of the values is new too");
    rig.commit();
    rig.begin(None);
    rig.put(0, &a, b"4");
    rig.delete(0, &state_key(b"never", b""));
    rig.state().keep();
    let changes = rig.changes();
    assert_eq!((changes[0].len(), changes[5].len()), (2, 0), "what disk may hold is deleted there");
    rig.commit();
    rig.begin(None);
    rig.delete(0, &state_key(b"never", b""));
    rig.state().keep();
    assert!(rig.changes()[0].is_empty(), "it is known not to be there");
}

#[test]
fn what_is_not_the_manifests_is_refused_and_nothing_of_the_call_is_done() {
    let mut rig = rig();
    rig.begin(None);
    let (good, whole) = (state_key(b"k", b""), state_key(b"", b"k"));
    let mut put = |store: u32, keys: &[&[u8]], values: &[&[u8]]| {
        rig.state().put_many(StoreIndex(store), binaries(keys).as_ref(), binaries(values).as_ref())
    };
    assert!(matches!(put(4, &[&good], &[b"v"]), Err(StateFailure::UnknownStore(4))));
    assert!(matches!(put(5, &[&good], &[b"v"]), Err(StateFailure::UnknownStore(5))), "timers are no store");
    assert!(
        matches!(put(0, &[&good, &[9, 1]], &[b"v", b"v"]), Err(StateFailure::Keys(why)) if why.starts_with("key 1 is malformed"))
    );
    assert!(
        matches!(put(0, &[&good, &good], &[b"v", b"!"]), Err(StateFailure::Values(why)) if why.starts_with("value 1 is refused: found `!`"))
    );
    assert!(matches!(put(0, &[&good], &[b"v", b"v"]), Err(StateFailure::Values(_))));
    assert!(matches!(put(0, &[&good], &[&vec![0; 1 << 20]]), Err(StateFailure::Values(_))));
    assert!(
        matches!(put(3, &[&good], &[b"v"]), Err(StateFailure::Keys(why)) if why.contains("partition as a whole"))
    );
    put(3, &[&whole], &[b"v"]).expect("the partition's own");
    let absent: BinariesBuf = [Some(&good[..]), None].into_iter().collect();
    let mut values = BinariesBuf::default();
    let read = rig.state().get_many(StoreIndex(0), absent.as_ref(), &mut values);
    assert!(matches!(read, Err(StateFailure::Keys(why)) if why == "key 1 is absent"));
    assert_eq!(rig.get(0, &good), None);
    rig.state().undo();
    assert!(rig.changes().iter().all(Vec::is_empty));
}

#[test]
fn an_invocation_writes_no_more_than_its_limit() {
    let mut rig = rig();
    rig.state().begin(StateTimes::default(), 10);
    let key = state_key(b"k", b"");
    rig.put(0, &key, b"12345");
    let (keys, values) = (binaries([&key]), binaries([b"1234"]));
    let refused = rig.state().put_many(StoreIndex(0), keys.as_ref(), values.as_ref());
    assert!(matches!(refused, Err(StateFailure::Limit { limit_bytes: 10 })), "{refused:?}");
    let keys = binaries([b"k"]);
    let refused = rig.state().register_timers(TimeDomain::Event, keys.as_ref(), keys.as_ref(), &[1]);
    assert!(matches!(refused, Err(StateFailure::Limit { limit_bytes: 10 })), "{refused:?}");
    rig.state().keep();
    rig.state().begin(StateTimes::default(), 10);
    rig.put(0, &key, b"12345678");
}

#[test]
fn scans_are_refused_without_a_limit_or_a_declaration() {
    let mut rig = rig();
    rig.begin(None);
    let mut scan = |store, scan| {
        rig.state().scan(StoreIndex(store), &scan, &mut crate::model::state::ScanPage::default())
    };
    for bad in [
        (1, Scan { key: b"k", limit: 0, ..Scan::default() }),
        (1, Scan { key: b"k", limit: 10_001, ..Scan::default() }),
        (0, Scan { key: b"k", limit: 1, ..Scan::default() }),
        (1, Scan { key: b"k", limit: 1, start: Some(b"b"), end: Some(b"a"), ..Scan::default() }),
        (1, Scan { key: b"k", limit: 1, prefix: b"p", cursor: Some(b"q"), ..Scan::default() }),
    ] {
        assert!(matches!(scan(bad.0, bad.1), Err(StateFailure::Scan(_))), "{bad:?}");
    }
    scan(1, Scan { key: b"k", limit: 1, ..Scan::default() }).expect("fine");
}

#[test]
fn state_comes_back_from_the_folder_and_from_the_changelogs_alone() {
    let mut rig = rig();
    let key = state_key(b"k", b"");
    let clock = EventClock { event_time_max: Some(9), event_watermark: Some(5) };
    rig.begin(None);
    rig.put(0, &key, b"committed");
    rig.register(TimeDomain::Processing, b"k", b"t", 77);
    rig.state().keep();
    rig.state().set_event_clock(PortIndex(1), clock);
    rig.commit();
    rig.begin(None);
    rig.put(0, &key, b"not committed");
    rig.state().keep();
    rig.state().set_event_clock(PortIndex(1), EventClock::default());
    rig.close();
    for wiped in [false, true] {
        if wiped {
            std::fs::remove_dir_all(rig.folder.path()).expect("removed");
        }
        let (source, read) = rig.open();
        let expected = if wiped { (RestoreSource::Empty, 4) } else { (RestoreSource::Folder, 0) };
        assert_eq!((source, read), expected);
        rig.begin(None);
        assert_eq!(rig.get(0, &key).as_deref(), Some(&b"committed"[..]));
        assert_eq!(rig.state().event_clock(PortIndex(1)), clock);
        assert_eq!(rig.state().event_clock(PortIndex(0)), EventClock::default());
        assert_eq!(rig.state().next_due(TimeDomain::Processing), Some(77));
        assert_eq!(rig.state().next_due(TimeDomain::Event), None);
        assert_eq!(rig.take_due(TimeDomain::Processing, 77), [(77, b"k".to_vec(), b"t".to_vec())]);
        rig.state().undo();
        rig.close();
    }
}

#[test]
fn values_are_given_out_in_the_schema_of_the_manifest() {
    let mut rig = rig();
    let (a, b) = (state_key(b"k", b"a"), state_key(b"k", b"b"));
    rig.begin(None);
    rig.put(1, &a, b"old");
    rig.state().keep();
    rig.commit();
    rig.close();
    rig.manifest = manifest(json!([
        { "name": "plain", "value": { "v": 1 } },
        { "name": "scanned", "value": { "v": 3 }, "scan": true },
    ]));
    let meta = rig.logs.pop().expect("meta");
    rig.logs.truncate(2);
    rig.logs.extend([Vec::new(), meta]);
    rig.open();
    rig.begin(None);
    let whole = Scan { key: b"k", limit: 10, ..Scan::default() };
    let expected = vec![(b"a".to_vec(), b"old++".to_vec())];
    assert_eq!(rig.scan(1, whole), expected, "straight from disk");
    assert_eq!(rig.get(1, &a).as_deref(), Some(&b"old++"[..]));
    rig.put(1, &b, b"new");
    rig.state().keep();
    rig.commit();
    rig.close();
    // The version before cannot read what the new one wrote.
    rig.manifest.state[1].value = json!({ "v": 2 });
    let mut target = rig.target().expect("opened");
    for (index, log) in rig.logs.iter().enumerate() {
        target
            .apply(ChangelogIndex(index as u32), [], crate::model::position::Offset(log.len() as i64))
            .expect("level");
    }
    let Err(StateFailure::Stop(stop)) = target.finish() else { panic!("it was opened") };
    assert_eq!(stop.code.0, "state-schema-unresolvable");
    assert!(stop.message.contains("`scanned`") && stop.message.contains("3 is newer than 2"), "{stop}");
}

#[test]
fn a_long_changelog_is_restored_as_a_short_one_is() {
    let mut rig = rig();
    let keys: Vec<Vec<u8>> = (0..3000).map(|n: u32| state_key(&n.to_be_bytes(), b"")).collect();
    for round in 0..8_u8 {
        rig.begin(None);
        for (n, key) in keys.iter().enumerate() {
            if n % 8 == usize::from(round) {
                rig.delete(0, key);
            } else {
                rig.put(0, key, &[round, n as u8]);
            }
        }
        rig.state().keep();
        rig.commit();
    }
    rig.close();
    std::fs::remove_dir_all(rig.folder.path()).expect("removed");
    let (source, read) = rig.open();
    assert_eq!((source, read), (RestoreSource::Empty, 8 * keys.len() + 1), "with a schema");
    for reopened in [false, true] {
        if reopened {
            rig.close();
            assert_eq!(rig.open(), (RestoreSource::Folder, 0));
        }
        rig.begin(None);
        for (n, key) in keys.iter().enumerate() {
            let expected = (n % 8 != 7).then(|| vec![7, n as u8]);
            assert_eq!(rig.get(0, key), expected, "key {n}");
        }
        rig.state().keep();
    }
}

/// A rig without its folder, whose changelog has these bytes as the value of `k`, `a`, beside a good one.
fn with_value(damaged: Vec<u8>) -> Rig {
    let mut rig = rig();
    rig.begin(None);
    rig.put(1, &state_key(b"k", b"a"), b"one");
    rig.put(1, &state_key(b"k", b"b"), b"two");
    rig.state().keep();
    rig.commit();
    rig.close();
    std::fs::remove_dir_all(rig.folder.path()).expect("removed");
    let record = rig.logs[1].iter_mut().flatten().find(|(key, _)| key.ends_with(&state_key(b"k", b"a")));
    record.expect("a record").1 = Some(damaged);
    rig
}

#[test]
fn a_stored_value_that_cannot_be_read_stops_the_pipeline_and_is_left_as_it_is() {
    let of_unknown_schema = [&[1, 77][..], &1_700_000_000_000_i64.to_be_bytes(), b"body"].concat();
    let mut rig = with_value(of_unknown_schema);
    rig.open();
    rig.begin(None);
    let (keys, mut values) = (binaries([state_key(b"k", b"a")]), BinariesBuf::default());
    let read = rig.state().get_many(StoreIndex(1), keys.as_ref(), &mut values);
    let Err(StateFailure::Stop(stop)) = read else { panic!("{read:?}") };
    assert_eq!(stop.code.0, "state-value-unreadable");
    let expected = "a value of the store `scanned` is of schema 77, which the meta store does not know";
    assert_eq!(stop.message, expected);
    let (scan, mut page) = (Scan { key: b"k", limit: 9, ..Scan::default() }, ScanPage::default());
    let scanned = rig.state().scan(StoreIndex(1), &scan, &mut page);
    assert!(matches!(scanned, Err(StateFailure::Stop(stop)) if stop.code.0 == "state-value-unreadable"));
    assert_eq!(rig.get(1, &state_key(b"k", b"b")).as_deref(), Some(&b"two"[..]), "others are read");
    rig.state().undo();
    assert!(rig.changes().iter().all(Vec::is_empty), "nothing takes its place");
}

#[test]
fn a_changelog_of_damaged_values_is_not_restored_from() {
    for (damaged, why) in [
        (vec![], "found no bytes, expected a stored value"),
        (vec![9, 0, 0], "found format 9, expected 1"),
        (vec![1, 0, 0], "found 3 bytes, too few for a stored value"),
    ] {
        let rig = with_value(damaged);
        let mut target = rig.target().expect("opened");
        let records = rig.logs[1].iter().flatten();
        let records = records.map(|(key, value)| ChangelogRecord { key, value: value.as_deref() });
        let applied = target.apply(ChangelogIndex(1), records, Offset(3));
        let Err(StateFailure::Stop(stop)) = applied else { panic!("{applied:?}") };
        assert_eq!(stop.code.0, "changelog-unreadable");
        assert!(stop.message.contains("`scanned`") && stop.message.contains(why), "{stop}");
    }
}

#[test]
fn what_was_read_last_says_nothing_of_what_is_written_next() {
    let mut rig = rig();
    let key = |n: u32| state_key(&n.to_be_bytes(), b"");
    let (read, written): (Vec<_>, Vec<_>) =
        ((0..200).map(key).collect(), (100..300).rev().map(key).collect());
    rig.begin(None);
    for (store, value) in [(0, b"zero"), (1, b"one!")] {
        let mut values = BinariesBuf::default();
        let keys = binaries(read.iter().map(Vec::as_slice));
        rig.state().get_many(StoreIndex(0), keys.as_ref(), &mut values).expect("read");
        let keys = binaries(written.iter().map(Vec::as_slice));
        let values = binaries(written.iter().map(|_| value.as_slice()));
        rig.state().put_many(StoreIndex(store), keys.as_ref(), values.as_ref()).expect("written");
    }
    for n in 0..300 {
        let expected = |value: &[u8]| (n >= 100).then(|| value.to_vec());
        assert_eq!(rig.get(0, &key(n)), expected(b"zero"), "key {n}");
        assert_eq!(rig.get(1, &key(n)), expected(b"one!"), "key {n}");
    }
}

#[test]
fn timers_that_are_too_long_or_not_declared_are_refused() {
    let mut rig = rig();
    rig.begin(None);
    let mut register = |keys: &[&[u8]], tags: &[&[u8]], times: &[i64]| {
        rig.state().register_timers(
            TimeDomain::Event,
            binaries(keys).as_ref(),
            binaries(tags).as_ref(),
            times,
        )
    };
    let (long_key, long_tag) = (vec![b'k'; 4097], vec![b't'; 257]);
    for (refused, expected) in [
        (register(&[b"k", &long_key], &[b"t", b"t"], &[1, 2]), "key 1 has 4097 bytes, expected at most 4096"),
        (register(&[b"k"], &[&long_tag], &[1]), "tag 0 has 257 bytes, expected at most 256"),
        (register(&[b"k", b"l"], &[b"t"], &[1, 2]), "found 1 tags for 2 keys"),
        (register(&[b"k"], &[b"t"], &[1, 2]), "found 2 times for 1 keys"),
    ] {
        assert!(matches!(&refused, Err(StateFailure::Timers(why)) if why == expected), "{refused:?}");
    }
    assert_eq!(rig.state().next_due(TimeDomain::Event), None, "nothing of the calls is done");
}

/// Restores the state as a host would, and reads every key.
fn restored(rig: &Rig, keys: &[Vec<u8>]) -> Result<RestoreSource, StateFailure> {
    let mut target = rig.target()?;
    let source = target.source();
    for (index, log) in rig.logs.iter().enumerate() {
        let changelog = ChangelogIndex(index as u32);
        let from = target.next(changelog).map_or(0, |next| next.0 as usize);
        let records = log[from..].iter().flatten();
        let records = records.map(|(key, value)| ChangelogRecord { key, value: value.as_deref() });
        target.apply(changelog, records, Offset(log.len() as i64))?;
    }
    let mut state = target.finish_store()?;
    state.begin(StateTimes { event_watermark: None, processing_time: 0 }, 1 << 20);
    let mut values = BinariesBuf::default();
    state.get_many(StoreIndex(0), binaries(keys.iter().map(Vec::as_slice)).as_ref(), &mut values)?;
    let mut values = values.as_ref().iter();
    assert!(values.all(|value| value == Some(&b"value"[..])), "a value is lost");
    Ok(source)
}

#[test]
fn a_folder_with_a_damaged_or_missing_file_is_given_up_wherever_that_is_found() {
    let keys: Vec<Vec<u8>> = (0..300_u32).map(|n| state_key(&n.to_be_bytes(), b"")).collect();
    let mut rig = rig();
    rig.begin(None);
    keys.iter().for_each(|key| rig.put(0, key, b"value"));
    rig.state().keep();
    rig.commit();
    rig.close();
    let folder = rig.folder.path().join("default/p/3");
    let whole = temporary();
    copy(&folder, whole.path());
    let files = std::fs::read_dir(whole.path().join("db")).expect("a database");
    let mut files: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
    files.sort();
    let mut given_up = 0;
    for (name, is_removed) in files.iter().flat_map(|name| [(name, false), (name, true)]) {
        std::fs::remove_dir_all(&folder).expect("removed");
        copy(whole.path(), &folder);
        let file = folder.join("db").join(name);
        let mut bytes = std::fs::read(&file).expect("a file");
        if is_removed {
            std::fs::remove_file(&file).expect("removed");
        } else if let middle = bytes.len() / 2
            && let Some(byte) = bytes.get_mut(middle)
        {
            *byte ^= 0xa5;
            std::fs::write(&file, bytes).expect("written");
        }
        let sources = [restored(&rig, &keys), restored(&rig, &keys)];
        assert!(sources[1].is_ok(), "{name:?} (removed: {is_removed}) stops the task: {sources:?}");
        given_up += usize::from(!matches!(sources[0], Ok(RestoreSource::Folder)));
    }
    assert!(given_up >= 4, "{given_up} were noticed, of {files:?}");
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}
