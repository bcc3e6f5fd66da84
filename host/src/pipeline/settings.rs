//! What a worker is told of its pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::ids::PortIndex;
use crate::model::pipeline_spec::CommitPolicy;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::Start;
use crate::model::state::TimeDomain;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::state_ports::StateKeeper;

/// What a driver needs to know.
#[derive(Debug, Clone)]
pub struct DriverSettings {
    pub delivery: Delivery,
    pub start: Start,
    pub commit: CommitPolicy,
    /// By topic.
    pub inputs: BTreeMap<Arc<str>, InputSettings>,
    /// How whoever runs the pipeline accepts that records were deleted before they were read, as a
    /// sentence.
    pub gap_remedy: Arc<str>,
}

/// An input topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSettings {
    pub port: PortIndex,
    pub role: InputRole,
    /// None for an input without event time: it does not hold the watermark back.
    pub event_time: Option<EventTimeSettings>,
}

impl InputSettings {
    /// A stream without event time.
    #[must_use]
    pub fn stream(port: PortIndex) -> Self {
        Self { port, role: InputRole::Stream, event_time: None }
    }

    /// Whether partition n of this input has to do with partition n of others.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.role == InputRole::Table || self.event_time.is_some()
    }
}

/// How an input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputRole {
    #[default]
    Stream,
    /// Up to the end that it has when a task starts, before the streams of that task begin.
    Table,
}

/// Event time of an input: the manifest's, with what the pipeline sets anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTimeSettings {
    /// A field of the value's record; none for the record's timestamp.
    pub field: Option<String>,
    /// How far behind the largest event time the watermark stays.
    pub out_of_orderness_ms: u64,
    /// The watermark advances in steps of this; 0 counts as 1.
    pub granularity_ms: u64,
    /// After this long without records, by processing time, an input that is read to its end no
    /// longer holds the watermark back.
    pub idle_after: Duration,
    pub late: LatePolicy,
}

/// What becomes of records whose event time is behind the watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LatePolicy {
    /// The transform is given them like any other.
    #[default]
    Process,
    /// They are counted and passed over.
    Drop,
    /// As [`Self::Drop`], and this topic gets a copy of each, as it came.
    Copy(TopicIndex),
}

/// What a pipeline with keyed state, timers or an event watermark that is kept has besides.
pub struct StateParts {
    pub keeper: Box<dyn StateKeeper>,
    /// By [`ChangelogIndex`](crate::pipeline::state_ports::ChangelogIndex). None for that of timers
    /// where the manifest has no timers.
    pub changelogs: Vec<Option<Changelog>>,
    /// What the manifest's timers go by.
    pub timers: Vec<TimeDomain>,
    /// Most bytes that one invocation may write, keys and values.
    pub bytes_per_batch_max: u64,
    /// The cycle is committed early when the overlays of a worker's tasks reach so many bytes
    /// together.
    pub overlay_bytes_max: u64,
}

/// A topic that the changes of a store are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    pub topic: TopicIndex,
    /// Its name, for messages.
    pub name: Arc<str>,
}

impl std::fmt::Debug for StateParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateParts")
            .field("changelogs", &self.changelogs)
            .field("timers", &self.timers)
            .field("bytes_per_batch_max", &self.bytes_per_batch_max)
            .field("overlay_bytes_max", &self.overlay_bytes_max)
            .finish_non_exhaustive()
    }
}
