//! Random work against a model made of ordered maps: whatever is done in whatever order, with
//! flushes, checkpoints, restarts and lost disks in between, reads, scans, timers and changelogs agree with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use crate::model::ids::PortIndex;
use crate::model::state::EventClock;
use crate::model::state::Scan;
use crate::model::state::TimeDomain;
use crate::pipeline::state_ports::TaskState;
use crate::state::host::StateClock;
use crate::state::testing::Rig;
use crate::state::testing::TestClock;
use crate::state::testing::manifest;
use crate::state::testing::state_key;
use crate::state::testing::temporary;

const PLAIN: u32 = 0;
const SCANNED: u32 = 1;
const BY_EVENT: u32 = 2;
const BY_CLOCK: u32 = 3;
const STORES: u32 = 4;
const TTL_MS: i64 = 2000;

#[derive(Debug, Clone)]
enum Step {
    Put { store: u32, key: u8, suffix: u8, len: usize },
    Delete { store: u32, key: u8, suffix: u8 },
    Get { store: u32, key: u8, suffix: u8 },
    Scan { store: u32, key: u8, prefix: Option<u8>, start: Option<u8>, end: Option<u8>, limit: u32 },
    Register { domain: TimeDomain, key: u8, tag: u8, after: i64 },
    Cancel { domain: TimeDomain, key: u8, tag: u8 },
    Fire { domain: TimeDomain },
    Watermark { by: i64 },
    Clock { by: u64 },
    Keep,
    Undo,
    Commit,
    Abort,
    Tick,
    Flush,
    Checkpoint,
    Restart { how: How },
}

#[derive(Debug, Clone, Copy)]
enum How {
    Closed,
    /// Without a word to the state.
    Dropped,
    DiskLost,
    /// Some transactions of others were aborted in between: offsets have gaps.
    ClosedWithGaps,
}

fn domain() -> impl Strategy<Value = TimeDomain> {
    prop_oneof![Just(TimeDomain::Event), Just(TimeDomain::Processing)]
}

fn step() -> impl Strategy<Value = Step> {
    let store = || 0..STORES;
    let key = || 0..4_u8;
    let suffix = || 0..6_u8;
    let scanned = prop_oneof![3 => Just(SCANNED), 1 => Just(BY_EVENT)];
    let at = || prop::option::weighted(0.3, 0..6_u8);
    prop_oneof![
        12 => (store(), key(), suffix(), prop_oneof![0..12_usize, 0..80_usize])
            .prop_map(|(store, key, suffix, len)| Step::Put { store, key, suffix, len }),
        4 => (store(), key(), suffix()).prop_map(|(store, key, suffix)| Step::Delete { store, key, suffix }),
        6 => (store(), key(), suffix()).prop_map(|(store, key, suffix)| Step::Get { store, key, suffix }),
        4 => (scanned, key(), at(), at(), at(), 1..9_u32)
            .prop_map(|(store, key, prefix, start, end, limit)| Step::Scan { store, key, prefix, start, end, limit }),
        6 => (domain(), key(), 0..2_u8, -300..900_i64)
            .prop_map(|(domain, key, tag, after)| Step::Register { domain, key, tag, after }),
        2 => (domain(), key(), 0..2_u8).prop_map(|(domain, key, tag)| Step::Cancel { domain, key, tag }),
        4 => domain().prop_map(|domain| Step::Fire { domain }),
        3 => (0..900_i64).prop_map(|by| Step::Watermark { by }),
        2 => (0..900_u64).prop_map(|by| Step::Clock { by }),
        5 => Just(Step::Keep),
        2 => Just(Step::Undo),
        4 => Just(Step::Commit),
        1 => Just(Step::Abort),
        4 => Just(Step::Tick),
        2 => Just(Step::Flush),
        1 => Just(Step::Checkpoint),
        1 => prop_oneof![Just(How::Closed), Just(How::Dropped), Just(How::DiskLost), Just(How::ClosedWithGaps)]
            .prop_map(|how| Step::Restart { how }),
    ]
}

/// When a value was written, and the value.
type Written = (Option<i64>, Vec<u8>);

/// What there is to know at one stage.
#[derive(Debug, Clone, Default)]
struct World {
    /// By store, key and suffix: when it was written, the value.
    values: BTreeMap<(u32, u8, u8), Written>,
    /// By domain, key and tag.
    timers: BTreeMap<(TimeDomain, u8, u8), i64>,
    watermark: Option<i64>,
    first_watermark: Option<i64>,
}

struct Model {
    rig: Rig,
    /// With what the invocation wrote, with what the cycle kept, as committed.
    staged: World,
    kept: World,
    committed: World,
    writes: u32,
    /// Where checkpoints lie, from which lost disks are filled.
    _objects: TempDir,
}

impl Model {
    fn new() -> Self {
        let manifest = manifest(json!([
            { "name": "plain", "value": { "v": 1 } },
            { "name": "scanned", "value": { "v": 1 }, "scan": true },
            { "name": "by-event", "value": { "v": 1 }, "scan": true, "ttl": { "ms": TTL_MS, "time": "event" } },
            { "name": "by-clock", "value": { "v": 1 }, "ttl": { "ms": TTL_MS, "time": "processing" } },
        ]));
        // So little that entries are evicted and flushes begin by themselves.
        let objects = temporary();
        let store = LocalFileSystem::new_with_prefix(objects.path()).expect("a folder");
        let mut rig = Rig::closed(manifest, 1 << 20, Arc::new(TestClock::new()), Some(Arc::new(store)));
        rig.open();
        let (staged, kept, committed) = Default::default();
        let mut model = Self { rig, staged, kept, committed, writes: 0, _objects: objects };
        model.begin();
        model
    }

    fn begin(&mut self) {
        self.staged = self.kept.clone();
        if self.staged.first_watermark.is_none() {
            self.staged.first_watermark = self.staged.watermark;
        }
        self.rig.begin(self.staged.watermark);
    }

    fn now(&self) -> i64 {
        self.rig.clock.unix_ms()
    }

    fn write_time(&self, store: u32) -> Option<i64> {
        if store == BY_EVENT { self.staged.watermark } else { Some(self.now()) }
    }

    fn living(&self, store: u32, value: &(Option<i64>, Vec<u8>)) -> Option<Vec<u8>> {
        let now = match store {
            BY_EVENT => self.staged.watermark,
            BY_CLOCK => Some(self.now()),
            _ => None,
        };
        let written = value.0.or(self.staged.first_watermark);
        let expired = now.zip(written).is_some_and(|(now, written)| now >= written + TTL_MS);
        (!expired).then(|| value.1.clone())
    }

    fn value(&self, store: u32, key: u8, suffix: u8) -> Option<Vec<u8>> {
        self.living(store, self.staged.values.get(&(store, key, suffix))?)
    }

    fn time(&self, domain: TimeDomain) -> i64 {
        match domain {
            TimeDomain::Event => self.staged.watermark.unwrap_or(0),
            TimeDomain::Processing => self.now(),
        }
    }

    /// Keeps or undoes, so that a cycle can end.
    fn end_invocation(&mut self, keep: bool) {
        if keep {
            self.rig.state().keep();
            self.kept = self.staged.clone();
        } else {
            self.rig.state().undo();
        }
    }

    fn commit(&mut self) {
        self.end_invocation(true);
        let clock = EventClock { event_time_max: self.kept.watermark, event_watermark: self.kept.watermark };
        self.rig.state().set_event_clock(PortIndex(0), clock);
        self.rig.commit();
        self.committed = self.kept.clone();
    }

    fn abort(&mut self) {
        self.rig.state().aborted();
        self.kept = self.committed.clone();
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Put { store, key, suffix, len } => {
                self.writes += 1;
                let mut value = self.writes.to_be_bytes().to_vec();
                value.resize(4 + len, b'v');
                self.rig.put(store, &state_key(&[key], &[suffix]), &value);
                let written = self.write_time(store);
                self.staged.values.insert((store, key, suffix), (written, value));
            }
            Step::Delete { store, key, suffix } => {
                self.rig.delete(store, &state_key(&[key], &[suffix]));
                self.staged.values.remove(&(store, key, suffix));
            }
            Step::Get { store, key, suffix } => self.check(store, key, suffix),
            Step::Scan { store, key, prefix, start, end, limit } => {
                let (start, end) =
                    if start.zip(end).is_some_and(|(s, e)| s > e) { (end, start) } else { (start, end) };
                self.scan(store, key, prefix, start, end, limit);
            }
            Step::Register { domain, key, tag, after } => {
                let time = self.time(domain) + after;
                self.rig.register(domain, &[key], &[tag], time);
                self.staged.timers.insert((domain, key, tag), time);
            }
            Step::Cancel { domain, key, tag } => {
                self.rig.cancel(domain, &[key], &[tag]);
                self.staged.timers.remove(&(domain, key, tag));
            }
            Step::Fire { domain } => self.fire(domain),
            Step::Watermark { by } => {
                self.end_invocation(true);
                self.kept.watermark = Some(self.kept.watermark.unwrap_or(1000) + by);
                self.begin();
            }
            Step::Clock { by } => {
                self.end_invocation(true);
                self.rig.clock.pass(by);
                self.begin();
            }
            Step::Keep => {
                self.end_invocation(true);
                self.begin();
            }
            Step::Undo => {
                self.end_invocation(false);
                self.begin();
            }
            Step::Commit => {
                self.commit();
                self.begin();
            }
            Step::Abort => {
                self.abort();
                self.begin();
            }
            Step::Tick => {
                self.commit();
                self.rig.state().tick().expect("no trouble");
                self.begin();
            }
            Step::Flush => {
                self.commit();
                self.rig.flush();
                self.begin();
            }
            Step::Checkpoint => {
                self.commit();
                assert!(self.rig.checkpoint(), "no trouble");
                self.begin();
            }
            Step::Restart { how } => {
                self.restart(how);
                self.begin();
            }
        }
    }

    fn check(&mut self, store: u32, key: u8, suffix: u8) {
        let found = self.rig.get(store, &state_key(&[key], &[suffix]));
        assert_eq!(found, self.value(store, key, suffix), "store {store} key {key} suffix {suffix}");
    }

    fn scan(
        &mut self,
        store: u32,
        key: u8,
        prefix: Option<u8>,
        start: Option<u8>,
        end: Option<u8>,
        limit: u32,
    ) {
        let part = |part: Option<u8>| part.map_or(Vec::new(), |byte| vec![byte]);
        let (prefix, start, end) = (part(prefix), start.map(|byte| vec![byte]), end.map(|byte| vec![byte]));
        let scan = Scan {
            key: &[key],
            prefix: &prefix,
            start: start.as_deref(),
            end: end.as_deref(),
            limit,
            cursor: None,
        };
        let found = self.rig.scan(store, scan);
        let all = self.staged.values.range((store, key, 0)..=(store, key, u8::MAX));
        let expected: Vec<_> = all
            .map(|((_, _, suffix), value)| (vec![*suffix], value))
            .filter(|(suffix, _)| suffix.starts_with(&prefix))
            .filter(|(suffix, _)| start.as_ref().is_none_or(|start| suffix >= start))
            .filter(|(suffix, _)| end.as_ref().is_none_or(|end| suffix < end))
            .filter_map(|(suffix, value)| Some((suffix, self.living(store, value)?)))
            .collect();
        assert_eq!(found, expected, "{scan:?} of store {store}");
    }

    fn fire(&mut self, domain: TimeDomain) {
        let until = self.time(domain);
        let mut due: Vec<_> =
            self.staged.timers.iter().filter(|((of, ..), time)| *of == domain && **time <= until).collect();
        due.sort_by_key(|((_, key, tag), time)| (**time, *key, *tag));
        let due: Vec<_> = due.iter().map(|((_, key, tag), time)| (**time, vec![*key], vec![*tag])).collect();
        let first =
            self.staged.timers.iter().filter(|((of, ..), _)| *of == domain).map(|(_, time)| *time).min();
        let next = self.rig.state().next_due(domain);
        assert!(
            first.is_none_or(|first| next.is_some_and(|next| next <= first)),
            "{next:?} is after {first:?}"
        );
        assert_eq!(self.rig.take_due(domain, until), due);
        for (_, key, tag) in due {
            self.staged.timers.remove(&(domain, key[0], tag[0]));
        }
        assert!(self.rig.state().next_due(domain).is_none_or(|next| next > until), "asked again at once");
    }

    fn restart(&mut self, how: How) {
        match how {
            How::Closed | How::ClosedWithGaps => self.rig.close(),
            How::Dropped => drop(self.rig.state.take()),
            How::DiskLost => {
                drop(self.rig.state.take());
                std::fs::remove_dir_all(self.rig.folder.path()).expect("removed");
            }
        }
        if let How::ClosedWithGaps = how {
            self.rig.logs.iter_mut().for_each(|log| log.extend([None, None]));
        }
        let (_, read) = self.rig.open();
        if let How::Closed = how {
            assert_eq!(read, 0, "everything was flushed, and the offsets with it");
        }
        self.kept = self.committed.clone();
        let watermark = self.committed.watermark;
        assert_eq!(self.rig.state().event_clock(PortIndex(0)).event_watermark, watermark);
    }

    fn check_all(&mut self) {
        for store in 0..STORES {
            for key in 0..4 {
                for suffix in 0..6 {
                    self.check(store, key, suffix);
                }
                if store == SCANNED || store == BY_EVENT {
                    self.scan(store, key, None, None, None, 4);
                }
            }
        }
        self.fire(TimeDomain::Event);
        self.fire(TimeDomain::Processing);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn state_is_as_a_model_of_maps_says(steps in prop::collection::vec(step(), 1..250)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
        }
        model.check_all();
        for how in [How::Closed, How::DiskLost] {
            model.commit();
            model.restart(how);
            model.begin();
            model.check_all();
        }
        let _ = PLAIN;
    }
}
