//! A world in memory for the tests of the core: values are numbers, a script says what goes wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Int64Array;

use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Stage;
use crate::model::ids::PortIndex;
use crate::model::ids::SchemaId;
use crate::model::pipeline_spec::CommitPolicy;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::RetryPolicy;
use crate::model::pipeline_spec::Start;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RawRecords;
use crate::model::record_batch::RecordBatch;
use crate::model::record_batch::Rejection;
use crate::model::record_batch::Rows;
use crate::model::state::FiredTimers;
use crate::model::state::Timer;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::driver::Driver;
use crate::pipeline::observer::Silent;
use crate::pipeline::outputs::Output;
use crate::pipeline::outputs::Outputs;
use crate::pipeline::ports::CommitFailure;
use crate::pipeline::ports::DecodeFailure;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::Decoder;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::EncodedPart;
use crate::pipeline::ports::Encoder;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::ports::Letter;
use crate::pipeline::ports::LetterFormat;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::Refused;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::SinkFailure;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::SourceFailure;
use crate::pipeline::ports::SystemClock;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::run::Lane;
use crate::pipeline::settings::DriverSettings;
use crate::pipeline::settings::InputSettings;
use crate::pipeline::state_ports::StateSlot;
use crate::pipeline::status::StatusBoard;

pub(crate) const OUTPUT: TopicIndex = TopicIndex(0);
pub(crate) const LETTERS: TopicIndex = TopicIndex(1);

pub(crate) fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: Arc::from("in"), partition: Partition(number) }
}

/// What happened, and what is to go wrong.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) events: VecDeque<SourceEvent<Numbers>>,
    pub(crate) committed_offsets: BTreeMap<TopicPartition, Offset>,
    pub(crate) owned: bool,
    pub(crate) open: Vec<Sent>,
    pub(crate) committed: Vec<Sent>,
    pub(crate) transactions: u32,
    pub(crate) aborts: u32,
    pub(crate) calls: u32,
    pub(crate) paused: HashSet<TopicPartition>,
    pub(crate) sought: Vec<(TopicPartition, Offset)>,
    pub(crate) released: Vec<TopicPartition>,
    /// Values on which the guest traps.
    pub(crate) traps: HashSet<i64>,
    pub(crate) rejects: HashSet<i64>,
    /// How often the guest asks for a retry when it sees this value.
    pub(crate) retries: BTreeMap<i64, u32>,
    pub(crate) undecodable: HashSet<i64>,
    pub(crate) unencodable: HashSet<i64>,
    /// How often the decoder says that the schema is pending, by partition.
    pub(crate) pending: BTreeMap<i32, u32>,
    /// The broker refuses these values in this topic, at the commit.
    pub(crate) broker_refuses: HashSet<(u32, i64)>,
    /// The broker refuses whatever comes to the dead letters.
    pub(crate) refuses_every_letter: bool,
    /// The refusal is known when the next record is sent, not only at the commit.
    pub(crate) refuses_early: bool,
    pub(crate) commit_aborts: u32,
}

impl World {
    /// What the broker refuses of the open transaction.
    fn refused(&self) -> Vec<Refused> {
        let refuses = |sent: &&Sent| {
            sent.value.is_some_and(|v| self.broker_refuses.contains(&(sent.topic.0, v)))
                || (self.refuses_every_letter && sent.topic == LETTERS)
        };
        let cause = bad("record-too-large", Stage::Produce);
        let refused = self.open.iter().filter(refuses);
        refused.map(|sent| Refused { token: sent.token, cause: cause.clone() }).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) topic: TopicIndex,
    pub(crate) value: Option<i64>,
    pub(crate) headers: Vec<String>,
    token: u64,
}

pub(crate) type Shared = Rc<RefCell<World>>;

/// A run of records whose value is a number; offsets from `start`.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    partition: TopicPartition,
    start: i64,
    values: Vec<[u8; 8]>,
}

impl Numbers {
    pub(crate) fn new(number: i32, start: i64, values: impl IntoIterator<Item = i64>) -> Self {
        let values = values.into_iter().map(i64::to_be_bytes).collect();
        Self { partition: partition(number), start, values }
    }
}

impl RawRecords for Numbers {
    fn topic_partition(&self) -> &TopicPartition {
        &self.partition
    }
    fn len(&self) -> usize {
        self.values.len()
    }
    fn offset(&self, index: usize) -> Offset {
        Offset(self.start + index as i64)
    }
    fn key(&self, _: usize) -> Option<&[u8]> {
        None
    }
    fn value(&self, index: usize) -> Option<&[u8]> {
        self.values.get(index).map(<[u8; 8]>::as_slice)
    }
    fn timestamp(&self, index: usize) -> Option<i64> {
        Some(index as i64)
    }
    fn headers(&self, _: usize, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        visit("own", None);
    }
    fn has_headers(&self, _: usize) -> bool {
        true
    }
}

fn number(bytes: &[u8]) -> i64 {
    i64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

pub(crate) struct FakeSource(pub(crate) Shared);

impl Source for FakeSource {
    type Records = Numbers;
    type Group = ();

    fn join(&mut self) -> Result<(), SourceFailure> {
        Ok(())
    }
    fn commit_outside(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<bool, SourceFailure> {
        self.0.borrow_mut().committed_offsets.extend(positions.iter().cloned());
        Ok(true)
    }
    fn poll(&mut self, _: Duration) -> Result<SourceEvent<Numbers>, SourceFailure> {
        Ok(self.0.borrow_mut().events.pop_front().unwrap_or(SourceEvent::Idle))
    }
    fn start(&mut self, _: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        Ok(())
    }
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        self.0.borrow_mut().released.extend_from_slice(partitions);
        Ok(())
    }
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, SourceFailure> {
        let world = self.0.borrow();
        Ok(partitions.iter().map(|p| world.committed_offsets.get(p).copied()).collect())
    }
    fn bounds(&mut self, _: &TopicPartition) -> Result<Range<Offset>, SourceFailure> {
        Ok(Offset(0)..Offset(1000))
    }
    fn offset_at(&mut self, _: &TopicPartition, timestamp_ms: i64) -> Result<Offset, SourceFailure> {
        Ok(Offset(timestamp_ms))
    }
    fn partitions(&mut self, _: &str) -> Result<Vec<TopicPartition>, SourceFailure> {
        Ok(vec![partition(0), partition(1)])
    }
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        self.0.borrow_mut().paused.extend(partitions.iter().cloned());
        Ok(())
    }
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        let mut world = self.0.borrow_mut();
        for partition in partitions {
            world.paused.remove(partition);
        }
        Ok(())
    }
    fn seek(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        self.0.borrow_mut().sought.extend_from_slice(positions);
        Ok(())
    }
    fn group(&mut self) -> Option<()> {
        self.0.borrow().owned.then_some(())
    }
    fn commit(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        self.0.borrow_mut().committed_offsets.extend(positions.iter().cloned());
        Ok(())
    }
    fn lag(&self, _: &TopicPartition) -> Option<u64> {
        None
    }
    fn read_up_to(&self, _: &TopicPartition) -> Option<Offset> {
        None
    }
}

pub(crate) struct FakeSink(Shared);

impl Sink for FakeSink {
    type Group = ();

    fn begin(&mut self) -> Result<(), SinkFailure> {
        Ok(())
    }
    fn route(
        &mut self,
        _: TopicIndex,
        _: Option<&[u8]>,
        source: Partition,
    ) -> Result<Partition, SinkFailure> {
        Ok(source)
    }
    fn send(&mut self, record: &OutputRecord<'_>) -> Result<(), SendFailure> {
        let refused = self.0.borrow().refused();
        if self.0.borrow().refuses_early && !refused.is_empty() {
            return Err(SendFailure::Abort { refused, reason: "scripted".to_owned() });
        }
        let headers = record.headers.iter().map(|(name, _)| (*name).to_owned()).collect();
        let value = record.value.map(number);
        self.0.borrow_mut().open.push(Sent { topic: record.topic, value, headers, token: record.token });
        Ok(())
    }
    fn end_batch(&mut self) -> Result<(), SendFailure> {
        Ok(())
    }
    fn record_bytes_max(&self, _: TopicIndex) -> usize {
        1 << 20
    }
    fn commit(&mut self, positions: &[(TopicPartition, Offset)], (): &()) -> Result<(), CommitFailure> {
        let mut world = self.0.borrow_mut();
        let refused = world.refused();
        if !refused.is_empty() {
            return Err(CommitFailure::Refused(refused));
        }
        if world.commit_aborts > 0 {
            world.commit_aborts -= 1;
            return Err(CommitFailure::Abort("scripted".to_owned()));
        }
        world.transactions += 1;
        let mut open = std::mem::take(&mut world.open);
        world.committed.append(&mut open);
        world.committed_offsets.extend(positions.iter().cloned());
        Ok(())
    }
    fn abort(&mut self) -> Result<(), SinkFailure> {
        let mut world = self.0.borrow_mut();
        world.aborts += 1;
        world.open.clear();
        Ok(())
    }
    fn release(&mut self) {}
}

fn bad(code: &'static str, stage: Stage) -> BadRecord {
    BadRecord { code: Code(code), stage, message: String::new(), trace: String::new() }
}

struct FakeDecoder(Shared);

impl Decoder for FakeDecoder {
    fn decode(
        &mut self,
        records: &dyn RawRecords,
        range: Range<usize>,
        skip: &[usize],
    ) -> Result<Decoded, DecodeFailure> {
        let mut world = self.0.borrow_mut();
        if let Some(left @ 1..) = world.pending.get_mut(&records.topic_partition().partition.0) {
            *left -= 1;
            return Err(DecodeFailure::SchemaPending(7));
        }
        let (mut rows, mut values, mut undecodable) = (Vec::new(), Vec::new(), Vec::new());
        for index in range.clone().filter(|index| !skip.contains(index)) {
            let value = number(records.value(index).expect("in range"));
            if world.undecodable.contains(&value) {
                undecodable.push((index as u32, bad("avro-invalid", Stage::ValueDecode)));
            } else {
                rows.push(index as u32);
                values.push(value);
            }
        }
        let value: ArrayRef = Arc::new(Int64Array::from(values));
        let columns = Rows { count: rows.len(), value: Some(value), ..Rows::default() };
        Ok(Decoded { rows: columns, schema: None, records: rows, bad: undecodable, end: range.end })
    }
}

/// Emits every value as it is.
struct FakeGuest(Shared);

impl Guest for FakeGuest {
    fn invoke(&mut self, batch: &RecordBatch, _: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        let mut world = self.0.borrow_mut();
        world.calls += 1;
        let column = batch.rows.value.as_ref().expect("a value root");
        let values = column.as_any().downcast_ref::<Int64Array>().expect("numbers").values();
        let mut rejections = Vec::new();
        for (row, value) in (0..).zip(values) {
            if world.traps.contains(value) {
                return Err(InvokeFailure::Trap {
                    message: "scripted".to_owned(),
                    backtrace: "main".to_owned(),
                });
            }
            if let Some(left @ 1..) = world.retries.get_mut(value) {
                *left -= 1;
                return Err(InvokeFailure::Retry("scripted".to_owned()));
            }
            if world.rejects.contains(value) {
                rejections.push(Rejection { rows: vec![row], reason: "scripted".to_owned() });
            }
        }
        let sources = (0..batch.rows.count as u32).collect();
        let rows = Rows { count: batch.rows.count, value: Some(column.clone()), ..Rows::default() };
        Ok(Invoked {
            emissions: vec![Emission { port: PortIndex(0), schema: None, rows, sources }],
            rejections,
        })
    }
    fn fire(&mut self, _: &FiredTimers, _: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        Err(InvokeFailure::Fatal("this transform has no timers".to_owned()))
    }
    fn release(&mut self) {}
}

struct FakeEncoder(Shared);

impl Encoder for FakeEncoder {
    fn encode(
        &mut self,
        column: &ArrayRef,
        _: Option<SchemaId>,
        out: &mut EncodedPart,
    ) -> Result<Vec<(u32, BadRecord)>, EncodeFailure> {
        let values = column.as_any().downcast_ref::<Int64Array>().expect("numbers");
        let mut refused = Vec::new();
        for (row, value) in (0..).zip(values.values()) {
            let unencodable = self.0.borrow().unencodable.contains(value);
            if unencodable {
                refused.push((row, bad("encode", Stage::ValueEncode)));
            } else {
                out.bytes.extend_from_slice(&value.to_be_bytes());
            }
            out.end_entry(unencodable);
        }
        Ok(refused)
    }
}

struct FakeLetters;

impl LetterFormat for FakeLetters {
    fn letter(&self, records: &dyn RawRecords, index: usize, cause: &BadRecord, bytes_max: usize) -> Letter {
        let mut headers = vec![("own".to_owned(), None), (cause.code.0.to_owned(), None)];
        let value = records.value(index).filter(|value| value.len() < bytes_max);
        if value.is_none() {
            headers.push(("omitted".to_owned(), None));
        }
        Letter { key: None, value: value.map(<[u8]>::to_vec), timestamp: None, headers }
    }
    fn timer_letter(&self, timer: &Timer<'_>, cause: &BadRecord) -> Letter {
        let headers = vec![(cause.code.0.to_owned(), None)];
        Letter { key: Some(timer.key.to_vec()), value: None, timestamp: None, headers }
    }
}

pub(crate) fn letters() -> BadRecordPolicy {
    BadRecordPolicy::DeadLetter { topic: LETTERS, format: Box::new(FakeLetters) }
}

/// A driver over the world, which owns partitions 0 and 1 after its first turn. Commits at once.
pub(crate) fn driver(world: &Shared, policy: BadRecordPolicy) -> Driver<FakeSource, FakeSink> {
    world.borrow_mut().owned = true;
    world.borrow_mut().events.push_front(SourceEvent::Assigned(vec![partition(0), partition(1)]));
    let lane = Lane {
        inputs: vec![Box::new(FakeDecoder(world.clone()))],
        guest: Box::new(FakeGuest(world.clone())),
        outputs: Outputs::new(vec![Output {
            topic: OUTPUT,
            key: None,
            value: Box::new(FakeEncoder(world.clone())),
        }]),
        sink: FakeSink(world.clone()),
        policy,
        retry: RetryPolicy { attempts_max: 2, backoff_initial: Duration::ZERO, backoff_max: Duration::ZERO },
        observer: Box::new(Silent),
        clock: Box::new(SystemClock),
        state: None,
        order: Vec::new(),
    };
    let settings = DriverSettings {
        delivery: Delivery::ExactlyOnce,
        start: Start::Earliest,
        commit: CommitPolicy { interval: Duration::ZERO, records_max: 1000, bytes_max: 1 << 20 },
        inputs: BTreeMap::from([(Arc::from("in"), InputSettings::stream(PortIndex(0)))]),
        gap_remedy: Arc::from("Accept the gap"),
    };
    let mut driver =
        Driver::join(FakeSource(world.clone()), lane, settings, StatusBoard::default()).expect("join");
    driver.turn().expect("assigned");
    driver
}
