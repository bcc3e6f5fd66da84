//! A world in memory for the tests of the core: values are numbers, a script says what goes wrong.

pub(crate) mod alarms;
pub(crate) mod clock;
pub(crate) mod codec;
pub(crate) mod counter;
pub(crate) mod echo;
pub(crate) mod keeper;
pub(crate) mod plain;
pub(crate) mod records;
pub(crate) mod rig;
pub(crate) mod sink;
pub(crate) mod source;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;

use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Stage;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::driver::Driver;
use crate::pipeline::fakes::clock::TestClock;
use crate::pipeline::fakes::codec::FakeLetters;
use crate::pipeline::fakes::keeper::KeeperWorld;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::records::Numbers;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::sink::FakeSink;
use crate::pipeline::fakes::sink::Sent;
use crate::pipeline::fakes::source::FakeSource;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::TopicIndex;

pub(crate) const OUTPUT: TopicIndex = TopicIndex(0);
pub(crate) const LETTERS: TopicIndex = TopicIndex(1);
pub(crate) const LATE: TopicIndex = TopicIndex(2);
/// The first of the changelogs: sums, timers, meta.
pub(crate) const CHANGELOG: TopicIndex = TopicIndex(3);

/// What the encoder never encodes.
pub(crate) const UNENCODABLE: i64 = i64::MIN;
/// How long a key of [`counter::Counter`] may be silent.
pub(crate) const SILENCE_MS: i64 = 50;

pub(crate) fn partition(number: i32) -> TopicPartition {
    partition_of("in", number)
}

pub(crate) fn partition_of(topic: &str, number: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from(topic), partition: Partition(number) }
}

pub(crate) fn is_changelog(topic: TopicIndex) -> bool {
    topic.0 >= CHANGELOG.0
}

pub(crate) type TestDriver = Driver<FakeSource, FakeSink>;

/// How many records a run has.
#[derive(Debug)]
pub(crate) enum BatchSize {
    Of(usize),
    Random(Box<StdRng>),
}

impl Default for BatchSize {
    fn default() -> Self {
        Self::Of(1000)
    }
}

/// What happened, and what is to go wrong.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) events: VecDeque<SourceEvent<Numbers>>,
    /// What is read once the events are over.
    pub(crate) logs: BTreeMap<TopicPartition, Vec<Entry>>,
    pub(crate) batch: BatchSize,
    /// Transaction markers at the end of each log.
    pub(crate) markers: i64,
    /// Offsets behind these that compaction has emptied: the client never says that it has read them.
    pub(crate) emptied: i64,
    /// How often the brokers were asked whether there are records.
    pub(crate) asked: u32,
    /// The next offset to hand out.
    pub(crate) assigned: BTreeMap<TopicPartition, Offset>,
    pub(crate) polls: usize,
    /// How long the source was told to wait.
    pub(crate) waits: Vec<Duration>,
    pub(crate) committed_offsets: BTreeMap<TopicPartition, Offset>,
    pub(crate) owned: bool,
    pub(crate) open: Vec<Sent>,
    pub(crate) committed: Vec<Sent>,
    pub(crate) transactions: u32,
    pub(crate) aborts: u32,
    pub(crate) calls: u32,
    /// Calls with timers.
    pub(crate) fires: u32,
    /// Records that were decoded, repetitions included.
    pub(crate) decoded: usize,
    /// Of each value that the guest was given, in order.
    pub(crate) watermarks: Vec<(i64, Option<i64>)>,
    pub(crate) paused: HashSet<TopicPartition>,
    pub(crate) sought: Vec<(TopicPartition, Offset)>,
    pub(crate) released: Vec<TopicPartition>,
    /// Values on which the guest traps.
    pub(crate) traps: HashSet<i64>,
    pub(crate) rejects: HashSet<i64>,
    /// How often the guest asks for a retry when it sees this value.
    pub(crate) retries: BTreeMap<i64, u32>,
    pub(crate) undecodable: HashSet<i64>,
    /// Emitted values that cannot be encoded.
    pub(crate) unencodable: HashSet<i64>,
    /// The encoder takes no more than so many bytes of one batch.
    pub(crate) encoded_bytes_max: Option<usize>,
    /// Values whose outputs cannot be encoded.
    pub(crate) unencodable_inputs: HashSet<i64>,
    /// Keys on whose timers the guest traps, and so on.
    pub(crate) timer_traps: HashSet<Vec<u8>>,
    pub(crate) timer_rejects: HashSet<Vec<u8>>,
    pub(crate) timer_retries: BTreeMap<Vec<u8>, u32>,
    pub(crate) timer_unencodable: HashSet<Vec<u8>>,
    /// What timers emit has no sources.
    pub(crate) forgets_sources: bool,
    /// How often the decoder says that the schema is pending, by partition.
    pub(crate) pending: BTreeMap<i32, u32>,
    /// The broker refuses these values in this topic, at the commit.
    pub(crate) broker_refuses: HashSet<(u32, i64)>,
    pub(crate) broker_refuses_keys: HashSet<(u32, Vec<u8>)>,
    /// The broker refuses what timers of these keys emit, which is negative.
    pub(crate) broker_refuses_timers: HashSet<Vec<u8>>,
    /// The broker refuses whatever comes to the dead letters.
    pub(crate) refuses_every_letter: bool,
    /// The refusal is known when the next record is sent, not only at the commit.
    pub(crate) refuses_early: bool,
    pub(crate) commit_aborts: u32,
    /// Commits abort now and then.
    pub(crate) random_aborts: Option<StdRng>,
    pub(crate) keeper: Arc<Mutex<KeeperWorld>>,
    pub(crate) clock: TestClock,
}

impl World {
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// What was committed to a topic.
    pub(crate) fn committed_to(&self, topic: TopicIndex) -> impl Iterator<Item = &Sent> {
        self.committed.iter().filter(move |sent| sent.topic == topic)
    }
}

pub(crate) type Shared = Rc<RefCell<World>>;

pub(crate) fn world(script: impl FnOnce(&mut World)) -> Shared {
    let mut world = World::default();
    script(&mut world);
    Rc::new(RefCell::new(world))
}

fn bad(code: &'static str, stage: Stage) -> BadRecord {
    BadRecord { code: Code(code), stage, message: String::new(), trace: String::new() }
}

pub(crate) fn letters() -> BadRecordPolicy {
    BadRecordPolicy::DeadLetter { topic: LETTERS, format: Box::new(FakeLetters) }
}

/// A driver over the world, without state, which owns partitions 0 and 1 after its first turn. Commits
/// at once.
pub(crate) fn driver(world: &Shared, policy: BadRecordPolicy) -> TestDriver {
    assigned(world, Rig::echo().policy(policy))
}

/// A driver of which two partitions are assigned.
pub(crate) fn assigned(world: &Shared, rig: Rig) -> TestDriver {
    let assigned = SourceEvent::Assigned(vec![partition(0), partition(1)]);
    world.borrow_mut().events.push_front(assigned);
    let mut driver = rig.join(world);
    driver.turn().expect("assigned");
    driver
}
