//! States that are restored from nothing but what was committed to their changelogs.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::binaries::BinariesBuf;
use crate::model::failure::Outage;
use crate::model::ids::PortIndex;
use crate::model::manifest::Manifest;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::state::EventClock;
use crate::model::state::StateTimes;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::state_key::StateKey;
use crate::model::status::RestoreProgress;
use crate::pipeline::fakes::CHANGELOG;
use crate::pipeline::fakes::records::number;
use crate::pipeline::fakes::sink::Sent;
use crate::pipeline::memory_state::MemoryState;
use crate::pipeline::state_ports::RestoredState;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::StateKeeper;
use crate::pipeline::state_ports::StateSlot;
use crate::pipeline::state_ports::TaskState;

/// What happened to states, and what is to go wrong.
#[derive(Debug, Default)]
pub(crate) struct KeeperWorld {
    /// What was committed to the changelogs.
    pub(crate) changelog: Vec<Sent>,
    pub(crate) opened: Vec<(Partition, Vec<(PortIndex, Offset)>)>,
    /// Partitions that were closed, and whether with a state.
    pub(crate) closed: Vec<(Partition, bool)>,
    /// States that are out, for a look into them.
    pub(crate) live: BTreeMap<Partition, MemoryState>,
    /// How often a restore is asked for before it ends.
    pub(crate) rounds: u32,
    /// How many restores fail.
    pub(crate) failures: u32,
    restoring: BTreeMap<Partition, u32>,
}

pub(crate) struct FakeKeeper(pub(crate) Arc<Mutex<KeeperWorld>>);

pub(crate) fn manifest() -> Manifest {
    let text = r#"{"manifest_version":1,"name":"counter","inputs":[],
        "state":[{"name":"sums","value":"long"}],"timers":["event","processing"]}"#;
    serde_json::from_str(text).expect("a manifest")
}

pub(crate) fn disk_full(partition: Partition) -> StateFailure {
    StateFailure::Storage { partition, outage: Outage::new("disk-full", "no space left") }
}

impl KeeperWorld {
    /// The process is gone, with everything that was not committed.
    pub(crate) fn die(&mut self) {
        self.live.clear();
        self.restoring.clear();
    }
}

impl StateKeeper for FakeKeeper {
    fn open(&mut self, partition: Partition, committed: &[(PortIndex, Offset)]) {
        let mut world = self.0.lock();
        assert!(!world.live.contains_key(&partition), "the state of {partition} is open already");
        world.opened.push((partition, committed.to_vec()));
        let rounds = world.rounds;
        assert_eq!(world.restoring.insert(partition, rounds), None, "{partition} is being restored");
    }

    fn restored(&mut self) -> Vec<(Partition, Result<Box<dyn TaskState>, StateFailure>)> {
        let mut world = self.0.lock();
        let mut done = Vec::new();
        world.restoring.retain(|partition, rounds| {
            if *rounds == 0 {
                done.push(*partition);
            }
            *rounds = rounds.saturating_sub(1);
            !done.contains(partition)
        });
        let mut outcomes: Vec<(Partition, RestoredState)> = Vec::new();
        for partition in done {
            if world.failures > 0 {
                world.failures -= 1;
                outcomes.push((partition, Err(disk_full(partition))));
                continue;
            }
            let state = replayed(partition, &world.changelog);
            world.live.insert(partition, state.clone());
            outcomes.push((partition, Ok(Box::new(state))));
        }
        outcomes
    }

    fn progress(&self, partition: Partition) -> Option<RestoreProgress> {
        let rounds = *self.0.lock().restoring.get(&partition)?;
        Some(RestoreProgress { records_left: Some(u64::from(rounds)), ..RestoreProgress::default() })
    }

    fn close(&mut self, partition: Partition, state: StateSlot) {
        let mut world = self.0.lock();
        if let Some(state) = &state {
            assert_eq!(state.overlay_bytes(), 0, "an overlay is never closed");
            assert!(world.live.remove(&partition).is_some(), "the state of {partition} was not out");
        }
        let was_restoring = world.restoring.remove(&partition).is_some();
        assert!(state.is_some() || was_restoring, "there is nothing of {partition} to close");
        world.closed.push((partition, state.is_some()));
    }
}

/// A state made of the records of its changelogs alone.
pub(crate) fn replayed(partition: Partition, changelog: &[Sent]) -> MemoryState {
    let mut state = MemoryState::new(&manifest(), partition).expect("schemas");
    state.begin(StateTimes::default(), u64::MAX);
    for sent in changelog.iter().filter(|sent| sent.partition == partition) {
        let key = sent.key.as_deref().expect("a changed key");
        let one = |bytes: Option<&[u8]>| [bytes].into_iter().collect::<BinariesBuf>();
        match sent.topic.0 - CHANGELOG.0 {
            0 => {
                let (keys, values) = (one(Some(key)), one(sent.bytes.as_deref()));
                state.put_many(StoreIndex(0), keys.as_ref(), values.as_ref()).expect("written");
            }
            1 => {
                let StateKey { key, suffix } = StateKey::parse(key).expect("a timer's key");
                let (domain, tag) = suffix.split_first().expect("a domain");
                let domain = if *domain == 0 { TimeDomain::Event } else { TimeDomain::Processing };
                let (keys, tags) = (one(Some(key)), one(Some(tag)));
                match &sent.bytes {
                    Some(time) => {
                        state.register_timers(domain, keys.as_ref(), tags.as_ref(), &[number(time)])
                    }
                    None => state.cancel_timers(domain, keys.as_ref(), tags.as_ref()),
                }
                .expect("a timer");
            }
            _ => {
                let port = std::str::from_utf8(key).expect("text").strip_prefix("clock/").expect("a clock");
                let port = PortIndex(port.parse().expect("a port"));
                let (largest, watermark) = sent.bytes.as_deref().expect("a clock").split_at(8);
                let time = |bytes| Some(number(bytes)).filter(|time| *time != i64::MIN);
                let (event_time_max, event_watermark) = (time(largest), time(watermark));
                state.set_event_clock(port, EventClock { event_time_max, event_watermark });
            }
        }
    }
    state.keep();
    state.committed(&[]);
    state
}
