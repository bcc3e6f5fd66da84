//! The loop of a worker: events of the source, runs, commits.
//!
//! The driver owns the worker's consumer, producer, guest and codecs, on one thread. So ownership
//! of a partition, the work on it and the transaction that commits it cannot diverge.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use crate::model::failure::Code;
use crate::model::failure::Stop;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::model::status::TaskStatus;
use crate::model::status::Waiting;
use crate::model::task_phase::TaskEvent;
use crate::model::task_phase::TaskPhase;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::cycle::Cycle;
use crate::pipeline::gap;
use crate::pipeline::held_run::HeldRun;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::SinkFailure;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::SourceFailure;
use crate::pipeline::run::Lane;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::RunOf;
use crate::pipeline::run::RunOutcome;
use crate::pipeline::run::Turn;
use crate::pipeline::settings::DriverSettings;
use crate::pipeline::settings::InputRole;
use crate::pipeline::start;
use crate::pipeline::status::StatusBoard;
use crate::pipeline::task::Task;

/// How long a worker without work waits for an event at most. Commands wait this long too.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// After this long without records the producer and the guest instance are given up.
const RELEASE_AFTER: Duration = Duration::from_secs(60);
/// How often the status is published while nothing else asks for it.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// How long one task is worked on before the source and the commit have their turn.
const TURN_MAX: Duration = Duration::from_secs(1);

/// Why a driver cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverFailure {
    /// Until someone acts. What was committed stays.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The clients are unusable: make a new driver after a while. Nothing is lost: the open
    /// transaction dies with its producer, and the offsets are where the last commit left them.
    #[error("{code}: {reason}")]
    Rebuild { code: Code, reason: String },
}

pub struct Driver<S: Source, K> {
    pub(super) source: S,
    pub(super) lane: Lane<K>,
    pub(super) settings: DriverSettings,
    pub(super) tasks: HashMap<TopicPartition, Task<S::Records>>,
    /// Empty in pipelines whose tasks have nothing in common.
    pub(super) cohorts: BTreeMap<Partition, Cohort>,
    pub(super) cycle: Cycle,
    pub(super) next_slot: u16,
    pub(super) status: StatusBoard,
    status_at: Option<Instant>,
    pub(super) last_work: Option<Instant>,
    pub(super) has_committed: bool,
}

impl<S: Source, K: Sink<Group = S::Group>> Driver<S, K> {
    /// Pins the start, then joins the group.
    ///
    /// # Errors
    /// See [`DriverFailure`].
    pub fn join(
        mut source: S,
        lane: Lane<K>,
        settings: DriverSettings,
        status: StatusBoard,
    ) -> Result<Self, DriverFailure> {
        let inputs = settings.inputs.iter();
        let topics: Vec<(&str, InputRole)> = inputs.map(|(topic, input)| (&**topic, input.role)).collect();
        start::pin(&mut source, &topics, &settings.start).map_err(source_failed)?;
        source.join().map_err(source_failed)?;
        let cycle = Cycle::new(settings.commit);
        Ok(Self {
            source,
            lane,
            settings,
            tasks: HashMap::new(),
            cohorts: BTreeMap::new(),
            cycle,
            next_slot: 0,
            status,
            status_at: None,
            last_work: None,
            has_committed: false,
        })
    }

    /// One turn: wakes tasks that are due, waits for an event, deals with it, fires timers, commits
    /// when due.
    ///
    /// # Errors
    /// See [`DriverFailure`]. After an error only [`Driver::abandon`] makes sense.
    pub fn turn(&mut self) -> Result<(), DriverFailure> {
        self.serve_restores()?;
        self.wake()?;
        let event = match self.source.poll(self.wait()) {
            Ok(event) => event,
            Err(SourceFailure::Outage(outage)) => {
                self.lane.observer.waiting(outage.code);
                self.status.waiting(Some(Waiting {
                    since: SystemTime::now(),
                    code: outage.code,
                    reason: outage.message,
                }));
                SourceEvent::Idle
            }
            Err(SourceFailure::OffsetGone { partition, offset, first }) => {
                return Err(gap::stop(&partition, offset, first, &self.settings.gap_remedy).into());
            }
            Err(failure) => return Err(source_failed(failure)),
        };
        match event {
            SourceEvent::Idle => self.release_when_idle(),
            SourceEvent::Records(records) => self.take(records)?,
            SourceEvent::Assigned(partitions) => self.assigned(&partitions)?,
            SourceEvent::Revoked(partitions) => self.revoked(&partitions)?,
            SourceEvent::Lost(partitions) => self.lost(&partitions)?,
        }
        self.serve_cohorts()?;
        let now = self.lane.clock.now();
        if self.cycle.is_due(now) || (self.is_overlay_full() && !self.cycle.is_postponed(now)) {
            self.commit()?;
        }
        self.tick()?;
        self.publish(false);
        Ok(())
    }

    /// Whether any cycle was committed, so that the clients once worked.
    #[must_use]
    pub fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// Finishes the cycle and commits it. The driver is done afterwards.
    ///
    /// # Errors
    /// See [`DriverFailure`]; nothing is lost then either.
    pub fn drain(mut self) -> Result<(), DriverFailure> {
        let outcome = self.commit();
        self.close_all();
        outcome
    }

    /// Gives up without a commit, after a failure.
    pub fn abandon(mut self) {
        if let Err(error) = self.lane.sink.abort() {
            tracing::debug!(%error, "the open transaction is left to the broker");
        }
        self.close_all();
    }

    fn close_all(&mut self) {
        for task in self.tasks.values_mut() {
            task.held.clear();
            task.advance(TaskEvent::Closed);
        }
        self.tasks.clear();
        self.close_cohorts();
        self.publish(true);
    }

    fn wait(&self) -> Duration {
        let now = self.lane.clock.now();
        let tasks = self.tasks.values().filter(|task| !task.held.is_empty());
        let tasks = tasks.map(|task| {
            task.waiting.as_ref().map_or(Duration::ZERO, |(at, _)| at.saturating_duration_since(now))
        });
        let due = tasks.chain(self.cycle.due_in(now)).chain(self.cohorts_due_in(now)).min();
        due.unwrap_or(IDLE_WAIT).min(IDLE_WAIT)
    }

    fn release_when_idle(&mut self) {
        let now = self.lane.clock.now();
        let idle = self.last_work.is_some_and(|last| now.saturating_duration_since(last) >= RELEASE_AFTER);
        if idle && !self.cycle.is_open() {
            self.lane.sink.release();
            self.lane.guest.release();
            self.last_work = None;
        }
    }

    fn take(&mut self, records: S::Records) -> Result<(), DriverFailure> {
        self.status.waiting(None);
        let partition = records.topic_partition().clone();
        let Some(task) = self.tasks.get_mut(&partition) else {
            // Fetched before the partition was given up.
            return Ok(());
        };
        let run = HeldRun::new(records, &task.poison, &self.lane.retry);
        task.held.push_back(run);
        if task.phase == TaskPhase::Running && !task.gated { self.work(&partition) } else { Ok(()) }
    }

    /// Tries the tasks whose wait is over.
    fn wake(&mut self) -> Result<(), DriverFailure> {
        let now = self.lane.clock.now();
        let due = self.tasks.values().filter(|task| task.is_due(now) && !task.gated);
        let due: Vec<TopicPartition> = due.map(|task| task.partition.clone()).collect();
        for partition in due {
            self.work(&partition)?;
        }
        Ok(())
    }

    /// Takes a task's runs as far as they go.
    fn work(&mut self, partition: &TopicPartition) -> Result<(), DriverFailure> {
        let now = self.lane.clock.now();
        self.last_work = Some(now);
        let turn = self.turn_for(partition.partition, now);
        let Some(task) = self.tasks.get_mut(partition) else {
            return Ok(());
        };
        while let Some(run) = task.held.front_mut() {
            self.cycle.open(now);
            let before = run.at();
            let of = RunOf { port: task.port, slot: task.slot, poison: &task.poison };
            let cohort = self.cohorts.get_mut(&partition.partition);
            let outcome = self.lane.advance(of, run, cohort, turn);
            let done = run.at();
            self.cycle.add((done - before) as u64, run.take_bytes());
            if let Some(last) = done.checked_sub(1) {
                task.position = run.records.offset(last).next();
                task.last_timestamp = run.records.timestamp(last);
            }
            match outcome {
                Ok(RunOutcome::Done) => {
                    task.held.pop_front();
                }
                Ok(RunOutcome::Yield) => {
                    // What it has is enough for now.
                    let is_behind = task.held.len() > 1;
                    return if is_behind { self.pause(partition) } else { Ok(()) };
                }
                Ok(RunOutcome::Wait(wait)) => {
                    self.lane.observer.waiting(wait.code);
                    task.wait(now, wait);
                    return self.pause(partition);
                }
                Err(failure) => return self.failed(partition.partition, failure),
            }
        }
        if task.phase == TaskPhase::Waiting {
            task.waiting = None;
            task.advance(TaskEvent::Woken);
        }
        self.resume(partition)
    }

    /// A task's window, or its timers, did not pass.
    pub(super) fn failed(&mut self, partition: Partition, failure: RunFailure) -> Result<(), DriverFailure> {
        match failure {
            RunFailure::Stop(stop) => {
                // Nothing of the failed window was sent: what came before it can be kept.
                self.commit()?;
                Err(stop.into())
            }
            RunFailure::Send(failure) => self.send_failed(failure),
            RunFailure::State(failure) => self.state_failed(partition, failure),
        }
    }

    /// How far a task of this partition number may go now.
    pub(super) fn turn_for(&self, partition: Partition, now: Instant) -> Turn {
        let others = self.cohorts.values().filter(|cohort| cohort.partition != partition);
        let taken: u64 = others.map(Cohort::overlay_bytes).sum();
        let limit = self.lane.state.as_ref().map_or(u64::MAX, |state| state.overlay_bytes_max);
        Turn { until: now + TURN_MAX, overlay_max: limit.saturating_sub(taken) }
    }

    pub(super) fn pause(&mut self, partition: &TopicPartition) -> Result<(), DriverFailure> {
        match self.tasks.get_mut(partition) {
            Some(task) if !task.paused => {
                task.paused = true;
                self.source.pause(std::slice::from_ref(partition)).map_err(source_failed)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn resume(&mut self, partition: &TopicPartition) -> Result<(), DriverFailure> {
        match self.tasks.get_mut(partition) {
            Some(task) if task.paused && !task.gated => {
                task.paused = false;
                self.source.resume(std::slice::from_ref(partition)).map_err(source_failed)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn publish(&mut self, now: bool) {
        let at = self.lane.clock.now();
        let due = self.status_at.is_none_or(|last| at.saturating_duration_since(last) >= STATUS_EVERY);
        if !(now || due) {
            return;
        }
        self.status_at = Some(at);
        self.lane.observer.guest(&self.lane.guest.figures());
        let mut tasks: Vec<TaskStatus> = self
            .tasks
            .values()
            .map(|task| TaskStatus {
                partition: task.partition.clone(),
                phase: task.phase,
                position: task.position,
                committed: task.committed,
                lag: self.source.lag(&task.partition),
                last_timestamp: task.last_timestamp,
                waiting: self.waiting_of(task),
                restore: self.restore_of(task),
                state: self.state_of(task),
                event_watermark: self.event_watermark_of(task),
            })
            .collect();
        tasks.sort_by(|a, b| a.partition.cmp(&b.partition));
        self.status.tasks(tasks);
    }
}

/// A failure of any call but the poll, which alone finds that an offset is gone.
pub(super) fn source_failed(failure: SourceFailure) -> DriverFailure {
    match failure {
        SourceFailure::Stop(stop) => stop.into(),
        SourceFailure::Outage(outage) => DriverFailure::Rebuild { code: outage.code, reason: outage.message },
        SourceFailure::Fatal(reason) => DriverFailure::Rebuild { code: Code("consumer-failed"), reason },
        SourceFailure::OffsetGone { .. } => {
            DriverFailure::Rebuild { code: Code("consumer-failed"), reason: failure.to_string() }
        }
    }
}

pub(super) fn sink_failed(failure: SinkFailure) -> DriverFailure {
    match failure {
        SinkFailure::Stop(stop) => stop.into(),
        SinkFailure::Outage(outage) => DriverFailure::Rebuild { code: outage.code, reason: outage.message },
        SinkFailure::Fenced(reason) => DriverFailure::Rebuild { code: Code("producer-fenced"), reason },
        SinkFailure::Fatal(reason) => DriverFailure::Rebuild { code: Code("producer-failed"), reason },
    }
}
