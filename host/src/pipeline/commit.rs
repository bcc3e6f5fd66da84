//! How a commit cycle ends.

use std::ops::ControlFlow;

use crate::model::fail_point::FailPoint;
use crate::model::failure::Code;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::pipeline_spec::Delivery;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::task_phase::TaskEvent;
use crate::model::task_phase::TaskPhase;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::driver::Driver;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::driver::sink_failed;
use crate::pipeline::driver::source_failed;
use crate::pipeline::ports::CommitFailure;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::Positions;
use crate::pipeline::ports::Refused;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceFailure;
use crate::pipeline::run::Lane;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::send;
use crate::pipeline::token::Origin;
use crate::pipeline::token::Token;

impl<S: Source, K: Sink<Group = S::Group>> Driver<S, K> {
    /// Commits what was dealt with, all of it or none.
    pub(super) fn commit(&mut self) -> Result<(), DriverFailure> {
        if !self.cycle.is_open() {
            return Ok(());
        }
        let positions = self.dirty_positions();
        if positions.is_empty() {
            self.cycle.close();
            return Ok(());
        }
        let began = self.lane.clock.now();
        let Some(group) = self.source.group() else {
            tracing::warn!("no longer a member of the group; the cycle is dropped");
            return self.abort();
        };
        match self.send_changes() {
            Ok(()) => {}
            Err(RunFailure::Send(failure)) => return self.send_failed(failure),
            Err(RunFailure::Stop(stop)) => return Err(stop.into()),
            Err(RunFailure::State(failure)) => return Err(internal(failure.to_string()).into()),
        }
        FailPoint::ChangesSent.reach();
        match self.lane.sink.commit(&positions, &group) {
            Ok(()) => FailPoint::TransactionCommitted.reach(),
            Err(CommitFailure::Refused(refused)) => {
                self.poison(&refused)?;
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
                    self.cycle.postpone(self.lane.clock.now());
                    return Ok(());
                }
                Err(failure) => return Err(source_failed(failure)),
            }
        }
        self.committed(&positions);
        FailPoint::StateCommitted.reach();
        self.lane.observer.commit(self.lane.clock.now().saturating_duration_since(began));
        Ok(())
    }

    /// Where each task is that has something to commit: progress of its own, or a state that has
    /// changed. The group's member is checked by these, so a changed state never goes without.
    fn dirty_positions(&self) -> Positions {
        let is_dirty = |partition: Partition| self.cohorts.get(&partition).is_some_and(Cohort::is_dirty);
        let tasks = self.tasks.values();
        let dirty = tasks.filter(|task| task.is_dirty() || is_dirty(task.partition.partition));
        dirty.map(|task| (task.partition.clone(), task.position)).collect()
    }

    /// Sends what has changed in the states of this cycle to their changelogs.
    fn send_changes(&mut self) -> Result<(), RunFailure> {
        let Lane { sink, state: Some(parts), observer, .. } = &mut self.lane else {
            return Ok(());
        };
        let (mut records, mut bytes) = (0, 0);
        for cohort in self.cohorts.values_mut().filter(|cohort| cohort.is_dirty()) {
            let (slot, partition) = (cohort.slot, cohort.partition);
            let Some(state) = cohort.settled() else { continue };
            sink.begin().map_err(SendFailure::Sink)?;
            let mut failure = None;
            state.changes(&mut |change| {
                let index = change.changelog;
                let changelog = parts.changelogs.get(index.0 as usize).and_then(Option::as_ref);
                let outcome = match changelog {
                    Some(changelog) => send(
                        sink,
                        &OutputRecord {
                            topic: changelog.topic,
                            partition,
                            key: Some(change.key),
                            value: change.value,
                            timestamp: None,
                            headers: &[],
                            token: Token::new(slot, Origin::Changelog(index)).0,
                        },
                    ),
                    None => {
                        Err(internal(format!("the state has no changelog of the index {}", index.0)).into())
                    }
                };
                records += 1;
                bytes += (change.key.len() + change.value.map_or(0, <[u8]>::len)) as u64;
                match outcome {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                }
            });
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
        if records > 0 {
            observer.changelog(records, bytes);
        }
        Ok(())
    }

    /// The transaction is committed: only now the states may count on it.
    fn committed(&mut self, positions: &Positions) {
        for cohort in self.cohorts.values_mut() {
            let number = cohort.partition;
            let of_cohort = positions.iter().filter(|(partition, _)| partition.partition == number);
            let offsets: Vec<(PortIndex, Offset)> = of_cohort
                .filter_map(|(partition, offset)| {
                    Some((self.settings.inputs.get(&partition.topic)?.port, *offset))
                })
                .collect();
            if let (Some(state), false) = (&mut cohort.state, offsets.is_empty()) {
                state.committed(&offsets);
            }
            cohort.committed();
        }
        for task in self.tasks.values_mut() {
            task.commit();
        }
        self.has_committed = true;
        self.cycle.close();
    }

    /// Drops the open cycle and goes back to the last commit.
    pub(super) fn abort(&mut self) -> Result<(), DriverFailure> {
        self.lane.observer.abort();
        self.lane.sink.abort().map_err(sink_failed)?;
        // Its memory may hold what was not committed.
        self.lane.guest.release();
        for cohort in self.cohorts.values_mut() {
            cohort.aborted();
        }
        let mut back = Positions::new();
        for task in self.tasks.values_mut() {
            if task.phase == TaskPhase::Waiting {
                task.advance(TaskEvent::Woken);
            }
            task.rewind();
            // The others were given no record yet.
            if task.phase == TaskPhase::Running {
                back.push((task.partition.clone(), task.committed));
            }
        }
        self.cycle.close();
        self.source.seek(&back).map_err(source_failed)?;
        for (partition, _) in back {
            self.resume(&partition)?;
        }
        Ok(())
    }

    pub(super) fn send_failed(&mut self, failure: SendFailure) -> Result<(), DriverFailure> {
        match failure {
            SendFailure::Refused(cause, token) => {
                self.poison(&[Refused { token, cause }])?;
                self.abort()
            }
            SendFailure::Abort { refused, reason } => {
                tracing::debug!(reason, "the open cycle cannot be committed; its work is done again");
                self.poison(&refused)?;
                self.abort()
            }
            SendFailure::Full => self.abort(),
            SendFailure::Sink(failure) => Err(sink_failed(failure)),
        }
    }

    /// Marks the sources of refused records, so that the next pass sets them aside.
    fn poison(&mut self, refused: &[Refused]) -> Result<(), Stop> {
        for Refused { token, cause } in refused {
            let token = Token(*token);
            let origin = token.origin();
            tracing::debug!(?origin, code = %cause.code, "the broker refused a record");
            let task = self.tasks.values_mut().find(|task| task.slot == token.slot());
            let cohort = self.cohorts.values_mut().find(|cohort| cohort.slot == token.slot());
            match (origin, task, cohort) {
                (Origin::Record(_) | Origin::Batch(_) | Origin::Letter(_), Some(task), _) => {
                    task.refused(origin, cause)?;
                }
                (Origin::Timer(place), _, Some(cohort)) => cohort.fired.add_poison(place, cause.clone()),
                (Origin::Timers(_), _, Some(cohort)) => cohort.fired.isolate(),
                (Origin::TimerLetter(_), _, Some(cohort)) => {
                    return Err(Stop::new(
                        "dead-letter-refused",
                        format!(
                            "the dead letter of a timer of partition {} is refused: {cause}",
                            cohort.partition
                        ),
                        "Correct the configuration of the dead-letter topic, then resume the pipeline",
                    ));
                }
                (Origin::Changelog(index), _, cohort) => {
                    let parts = self.lane.state.as_ref();
                    let changelog = parts.and_then(|parts| parts.changelogs.get(index.0 as usize)?.as_ref());
                    let name = changelog.map_or("", |changelog| &changelog.name);
                    let number = cohort.map_or_else(String::new, |cohort| format!("-{}", cohort.partition));
                    return Err(Stop::new(
                        "changelog-refused",
                        format!("a change of the state cannot be written to {name}{number}: {cause}"),
                        "Give the topic the settings that it was created with (`max.message.bytes` of 1 MiB or more), then resume the pipeline",
                    ));
                }
                // Of a partition that was given up meanwhile.
                _ => {}
            }
        }
        Ok(())
    }
}

fn internal(message: String) -> Stop {
    Stop::new(
        "internal-state",
        message,
        "This is a mistake in Wasmill: please report it with the pipeline file",
    )
}
