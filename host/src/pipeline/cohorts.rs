//! What each turn does about keyed state, timers and tables.

use std::time::Duration;
use std::time::Instant;

use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::state::TimeDomain;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::cohort::Readiness;
use crate::pipeline::cohort::Table;
use crate::pipeline::driver::Driver;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::Source;
use crate::pipeline::run::RunOutcome;

/// How often restores that run, and tables that fill, are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl<S: Source, K: Sink<Group = S::Group>> Driver<S, K> {
    /// Fires timers, lets idle inputs go, and opens the streams behind tables that are full.
    pub(super) fn serve_cohorts(&mut self) -> Result<(), DriverFailure> {
        let ready = self.cohorts.values().filter(|cohort| cohort.is_ready());
        let numbers: Vec<Partition> = ready.map(|cohort| cohort.partition).collect();
        for number in numbers {
            self.fill_tables(number)?;
            self.mark_idle(number);
            for domain in [TimeDomain::Event, TimeDomain::Processing] {
                self.fire(number, domain)?;
            }
        }
        Ok(())
    }

    fn fill_tables(&mut self, number: Partition) -> Result<(), DriverFailure> {
        let Some(cohort) = self.cohorts.get_mut(&number).filter(|cohort| !cohort.tables.is_empty()) else {
            return Ok(());
        };
        let now = self.lane.clock.now();
        let (tasks, source) = (&self.tasks, &mut self.source);
        cohort.tables.retain_mut(|table| {
            let Some(task) = tasks.get(&table.partition) else { return false };
            // Streams wait for the commit: were it to fail, they would come before the table.
            if task.is_dirty() {
                return true;
            }
            if task.position >= table.end {
                return false;
            }
            if !task.held.is_empty() {
                return true;
            }
            let is_read = source.read_up_to(&table.partition).is_some_and(|read| read >= table.end);
            !is_read && (!table.is_stalled(task.position, now) || has_rest(source, table, task.position))
        });
        if !cohort.tables.is_empty() {
            return Ok(());
        }
        tracing::info!(partition = %number, "the tables are read to their ends; the streams begin");
        self.open_gates(number)?;
        self.publish(true);
        Ok(())
    }

    fn mark_idle(&mut self, number: Partition) {
        let now = self.lane.clock.now();
        let Some(cohort) = self.cohorts.get_mut(&number) else { return };
        let (tasks, source) = (&self.tasks, &self.source);
        let is_read = |port: PortIndex| {
            tasks.values().any(|task| {
                let is_it = task.port == port && task.partition.partition == number;
                is_it && !task.gated && task.held.is_empty() && source.lag(&task.partition) == Some(0)
            })
        };
        cohort.time.mark_idle(now, is_read);
    }

    fn fire(&mut self, number: Partition, domain: TimeDomain) -> Result<(), DriverFailure> {
        let now = self.lane.clock.now();
        let due = self.cohorts.get(&number).and_then(|cohort| self.timers_due_in(cohort, domain, now));
        if due != Some(Duration::ZERO) {
            return Ok(());
        }
        let turn = self.turn_for(number, now);
        let Some(cohort) = self.cohorts.get_mut(&number) else {
            return Ok(());
        };
        self.cycle.open(now);
        self.last_work = Some(now);
        match self.lane.fire(cohort, domain, turn) {
            Ok(RunOutcome::Done | RunOutcome::Yield) => Ok(()),
            Ok(RunOutcome::Wait(wait)) => {
                self.lane.observer.waiting(wait.code);
                Ok(())
            }
            Err(failure) => self.failed(number, failure),
        }
    }

    /// Time left until timers of a domain are to be fired; none if that is not known.
    fn timers_due_in(&self, cohort: &Cohort, domain: TimeDomain, now: Instant) -> Option<Duration> {
        if !self.lane.has_timers(domain) {
            return None;
        }
        let due = cohort.next_due(domain)?;
        let (left, firing) = match domain {
            // Watermarks move with records and idle inputs, which have waits of their own.
            TimeDomain::Event if cohort.time.event_watermark() < Some(due) => return None,
            TimeDomain::Event => (Duration::ZERO, &cohort.event_timers),
            TimeDomain::Processing => {
                let left = due.saturating_sub(self.lane.clock.unix_ms()).max(0);
                (Duration::from_millis(left.cast_unsigned()), &cohort.processing_timers)
            }
        };
        let waits = firing.waiting().map(|(at, _)| at.saturating_duration_since(now));
        Some(left.max(waits.unwrap_or_default()))
    }

    /// Time left until something is to be done about a cohort.
    pub(super) fn cohorts_due_in(&self, now: Instant) -> Option<Duration> {
        let due = |cohort: &Cohort| match &cohort.readiness {
            Readiness::Incomplete => None,
            Readiness::Restoring => Some(LOOK_EVERY),
            Readiness::RestoreDue(at, _) => Some(at.saturating_duration_since(now)),
            Readiness::Ready => {
                let tables = (!cohort.tables.is_empty()).then_some(LOOK_EVERY);
                let timers = [TimeDomain::Event, TimeDomain::Processing];
                let timers = timers.map(|domain| self.timers_due_in(cohort, domain, now));
                timers.into_iter().chain([tables, cohort.time.idle_in(now)]).flatten().min()
            }
        };
        self.cohorts.values().filter_map(due).min()
    }

    /// Whether the cycle has to be committed early.
    pub(super) fn is_overlay_full(&self) -> bool {
        let Some(parts) = &self.lane.state else {
            return false;
        };
        let bytes: u64 = self.cohorts.values().map(Cohort::overlay_bytes).sum();
        bytes > 0 && bytes >= parts.overlay_bytes_max
    }

    /// Housekeeping of the states between cycles. What a sweep changes is a cycle's work.
    pub(super) fn tick(&mut self) -> Result<(), DriverFailure> {
        if self.cycle.is_open() {
            return Ok(());
        }
        let mut failed = Vec::new();
        for cohort in self.cohorts.values_mut() {
            let Some(state) = &mut cohort.state else { continue };
            match state.tick() {
                Ok(()) if state.overlay_bytes() > 0 => self.cycle.open(self.lane.clock.now()),
                Ok(()) => {}
                Err(failure) => failed.push((cohort.partition, failure)),
            }
        }
        for (number, failure) in failed {
            self.state_failed(number, failure)?;
        }
        Ok(())
    }
}

/// Whether a table has records before its end that are still to be read. It has until the brokers say
/// otherwise.
fn has_rest<S: Source>(source: &mut S, table: &Table, position: Offset) -> bool {
    match source.has_records(&table.partition, position..table.end) {
        Ok(has_records) => has_records,
        Err(error) => {
            tracing::warn!(partition = %table.partition, %error, "whether the table is read is not known yet");
            true
        }
    }
}
