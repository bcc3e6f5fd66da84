//! Desired state of a pipeline, validated. `config::pipeline_file` reads it from YAML or JSON.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::Serialize;

use crate::model::ids::PipelineName;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;
use crate::model::limits::Limits;

#[derive(Debug, Clone, PartialEq)]
pub struct PipelineSpec {
    pub name: PipelineName,
    pub transform: TransformRef,
    /// By port name, in the file's order.
    pub inputs: IndexMap<String, InputBinding>,
    /// By port name, in the file's order.
    pub outputs: IndexMap<String, OutputBinding>,
    pub delivery: Delivery,
    /// Whether a crash may apply an update of the state twice: what keyed state at least once costs.
    /// Exactly once it never does. Default no.
    pub accept_duplicate_updates: bool,
    pub start: Start,
    pub commit: CommitPolicy,
    pub checkpoint: CheckpointPolicy,
    pub batch: BatchLimits,
    pub on_bad_record: OnBadRecord,
    pub retry: RetryPolicy,
    pub schemas: SchemaPolicy,
    pub limits: Limits,
    /// Worker threads on each host. Default 1.
    pub workers: u32,
    /// Passed to the transform.
    pub config: IndexMap<String, String>,
    /// Config keys whose value is a secret of the host, by the secret's name. Never the value:
    /// the spec is stored and shown.
    pub secrets: IndexMap<String, String>,
    /// Client properties from the allow-list.
    pub kafka: IndexMap<String, String>,
}

impl PipelineSpec {
    /// Where bad records go: none unless the policy sets them aside.
    #[must_use]
    pub fn letter_topic(&self) -> Option<Arc<str>> {
        match &self.on_bad_record {
            OnBadRecord::DeadLetter { topic: Some(topic) } => Some(topic.clone()),
            OnBadRecord::DeadLetter { topic: None } => Some(format!("{}.dlq", self.name).into()),
            OnBadRecord::Stop | OnBadRecord::Drop => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransformRef {
    /// A version under a name; the newest when none is given.
    Named { name: TransformName, version: Option<TransformVersion> },
    /// A local file. Sidecar and dev only.
    File(PathBuf),
    /// `sha256:...` of an uploaded component.
    Digest(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputBinding {
    pub topic: Arc<str>,
    pub key: PartBinding,
    pub value: PartBinding,
    pub read_as: ReadAs,
    pub event_time: EventTimeOverride,
}

/// When the records of an input come, beside those of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadAs {
    /// As they come.
    #[default]
    Stream,
    /// Up to the end that the partition had when it was assigned, before any record of a stream of the
    /// same task; then as they come.
    Table,
}

/// What a pipeline sets anew of the event time that a port declares. None: as the port has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventTimeOverride {
    /// How far behind the largest event time the event watermark stays.
    pub out_of_orderness_ms: Option<u64>,
    /// Without records for this long by the clock of the host, an input does not hold the task's
    /// event watermark back. Default [`EVENT_TIME_IDLE_MS`].
    pub idle_ms: Option<u64>,
    /// The steps in which the event watermark advances.
    pub granularity_ms: Option<u64>,
    pub late: Option<OnLate>,
}

/// How long an input rests before it no longer holds the event watermark back, unless the pipeline
/// says otherwise.
pub const EVENT_TIME_IDLE_MS: u64 = 60_000;

/// What becomes of a record behind the event watermark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnLate {
    /// It is given to the transform like any other.
    #[default]
    Process,
    /// It is counted and passed over.
    Drop,
    /// It is counted, and a copy of it as it came is written to this topic.
    Topic(Arc<str>),
}

impl InputBinding {
    /// A stream with the event time that its port declares.
    #[must_use]
    pub fn stream(topic: impl Into<Arc<str>>, key: PartBinding, value: PartBinding) -> Self {
        let event_time = EventTimeOverride::default();
        Self { topic: topic.into(), key, value, read_as: ReadAs::Stream, event_time }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBinding {
    pub topic: Arc<str>,
    pub key: PartBinding,
    pub value: PartBinding,
    pub partition_by: PartitionBy,
}

/// How the bytes of a key or value are laid out, and under which registry subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartBinding {
    pub format: Format,
    /// Default by topic name: `<topic>-key` or `<topic>-value`. Registry formats only.
    pub subject: Option<String>,
}

/// Byte formats of keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Confluent wire format: magic byte 0, schema id, Avro body.
    Avro,
    /// JSON without a schema, typed by the port's declaration.
    Json,
    /// UTF-8 text.
    Text,
    /// Bytes as they are.
    Raw,
    /// One byte, 0 or 1.
    Boolean,
    /// Big-endian, 2 bytes.
    Int16,
    /// Big-endian, 4 bytes.
    Int32,
    /// Big-endian, 8 bytes.
    Int64,
    /// Big-endian IEEE 754, 4 bytes.
    Float32,
    /// Big-endian IEEE 754, 8 bytes.
    Float64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionBy {
    /// murmur2 over the encoded key, as the Java client; a null key goes to the source partition
    /// modulo the count.
    #[default]
    Key,
    /// The source partition modulo the count.
    SourcePartition,
    RoundRobin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    #[default]
    ExactlyOnce,
    AtLeastOnce,
}

/// Where a pipeline starts in a partition for which its group has no committed offset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    #[default]
    Earliest,
    Latest,
    /// First record at or after this time, milliseconds since the epoch.
    Timestamp(i64),
    /// By topic and partition; partitions not named start at earliest.
    Offsets(IndexMap<String, IndexMap<i32, i64>>),
}

/// When a commit cycle ends: whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitPolicy {
    /// Default 100 ms.
    pub interval: Duration,
    /// Default 50,000 input records.
    pub records_max: u64,
    /// Default 64 MiB of input.
    pub bytes_max: u64,
}

impl Default for CommitPolicy {
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), records_max: 50_000, bytes_max: 64 << 20 }
    }
}

/// How often the state of a task is saved to the object store, where the host has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointPolicy {
    /// Default 60 s.
    pub interval: Duration,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60) }
    }
}

/// How large one invocation's batch may be: whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Default 4096.
    pub rows_max: u32,
    /// Default 1 MiB of keys and values.
    pub bytes_max: u64,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { rows_max: 4096, bytes_max: 1 << 20 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnBadRecord {
    /// Default topic: `<pipeline>.dlq`.
    DeadLetter { topic: Option<Arc<str>> },
    /// The pipeline stops at the record.
    Stop,
    /// Counted and logged.
    Drop,
}

impl Default for OnBadRecord {
    fn default() -> Self {
        Self::DeadLetter { topic: None }
    }
}

/// Governs a guest's `retry` failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Default 8.
    pub attempts_max: u32,
    /// Default 50 ms, doubled each time, with jitter.
    pub backoff_initial: Duration,
    /// Default 10 s.
    pub backoff_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 8,
            backoff_initial: Duration::from_millis(50),
            backoff_max: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SchemaPolicy {
    pub register: Register,
    pub subject_strategy: SubjectStrategy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Register {
    /// The output schema must already be registered under its subject.
    Never,
    #[default]
    IfCompatible,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubjectStrategy {
    /// `<topic>-key`, `<topic>-value`.
    #[default]
    TopicName,
    /// The record's full name.
    RecordName,
    /// `<topic>-<record's full name>`.
    TopicRecordName,
}
