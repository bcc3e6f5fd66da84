//! The loop of a worker: events of the source, runs, commits.
//!
//! The driver owns the worker's consumer, producer, guest and codecs, on one thread. So ownership
//! of a partition, the work on it and the transaction that commits it cannot diverge.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use crate::model::failure::Code;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::pipeline_spec::CommitPolicy;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::Start;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::model::status::TaskStatus;
use crate::model::status::Waiting;
use crate::model::task_phase::TaskEvent;
use crate::model::task_phase::TaskPhase;
use crate::pipeline::cycle::Cycle;
use crate::pipeline::gap;
use crate::pipeline::ports::CommitFailure;
use crate::pipeline::ports::Positions;
use crate::pipeline::ports::Refused;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::SinkFailure;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::SourceFailure;
use crate::pipeline::run::HeldRun;
use crate::pipeline::run::Lane;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::RunOf;
use crate::pipeline::run::RunOutcome;
use crate::pipeline::start;
use crate::pipeline::status::StatusBoard;
use crate::pipeline::task::Task;
use crate::pipeline::task::Token;

/// How long a worker without work waits for an event at most. Commands wait this long too.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// After this long without records the producer and the guest instance are given up.
const RELEASE_AFTER: Duration = Duration::from_secs(60);
/// How often the status is published while nothing else asks for it.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// What a driver needs to know.
#[derive(Debug, Clone)]
pub struct DriverSettings {
    pub delivery: Delivery,
    pub start: Start,
    pub commit: CommitPolicy,
    /// Input topics with their ports.
    pub inputs: BTreeMap<Arc<str>, PortIndex>,
    /// How whoever runs the pipeline accepts that records were deleted before they were read, as a
    /// sentence.
    pub gap_remedy: Arc<str>,
}

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
    source: S,
    lane: Lane<K>,
    settings: DriverSettings,
    tasks: HashMap<TopicPartition, Task<S::Records>>,
    cycle: Cycle,
    next_slot: u16,
    status: StatusBoard,
    status_at: Option<std::time::Instant>,
    last_work: Option<std::time::Instant>,
    has_committed: bool,
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
        let topics: Vec<&str> = settings.inputs.keys().map(|topic| &**topic).collect();
        start::pin(&mut source, &topics, &settings.start).map_err(source_failed)?;
        source.join().map_err(source_failed)?;
        let cycle = Cycle::new(settings.commit);
        Ok(Self {
            source,
            lane,
            settings,
            tasks: HashMap::new(),
            cycle,
            next_slot: 0,
            status,
            status_at: None,
            last_work: None,
            has_committed: false,
        })
    }

    /// One turn: wakes tasks that are due, waits for an event, deals with it, commits when due.
    ///
    /// # Errors
    /// See [`DriverFailure`]. After an error only [`Driver::abandon`] makes sense.
    pub fn turn(&mut self) -> Result<(), DriverFailure> {
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
        if self.cycle.is_due(self.lane.clock.now()) {
            self.commit()?;
        }
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
            advance(task, TaskEvent::Closed);
        }
        self.tasks.clear();
        self.publish(true);
    }

    fn wait(&self) -> Duration {
        let now = self.lane.clock.now();
        let tasks = self
            .tasks
            .values()
            .filter_map(|task| Some(task.waiting.as_ref()?.0.saturating_duration_since(now)));
        tasks.chain(self.cycle.due_in(now)).min().unwrap_or(IDLE_WAIT).min(IDLE_WAIT)
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

    fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), DriverFailure> {
        self.lane.observer.rebalance();
        let positions = start::resolve(&mut self.source, partitions).map_err(source_failed)?;
        self.source.start(&positions).map_err(source_failed)?;
        for (partition, offset) in positions {
            let Some(port) = self.settings.inputs.get(&partition.topic) else {
                continue;
            };
            let slot = self.next_slot;
            self.next_slot = (self.next_slot + 1) % Token::SLOTS;
            let mut task = Task::new(partition.clone(), *port, slot, offset);
            advance(&mut task, TaskEvent::Started);
            tracing::info!(%partition, %offset, "task started");
            self.tasks.insert(partition, task);
        }
        self.publish(true);
        Ok(())
    }

    fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<(), DriverFailure> {
        self.lane.observer.rebalance();
        self.commit()?;
        self.give_up(partitions)
    }

    /// Another member may have these partitions already, so nothing read of them may be committed;
    /// and since all tasks share the transaction, it goes as a whole.
    fn lost(&mut self, partitions: &[TopicPartition]) -> Result<(), DriverFailure> {
        self.lane.observer.rebalance();
        for partition in partitions {
            self.tasks.remove(partition);
        }
        if self.cycle.is_open() {
            self.abort()?;
        }
        self.give_up(partitions)
    }

    fn give_up(&mut self, partitions: &[TopicPartition]) -> Result<(), DriverFailure> {
        for partition in partitions {
            if let Some(mut task) = self.tasks.remove(partition) {
                advance(&mut task, TaskEvent::Closed);
                tracing::info!(%partition, offset = %task.committed, "task closed");
            }
        }
        self.source.release(partitions).map_err(source_failed)?;
        self.publish(true);
        Ok(())
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
        if task.phase == TaskPhase::Running { self.work(&partition) } else { Ok(()) }
    }

    /// Tries the tasks whose wait is over.
    fn wake(&mut self) -> Result<(), DriverFailure> {
        let now = self.lane.clock.now();
        let due: Vec<TopicPartition> = self
            .tasks
            .values()
            .filter(|task| task.waiting.as_ref().is_some_and(|(at, _)| *at <= now))
            .map(|task| task.partition.clone())
            .collect();
        for partition in due {
            self.work(&partition)?;
        }
        Ok(())
    }

    /// Takes a task's runs as far as they go.
    fn work(&mut self, partition: &TopicPartition) -> Result<(), DriverFailure> {
        let Some(task) = self.tasks.get_mut(partition) else {
            return Ok(());
        };
        let now = self.lane.clock.now();
        self.last_work = Some(now);
        while let Some(run) = task.held.front_mut() {
            self.cycle.open(now);
            let before = run.at();
            let of = RunOf { port: task.port, slot: task.slot, poison: &task.poison };
            let outcome = self.lane.advance(of, run);
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
                Ok(RunOutcome::Wait { wait, code, reason }) => {
                    self.lane.observer.waiting(code);
                    let since =
                        task.waiting.take().map_or_else(SystemTime::now, |(_, waiting)| waiting.since);
                    task.waiting = Some((now + wait, Waiting { since, code, reason }));
                    if task.phase != TaskPhase::Waiting {
                        advance(task, TaskEvent::Waits);
                        self.source.pause(std::slice::from_ref(partition)).map_err(source_failed)?;
                    }
                    return Ok(());
                }
                Err(RunFailure::Stop(stop)) => {
                    // Nothing of the failed window was sent: what came before it can be kept.
                    self.commit()?;
                    return Err(stop.into());
                }
                Err(RunFailure::Send(failure)) => return self.send_failed(failure),
            }
        }
        if task.phase == TaskPhase::Waiting {
            task.waiting = None;
            advance(task, TaskEvent::Woken);
            self.source.resume(std::slice::from_ref(partition)).map_err(source_failed)?;
        }
        Ok(())
    }

    fn send_failed(&mut self, failure: SendFailure) -> Result<(), DriverFailure> {
        match failure {
            SendFailure::Refused(cause, token) => {
                self.poison(&[Refused { token, cause }]);
                self.abort()
            }
            SendFailure::Abort { refused, reason } => {
                tracing::debug!(reason, "the open cycle cannot be committed; its work is done again");
                self.poison(&refused);
                self.abort()
            }
            SendFailure::Full => self.abort(),
            SendFailure::Sink(failure) => Err(sink_failed(failure)),
        }
    }

    /// Commits what was dealt with, all of it or none.
    fn commit(&mut self) -> Result<(), DriverFailure> {
        if !self.cycle.is_open() {
            return Ok(());
        }
        let positions: Positions = self
            .tasks
            .values()
            .filter(|task| task.is_dirty())
            .map(|task| (task.partition.clone(), task.position))
            .collect();
        if positions.is_empty() {
            self.cycle.close();
            return Ok(());
        }
        let began = self.lane.clock.now();
        let Some(group) = self.source.group() else {
            tracing::warn!("no longer a member of the group; the cycle is dropped");
            return self.abort();
        };
        match self.lane.sink.commit(&positions, &group) {
            Ok(()) => {}
            Err(CommitFailure::Refused(refused)) => {
                self.poison(&refused);
                return self.abort();
            }
            Err(CommitFailure::Abort(reason)) => {
                tracing::warn!(reason, "the transaction was not committed; its work is done again");
                self.status.error(Code("transaction-aborted"), reason);
                return self.abort();
            }
            Err(CommitFailure::Sink(failure)) => return Err(sink_failed(failure)),
        }
        if self.settings.delivery == Delivery::AtLeastOnce {
            match self.source.commit(&positions) {
                Ok(()) => {}
                Err(SourceFailure::Outage(outage)) => {
                    tracing::warn!(error = %outage, "offsets were not committed; a crash now would repeat outputs");
                    self.status.error(outage.code, outage.message);
                    return Ok(());
                }
                Err(failure) => return Err(source_failed(failure)),
            }
        }
        for task in self.tasks.values_mut() {
            task.commit();
        }
        self.has_committed = true;
        self.cycle.close();
        self.lane.observer.commit(self.lane.clock.now().saturating_duration_since(began));
        Ok(())
    }

    /// Drops the open cycle and goes back to the last commit.
    fn abort(&mut self) -> Result<(), DriverFailure> {
        self.lane.observer.abort();
        self.lane.sink.abort().map_err(sink_failed)?;
        // Its memory may hold what was not committed.
        self.lane.guest.release();
        let mut back = Positions::new();
        let mut resume = Vec::new();
        for task in self.tasks.values_mut() {
            if task.phase == TaskPhase::Waiting {
                advance(task, TaskEvent::Woken);
                resume.push(task.partition.clone());
            }
            task.rewind();
            back.push((task.partition.clone(), task.committed));
        }
        self.cycle.close();
        self.source.seek(&back).map_err(source_failed)?;
        self.source.resume(&resume).map_err(source_failed)
    }

    /// Marks the sources of refused records, so that the next pass sets them aside.
    fn poison(&mut self, refused: &[Refused]) {
        for Refused { token, cause } in refused {
            let token = Token(*token);
            let offset: Offset = token.offset();
            tracing::debug!(%offset, code = %cause.code, letter = token.is_letter(), "the broker refused a record");
            let Some(task) = self.tasks.values_mut().find(|task| task.slot == token.slot()) else {
                continue;
            };
            if token.is_letter() {
                task.poison.omit_value(offset, cause.clone());
            } else if token.is_unknown_source() {
                task.poison.isolate_until(offset.next());
            } else {
                task.poison.add(offset, cause.clone());
            }
        }
    }

    fn publish(&mut self, now: bool) {
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
                waiting: task.waiting.as_ref().map(|(_, waiting)| waiting.clone()),
            })
            .collect();
        tasks.sort_by(|a, b| a.partition.cmp(&b.partition));
        self.status.tasks(tasks);
    }
}

fn advance<R>(task: &mut Task<R>, event: TaskEvent) {
    match task.phase.advance(event) {
        Ok(phase) => task.phase = phase,
        Err(error) => tracing::error!(partition = %task.partition, %error, "task phase"),
    }
}

/// A failure of any call but the poll, which alone finds that an offset is gone.
fn source_failed(failure: SourceFailure) -> DriverFailure {
    match failure {
        SourceFailure::Stop(stop) => stop.into(),
        SourceFailure::Outage(outage) => DriverFailure::Rebuild { code: outage.code, reason: outage.message },
        SourceFailure::Fatal(reason) => DriverFailure::Rebuild { code: Code("consumer-failed"), reason },
        SourceFailure::OffsetGone { .. } => {
            DriverFailure::Rebuild { code: Code("consumer-failed"), reason: failure.to_string() }
        }
    }
}

fn sink_failed(failure: SinkFailure) -> DriverFailure {
    match failure {
        SinkFailure::Stop(stop) => stop.into(),
        SinkFailure::Outage(outage) => DriverFailure::Rebuild { code: outage.code, reason: outage.message },
        SinkFailure::Fenced(reason) => DriverFailure::Rebuild { code: Code("producer-fenced"), reason },
        SinkFailure::Fatal(reason) => DriverFailure::Rebuild { code: Code("producer-failed"), reason },
    }
}
