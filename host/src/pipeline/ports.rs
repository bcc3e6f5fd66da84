//! What the core needs of the world. Adapters implement these; only `app` names the adapters.

use std::ops::Range;
use std::time::Duration;

use arrow_array::ArrayRef;

use crate::model::failure::BadRecord;
use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::ids::SchemaId;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RawRecords;
use crate::model::record_batch::RecordBatch;
use crate::model::record_batch::Rows;
use crate::model::state::FiredTimers;
use crate::model::state::Timer;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::StateSlot;

/// Offsets to resume at: the next record to read of each partition.
pub type Positions = Vec<(TopicPartition, Offset)>;

/// Kafka in. Lives on the worker's thread; group changes come as events of [`Source::poll`].
pub trait Source {
    type Records: RawRecords;
    /// A checked snapshot of the consumer's membership, which the transaction's commit carries.
    type Group;

    /// Subscribes and joins the group.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn join(&mut self) -> Result<(), SourceFailure>;

    /// Commits offsets from outside of the group, before [`Source::join`]. False, and nothing is
    /// committed, when the group has members.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn commit_outside(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<bool, SourceFailure>;

    /// Waits up to `wait` for the next event. Serves the client meanwhile, so it must be called
    /// well within `max.poll.interval.ms` even when nothing is wanted (pause the partitions first).
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn poll(&mut self, wait: Duration) -> Result<SourceEvent<Self::Records>, SourceFailure>;

    /// Answers [`SourceEvent::Assigned`]: begins to consume at these positions.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn start(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure>;

    /// Answers [`SourceEvent::Revoked`] and [`SourceEvent::Lost`]: gives the partitions up.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure>;

    /// The group's stable committed offset of each partition, or none.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, SourceFailure>;

    /// First offset still there, and the offset after the last one.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn bounds(&mut self, partition: &TopicPartition) -> Result<Range<Offset>, SourceFailure>;

    /// First offset at or after a time in milliseconds; the end if there is none.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn offset_at(&mut self, partition: &TopicPartition, timestamp_ms: i64) -> Result<Offset, SourceFailure>;

    /// Every partition of an input topic as the broker knows it now.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn partitions(&mut self, topic: &str) -> Result<Vec<TopicPartition>, SourceFailure>;

    /// Whether any record lies in this range of a partition. Asks the brokers, and may take seconds.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn has_records(&mut self, of: &TopicPartition, range: Range<Offset>) -> Result<bool, SourceFailure>;

    /// Stops fetching; what is already fetched is kept or fetched again, never lost.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure>;

    /// # Errors
    /// See [`SourceFailure`].
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure>;

    /// Moves back (or forth); records fetched before the call are never returned after it.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn seek(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure>;

    /// The membership, if this member still owns its partitions: not lost, generation not negative.
    fn group(&mut self) -> Option<Self::Group>;

    /// Commits offsets as a member of the group (at-least-once). Waits.
    ///
    /// # Errors
    /// See [`SourceFailure`].
    fn commit(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure>;

    /// Records between the position and the last stable offset, as the client last knew.
    fn lag(&self, partition: &TopicPartition) -> Option<u64>;

    /// The offset up to which a partition has been handed out, what is no record included
    /// (transaction markers, aborted records). None before the first, and while records are held.
    fn read_up_to(&self, partition: &TopicPartition) -> Option<Offset>;
}

/// What [`Source::poll`] returns.
#[derive(Debug)]
pub enum SourceEvent<R> {
    /// Nothing within the wait.
    Idle,
    /// A run of one partition, within the batch limits.
    Records(R),
    /// New partitions: answer with [`Source::start`].
    Assigned(Vec<TopicPartition>),
    /// Finish and commit what was read of these, then [`Source::release`] them.
    Revoked(Vec<TopicPartition>),
    /// These already belong to another member: drop what was read, then [`Source::release`].
    Lost(Vec<TopicPartition>),
}

#[derive(Debug, thiserror::Error)]
pub enum SourceFailure {
    #[error(transparent)]
    Outage(#[from] Outage),
    #[error("offset {offset} of {partition} is gone; the partition now starts at {first}")]
    OffsetGone { partition: TopicPartition, offset: Offset, first: Offset },
    /// The client is unusable: make a new one.
    #[error("the consumer failed for good: {0}")]
    Fatal(String),
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// Bytes to columns, for one input port.
pub trait Decoder {
    /// Decodes the records of `range` in one go, except those in `skip` (ascending indexes).
    ///
    /// Stops early where the next record needs another batch (a dynamic port's schema changes) or
    /// a schema that is not there yet: `Decoded::end` says where.
    ///
    /// # Errors
    /// When not even the first record can be decoded *yet*; bad records are no error.
    fn decode(
        &mut self,
        records: &dyn RawRecords,
        range: Range<usize>,
        skip: &[usize],
    ) -> Result<Decoded, DecodeFailure>;
}

#[derive(Debug)]
pub struct Decoded {
    pub rows: Rows,
    /// Writer schema of the values, on dynamic ports.
    pub schema: Option<SchemaId>,
    /// The index in the raw records of each row, ascending.
    pub records: Vec<u32>,
    /// Records that cannot be decoded, ascending.
    pub bad: Vec<(u32, BadRecord)>,
    /// Index after the last record dealt with.
    pub end: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeFailure {
    /// The schema is being fetched in the background: try again soon; other partitions go on.
    #[error("the schema {0} is still being fetched")]
    SchemaPending(u32),
    #[error(transparent)]
    Outage(#[from] Outage),
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// User code. Lives on the worker's thread. Instances come and go behind it.
///
/// A call is lent the task's state, which is back in its slot when the call returns, however it ends.
/// The caller has begun an invocation on it, and keeps or undoes afterwards what the call wrote. The
/// slot may be empty for a transform without stores and timers.
pub trait Guest {
    /// One call with records. After any failure but [`InvokeFailure::Retry`] the next call has a new
    /// instance.
    ///
    /// # Errors
    /// See [`InvokeFailure`]; nothing of the failed call is returned.
    fn invoke(&mut self, batch: &RecordBatch, state: &mut StateSlot) -> Result<Invoked, InvokeFailure>;

    /// One call with timers that are due. Sources and rejected rows of the answer are indexes into
    /// `fired`.
    ///
    /// # Errors
    /// As of [`Guest::invoke`].
    fn fire(&mut self, fired: &FiredTimers, state: &mut StateSlot) -> Result<Invoked, InvokeFailure>;

    /// Drops the instance until it is needed again.
    fn release(&mut self);

    /// What it takes up now.
    fn figures(&self) -> GuestFigures {
        GuestFigures::default()
    }
}

/// A guest as metrics see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuestFigures {
    /// Linear memory and tables of the live instance, in bytes; 0 without one.
    pub memory_bytes: u64,
    /// Instances made so far.
    pub instances_made: u64,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeFailure {
    #[error("the transform trapped: {message}")]
    Trap { message: String, backtrace: String },
    #[error("the transform ran longer than {limit_ms} ms")]
    Deadline {
        limit_ms: u64,
        /// Whether the thread itself used that much CPU time, so that the machine is not to blame.
        by_cpu_time: bool,
    },
    #[error("the transform needs more memory than {limit_bytes} bytes")]
    Memory { limit_bytes: u64 },
    #[error("the transform emitted more than {limit_bytes} bytes for one batch")]
    Output { limit_bytes: u64 },
    #[error("the transform wrote more than {limit_bytes} bytes of state for one batch")]
    StateLimit { limit_bytes: u64 },
    /// Broke the contract in a way that only shows at the end of the call.
    #[error("the transform broke the contract: {0}")]
    Contract(String),
    #[error("the transform asks for a retry: {0}")]
    Retry(String),
    #[error("the transform cannot go on: {0}")]
    Fatal(String),
    /// The state cannot be read or written: no fault of the guest, and never of a record.
    #[error(transparent)]
    State(StateFailure),
}

/// Columns to bytes, for the key or the value of one output port.
pub trait Encoder {
    /// Appends one entry a row to `out`, in order; a bad row's entry is null and stands in the
    /// returned list (ascending).
    ///
    /// # Errors
    /// When no row can be encoded *now*.
    fn encode(
        &mut self,
        column: &ArrayRef,
        schema: Option<SchemaId>,
        out: &mut EncodedPart,
    ) -> Result<Vec<(u32, BadRecord)>, EncodeFailure>;
}

#[derive(Debug, thiserror::Error)]
pub enum EncodeFailure {
    #[error(transparent)]
    Outage(#[from] Outage),
    #[error(transparent)]
    Stop(#[from] Stop),
    /// There is more than one batch may have, so that no row can be blamed but a batch's only one.
    #[error("{0}")]
    TooLarge(BadRecord),
}

/// Encoded keys or values of a run of rows, one after another in one buffer.
#[derive(Debug, Default, Clone)]
pub struct EncodedPart {
    pub bytes: Vec<u8>,
    /// End of each entry in `bytes`.
    pub ends: Vec<u32>,
    /// Whether each entry is null; empty when none is.
    pub nulls: Vec<bool>,
}

impl EncodedPart {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.nulls.clear();
    }

    /// What it holds of the host's memory, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>() + self.nulls.capacity()
    }

    /// The bytes of one entry; none when it is null or not there.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.get(row).copied().unwrap_or(false) {
            return None;
        }
        let end = *self.ends.get(row)? as usize;
        let start = if row == 0 { 0 } else { *self.ends.get(row - 1)? as usize };
        self.bytes.get(start..end)
    }

    /// Ends an entry at the current end of `bytes`.
    #[inline]
    pub fn end_entry(&mut self, null: bool) {
        self.ends.push(self.bytes.len() as u32);
        if null {
            self.nulls.resize(self.ends.len() - 1, false);
            self.nulls.push(true);
        } else if !self.nulls.is_empty() {
            self.nulls.push(false);
        }
    }
}

/// Index of an output topic as the sink numbers them at its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicIndex(pub u32);

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub struct OutputRecord<'a> {
    pub topic: TopicIndex,
    pub partition: Partition,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Milliseconds.
    pub timestamp: Option<i64>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Comes back in [`Refused`] when the broker refuses the record.
    pub token: u64,
}

/// Kafka out. Lives on the worker's thread.
pub trait Sink {
    type Group;

    /// Opens a transaction unless one is open; nothing under at-least-once.
    ///
    /// # Errors
    /// See [`SinkFailure`].
    fn begin(&mut self) -> Result<(), SinkFailure>;

    /// The partition of `topic` that a record goes to, by the topic's binding.
    ///
    /// # Errors
    /// See [`SinkFailure`].
    fn route(
        &mut self,
        topic: TopicIndex,
        key: Option<&[u8]>,
        source: Partition,
    ) -> Result<Partition, SinkFailure>;

    /// Hands a record over; its bytes are copied. Records of one partition keep their order.
    ///
    /// # Errors
    /// See [`SendFailure`].
    fn send(&mut self, record: &OutputRecord<'_>) -> Result<(), SendFailure>;

    /// Everything of a batch was sent. Under at-least-once it goes out now; within a transaction
    /// nobody sees a record before the commit, so that it may be gathered further.
    ///
    /// # Errors
    /// See [`SendFailure`].
    fn end_batch(&mut self) -> Result<(), SendFailure>;

    /// The largest record that a topic is known to take, in bytes.
    fn record_bytes_max(&self, topic: TopicIndex) -> usize;

    /// Waits until everything sent is written, then commits it with the offsets in one
    /// transaction. Under at-least-once it only waits; the caller commits by the consumer.
    ///
    /// # Errors
    /// See [`CommitFailure`]. After an error the caller calls [`Sink::abort`].
    fn commit(
        &mut self,
        positions: &[(TopicPartition, Offset)],
        group: &Self::Group,
    ) -> Result<(), CommitFailure>;

    /// Drops the open transaction and whatever is queued. Afterwards the sink is as new.
    ///
    /// # Errors
    /// See [`SinkFailure`].
    fn abort(&mut self) -> Result<(), SinkFailure>;

    /// Gives up what an idle pipeline does not need, until it is needed again. Only called when
    /// nothing is open.
    fn release(&mut self);
}

#[derive(Debug, thiserror::Error)]
pub enum SinkFailure {
    #[error(transparent)]
    Outage(#[from] Outage),
    /// Another producer has this worker's transactional id. The client is unusable.
    #[error("fenced: another worker took over: {0}")]
    Fenced(String),
    #[error("the producer failed for good: {0}")]
    Fatal(String),
    #[error(transparent)]
    Stop(#[from] Stop),
}

#[derive(Debug, thiserror::Error)]
pub enum SendFailure {
    /// The queue is full: serve the source, then try this record again.
    #[error("the producer's queue is full")]
    Full,
    /// This record can never be written (too large, invalid), with its token.
    #[error("the record is refused: {0}")]
    Refused(BadRecord, u64),
    /// Something that was sent before cannot be committed: the cycle must be aborted and its work
    /// done again. Of the records that are to blame, those that are known.
    #[error("the transaction cannot be committed: {reason}")]
    Abort { refused: Vec<Refused>, reason: String },
    #[error(transparent)]
    Sink(#[from] SinkFailure),
}

#[derive(Debug, thiserror::Error)]
pub enum CommitFailure {
    /// The broker refused these records for good; abort, and send everything but them.
    #[error("the broker refused {} records", .0.len())]
    Refused(Vec<Refused>),
    /// The transaction must be aborted and its work done again.
    #[error("the transaction was not committed: {0}")]
    Abort(String),
    #[error(transparent)]
    Sink(#[from] SinkFailure),
}

/// A dead letter: the original record, untouched but for what had to be left out, and headers that
/// say what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Milliseconds.
    pub timestamp: Option<i64>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Writes dead letters.
pub trait LetterFormat {
    /// The letter of one record, of at most `bytes_max` bytes: what would make it larger is left
    /// out, the value first.
    fn letter(&self, records: &dyn RawRecords, index: usize, cause: &BadRecord, bytes_max: usize) -> Letter;

    /// The letter of one timer. Its key is the timer's; it has no value.
    fn timer_letter(&self, timer: &Timer<'_>, cause: &BadRecord) -> Letter;
}

/// A record that the broker refused after it was sent.
#[derive(Debug, Clone)]
pub struct Refused {
    pub token: u64,
    pub cause: BadRecord,
}
