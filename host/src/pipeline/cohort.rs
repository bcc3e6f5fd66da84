//! What the tasks of one partition number share: keyed state, timers, event time.

use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use crate::model::failure::Code;
use crate::model::pipeline_spec::RetryPolicy;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::state::StateTimes;
use crate::model::state::TimeDomain;
use crate::model::status::Waiting;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::fired::Fired;
use crate::pipeline::firing::Firing;
use crate::pipeline::settings::DriverSettings;
use crate::pipeline::settings::InputSettings;
use crate::pipeline::state_ports::StateSlot;
use crate::pipeline::state_ports::TaskState;
use crate::pipeline::task_time::TaskTime;

/// The tasks of partition n of every input, as one. Only pipelines with keyed state, event time or
/// tables have cohorts; the tasks of others know nothing of each other.
pub struct Cohort {
    pub partition: Partition,
    /// Names it in [`Token`](crate::pipeline::token::Token)s.
    pub slot: u16,
    pub readiness: Readiness,
    /// Since when it is as ready as it is.
    pub since: SystemTime,
    /// Empty unless it is ready, while it is lent to the guest, and in pipelines without state.
    pub state: StateSlot,
    pub time: TaskTime,
    pub event_timers: Firing,
    pub processing_timers: Firing,
    pub fired: Fired,
    /// Tables that are not read yet up to the end that they had when the cohort became ready.
    /// Streams wait until this is empty.
    pub tables: Vec<Table>,
    /// Waits between attempts to restore the state.
    pub restores: Backoff,
}

/// How far a cohort has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Some input is not assigned.
    Incomplete,
    Restoring,
    /// Its state has failed, or could not be restored: it is tried again.
    RestoreDue(Instant, Waiting),
    Ready,
}

/// An input that is read up to an end before others begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub partition: TopicPartition,
    pub end: Offset,
    /// Where it was when it last moved, and when to ask whether anything is left to be read.
    stalled: Option<(Offset, Instant)>,
}

/// How long a table may stand before its end until the brokers are asked whether there is anything left.
const STALLED_AFTER: Duration = Duration::from_secs(2);
/// Time between two such questions.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl Table {
    #[must_use]
    pub fn new(partition: TopicPartition, end: Offset) -> Self {
        Self { partition, end, stalled: None }
    }

    /// Whether it has stood at this position for so long that the brokers are to be asked for the rest.
    pub fn is_stalled(&mut self, position: Offset, now: Instant) -> bool {
        match &mut self.stalled {
            Some((at, ask_at)) if *at == position => {
                let is_time = now >= *ask_at;
                if is_time {
                    *ask_at = now + ASK_AGAIN_AFTER;
                }
                is_time
            }
            stalled => {
                *stalled = Some((position, now + STALLED_AFTER));
                false
            }
        }
    }
}

impl Cohort {
    /// Whether the inputs of a pipeline have anything in common beside keyed state.
    #[must_use]
    pub fn is_needed(settings: &DriverSettings) -> bool {
        settings.inputs.values().any(InputSettings::is_shared)
    }

    #[must_use]
    pub fn new(
        partition: Partition,
        slot: u16,
        settings: &DriverSettings,
        retry: &RetryPolicy,
        now: Instant,
    ) -> Self {
        let timed =
            settings.inputs.values().filter_map(|input| Some((input.port, input.event_time.as_ref()?)));
        Self {
            partition,
            slot,
            readiness: Readiness::Incomplete,
            since: SystemTime::now(),
            state: None,
            time: TaskTime::new(timed, now),
            event_timers: Firing::new(retry),
            processing_timers: Firing::new(retry),
            fired: Fired::default(),
            tables: Vec::new(),
            restores: Backoff::for_outage(),
        }
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.readiness == Readiness::Ready
    }

    pub fn timers(&mut self, domain: TimeDomain) -> &mut Firing {
        match domain {
            TimeDomain::Event => &mut self.event_timers,
            TimeDomain::Processing => &mut self.processing_timers,
        }
    }

    /// Begins an invocation on the state, if there is one.
    pub fn begin(&mut self, processing_time: i64, bytes_max: u64) {
        let event_watermark = self.time.event_watermark();
        if let Some(state) = &mut self.state {
            state.begin(StateTimes { event_watermark, processing_time }, bytes_max);
        }
    }

    /// What the invocation wrote joins the overlay.
    pub fn keep(&mut self) {
        if let Some(state) = &mut self.state {
            state.keep();
        }
    }

    /// What the invocation wrote is undone.
    pub fn undo(&mut self) {
        if let Some(state) = &mut self.state {
            state.undo();
        }
    }

    #[must_use]
    pub fn overlay_bytes(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.overlay_bytes())
    }

    /// Earliest time at which a timer may be due.
    #[must_use]
    pub fn next_due(&self, domain: TimeDomain) -> Option<i64> {
        self.state.as_ref()?.next_due(domain)
    }

    /// The earliest time for which the invocation that runs has registered an event timer.
    #[must_use]
    pub fn registered_event_min(&self) -> Option<i64> {
        self.state.as_ref()?.registered_event_min()
    }

    /// What its tasks wait for, if it is for something in common. `gated` says whether it is about a
    /// task that is not read; `missing` names an input that is not assigned.
    pub fn waiting(&self, gated: bool, missing: impl FnOnce() -> String) -> Option<Waiting> {
        let waiting = |code, reason| Waiting { since: self.since, code: Code(code), reason };
        match &self.readiness {
            Readiness::Incomplete => {
                let reason = format!(
                    "partition {} of `{}` is not assigned to this worker; it needs that partition of every input",
                    self.partition,
                    missing()
                );
                Some(waiting("input-missing", reason))
            }
            Readiness::Restoring => None,
            Readiness::RestoreDue(_, waiting) => Some(waiting.clone()),
            Readiness::Ready => match self.tables.first() {
                Some(table) if gated => {
                    let reason = format!("{} is read up to offset {} first", table.partition, table.end);
                    Some(waiting("table-filling", reason))
                }
                _ => {
                    let timers = [&self.event_timers, &self.processing_timers];
                    timers.into_iter().find_map(|firing| Some(firing.waiting()?.1.clone()))
                }
            },
        }
    }

    /// Whether there is progress that no commit has written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.state.as_ref().is_some_and(|state| {
            state.has_notes() || self.overlay_bytes() > 0 || self.time.changes().next().is_some()
        })
    }

    /// Puts the progress of event time into the overlay, and gives the state with it.
    pub fn settled(&mut self) -> Option<&mut dyn TaskState> {
        let state = self.state.as_deref_mut()?;
        for (port, clock) in self.time.changes() {
            state.set_event_clock(port, clock);
        }
        Some(state)
    }

    /// The open cycle was committed.
    pub fn committed(&mut self) {
        self.time.committed();
        self.fired.committed();
    }

    /// The open cycle was aborted: back to the last commit.
    pub fn aborted(&mut self) {
        if let Some(state) = &mut self.state {
            state.aborted();
        }
        self.time.aborted();
        self.fired.aborted();
        let isolated = self.fired.is_isolated();
        self.event_timers.reset(isolated);
        self.processing_timers.reset(isolated);
    }
}

impl std::fmt::Debug for Cohort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cohort")
            .field("partition", &self.partition)
            .field("readiness", &self.readiness)
            .field("has_state", &self.state.is_some())
            .field("time", &self.time)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}
