//! The states of tasks: restored before they run, restored anew when they fail, given back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::model::status::RestoreProgress;
use crate::model::status::StateFigures;
use crate::model::status::Waiting;
use crate::model::task_phase::TaskEvent;
use crate::model::task_phase::TaskPhase;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::cohort::Readiness;
use crate::pipeline::cohort::Table;
use crate::pipeline::driver::Driver;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::driver::source_failed;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::Source;
use crate::pipeline::settings::InputRole;
use crate::pipeline::settings::InputSettings;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::StateSlot;
use crate::pipeline::task::Task;

impl<S: Source, K: Sink<Group = S::Group>> Driver<S, K> {
    /// Begins to restore the state of a partition number. Its tasks are paused meanwhile.
    pub(super) fn restore(&mut self, number: Partition) -> Result<(), DriverFailure> {
        let mut committed: Vec<(PortIndex, Offset)> = Vec::new();
        for task in self.tasks.values_mut().filter(|task| task.partition.partition == number) {
            committed.push((task.port, task.committed));
            if task.phase != TaskPhase::Restoring {
                task.advance(TaskEvent::Restores);
            }
        }
        committed.sort_unstable();
        if let (Some(cohort), Some(parts)) = (self.cohorts.get_mut(&number), &mut self.lane.state) {
            cohort.readiness = Readiness::Restoring;
            parts.keeper.open(number, &committed);
            tracing::info!(partition = %number, "restoring the state");
        }
        Ok(())
    }

    /// Takes in states that are restored, and begins again where that failed a while ago.
    pub(super) fn serve_restores(&mut self) -> Result<(), DriverFailure> {
        let is_restoring =
            |cohort: &Cohort| matches!(cohort.readiness, Readiness::Restoring | Readiness::RestoreDue(..));
        if !self.cohorts.values().any(is_restoring) {
            return Ok(());
        }
        let now = self.lane.clock.now();
        let is_due = |cohort: &&Cohort| matches!(cohort.readiness, Readiness::RestoreDue(at, _) if at <= now);
        let due: Vec<Partition> =
            self.cohorts.values().filter(is_due).map(|cohort| cohort.partition).collect();
        for number in due {
            self.restore(number)?;
        }
        let Some(parts) = &mut self.lane.state else {
            return Ok(());
        };
        for (number, outcome) in parts.keeper.restored() {
            match outcome {
                Ok(state) => self.ready(number, Some(state))?,
                Err(failure) => self.restore_later(number, storage_outage(failure)?)?,
            }
        }
        Ok(())
    }

    /// Starts the tasks of a partition number with their state.
    pub(super) fn ready(&mut self, number: Partition, state: StateSlot) -> Result<(), DriverFailure> {
        let now = self.lane.clock.now();
        let Some(cohort) = self.cohorts.get_mut(&number).filter(|cohort| !cohort.is_ready()) else {
            if let Some(parts) = &mut self.lane.state {
                parts.keeper.close(number, state);
            }
            return Ok(());
        };
        cohort.state = state;
        cohort.readiness = Readiness::Ready;
        cohort.since = SystemTime::now();
        cohort.restores = Backoff::for_outage();
        if let Some(state) = &cohort.state {
            cohort.time.restore(|port| state.event_clock(port), now);
        }
        let partitions = self.partitions_of(number);
        let mut tables = Vec::new();
        for partition in &partitions {
            let Some(task) = self.tasks.get_mut(partition) else { continue };
            task.advance(TaskEvent::Started);
            tracing::info!(%partition, offset = %task.position, "task started");
            if is_table(&self.settings.inputs, partition) {
                let end = self.source.bounds(partition).map_err(source_failed)?.end;
                if task.position < end {
                    tables.push(Table::new(partition.clone(), end));
                }
            }
        }
        if let Some(cohort) = self.cohorts.get_mut(&number) {
            cohort.tables = tables;
        }
        self.open_gates(number)?;
        self.publish(true);
        Ok(())
    }

    /// Lets the tasks be read that may be: all, or only tables while these are not read to their end.
    pub(super) fn open_gates(&mut self, number: Partition) -> Result<(), DriverFailure> {
        let is_filling = self.cohorts.get(&number).is_some_and(|cohort| !cohort.tables.is_empty());
        for partition in self.partitions_of(number) {
            if is_filling && !is_table(&self.settings.inputs, &partition) {
                continue;
            }
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.gated = false;
            }
            self.resume(&partition)?;
        }
        Ok(())
    }

    /// The state of a task failed: the cycle goes, and the task is restored while others go on.
    pub(super) fn state_failed(
        &mut self,
        number: Partition,
        failure: StateFailure,
    ) -> Result<(), DriverFailure> {
        let outage = storage_outage(failure)?;
        self.abort()?;
        if let Some(cohort) = self.cohorts.get_mut(&number)
            && let Some(state) = cohort.state.take()
            && let Some(parts) = &mut self.lane.state
        {
            parts.keeper.close(number, Some(state));
        }
        for partition in self.partitions_of(number) {
            if let Some(task) = self.tasks.get_mut(&partition) {
                task.gated = true;
                task.advance(TaskEvent::Restores);
            }
            self.pause(&partition)?;
        }
        self.restore_later(number, outage)
    }

    fn restore_later(&mut self, number: Partition, outage: Outage) -> Result<(), DriverFailure> {
        self.lane.observer.waiting(outage.code);
        self.status.error(outage.code, outage.message.clone());
        let now = self.lane.clock.now();
        if let Some(cohort) = self.cohorts.get_mut(&number) {
            if cohort.restores.attempts() == 0 {
                cohort.since = SystemTime::now();
            }
            let wait = cohort.restores.next_wait();
            tracing::warn!(partition = %number, error = %outage, wait_ms = wait.as_millis() as u64, "the state is restored anew");
            let waiting = Waiting { since: cohort.since, code: outage.code, reason: outage.message };
            cohort.readiness = Readiness::RestoreDue(now + wait, waiting);
        }
        self.publish(true);
        Ok(())
    }

    /// Gives a state back without its overlay, or ends its restore.
    pub(super) fn close_state(&mut self, mut cohort: Cohort) {
        cohort.aborted();
        if let Some(parts) = &mut self.lane.state
            && (cohort.state.is_some() || cohort.readiness == Readiness::Restoring)
        {
            parts.keeper.close(cohort.partition, cohort.state.take());
        }
        // Others may change the state before it comes back here.
        self.lane.take_back();
    }

    pub(super) fn close_cohorts(&mut self) {
        for (_, cohort) in std::mem::take(&mut self.cohorts) {
            self.close_state(cohort);
        }
    }

    /// What a task waits for, by itself or with its cohort.
    pub(super) fn waiting_of<R: RawRecords>(&self, task: &Task<R>) -> Option<Waiting> {
        if let Some((_, waiting)) = &task.waiting {
            return Some(waiting.clone());
        }
        let cohort = self.cohorts.get(&task.partition.partition)?;
        cohort.waiting(task.gated, || {
            self.missing_input(task.partition.partition).unwrap_or_default().to_owned()
        })
    }

    pub(super) fn restore_of<R: RawRecords>(&self, task: &Task<R>) -> Option<RestoreProgress> {
        let cohort = self.cohorts.get(&task.partition.partition)?;
        let parts = self.lane.state.as_ref()?;
        (cohort.readiness == Readiness::Restoring)
            .then(|| parts.keeper.progress(cohort.partition).unwrap_or_default())
    }
}

impl<S: Source, K: Sink<Group = S::Group>> Driver<S, K> {
    pub(super) fn state_of<R: RawRecords>(&self, task: &Task<R>) -> Option<StateFigures> {
        Some(self.cohorts.get(&task.partition.partition)?.state.as_ref()?.figures())
    }

    pub(super) fn event_watermark_of<R: RawRecords>(&self, task: &Task<R>) -> Option<i64> {
        self.cohorts.get(&task.partition.partition)?.time.event_watermark()
    }
}

fn is_table(inputs: &BTreeMap<Arc<str>, InputSettings>, partition: &TopicPartition) -> bool {
    inputs.get(&partition.topic).is_some_and(|input| input.role == InputRole::Table)
}

/// The outage behind a failure that passes by itself.
fn storage_outage(failure: StateFailure) -> Result<Outage, Stop> {
    match failure {
        StateFailure::Storage { partition, outage } => {
            Ok(Outage { message: format!("state of partition {partition}: {}", outage.message), ..outage })
        }
        StateFailure::Stop(stop) => Err(stop),
        other => Err(Stop::new(
            "internal-state",
            other.to_string(),
            "This is a mistake in Wasmill: please report it with the pipeline file",
        )),
    }
}
