//! Partitions come and go.

use std::collections::BTreeSet;

use crate::model::fail_point::FailPoint;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::task_phase::TaskEvent;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::driver::Driver;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::driver::source_failed;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::Source;
use crate::pipeline::start;
use crate::pipeline::task::Task;
use crate::pipeline::token::Token;

impl<S: Source, K: Sink<Group = S::Group>> Driver<S, K> {
    pub(super) fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), DriverFailure> {
        self.lane.observer.rebalance();
        let positions = start::resolve(&mut self.source, partitions).map_err(source_failed)?;
        self.source.start(&positions).map_err(source_failed)?;
        let mut numbers = BTreeSet::new();
        for (partition, offset) in positions {
            let Some(input) = self.settings.inputs.get(&partition.topic) else {
                continue;
            };
            let port = input.port;
            let slot = self.free_slot();
            let mut task = Task::new(partition.clone(), port, slot, offset);
            if self.has_cohorts() {
                task.gated = true;
                numbers.insert(partition.partition);
            } else {
                task.advance(TaskEvent::Started);
                tracing::info!(%partition, %offset, "task started");
            }
            self.tasks.insert(partition.clone(), task);
            if self.has_cohorts() {
                self.pause(&partition)?;
            }
        }
        for number in numbers {
            self.gather(number)?;
        }
        self.publish(true);
        Ok(())
    }

    pub(super) fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<(), DriverFailure> {
        self.lane.observer.rebalance();
        FailPoint::Revoked.reach();
        self.commit()?;
        self.give_up(partitions)
    }

    /// Another member may have these partitions already, so nothing read of them may be committed;
    /// and since all tasks share the transaction, it goes as a whole.
    pub(super) fn lost(&mut self, partitions: &[TopicPartition]) -> Result<(), DriverFailure> {
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
                task.advance(TaskEvent::Closed);
                tracing::info!(%partition, offset = %task.committed, "task closed");
            }
        }
        self.source.release(partitions).map_err(source_failed)?;
        let numbers: BTreeSet<Partition> = partitions.iter().map(|partition| partition.partition).collect();
        for number in numbers {
            self.part(number)?;
        }
        self.publish(true);
        Ok(())
    }

    /// Whether the tasks of one partition number have anything in common.
    pub(super) fn has_cohorts(&self) -> bool {
        self.lane.state.is_some() || Cohort::is_needed(&self.settings)
    }

    /// Starts the tasks of a partition number once every input is there.
    fn gather(&mut self, number: Partition) -> Result<(), DriverFailure> {
        if !self.cohorts.contains_key(&number) {
            let (slot, now) = (self.free_slot(), self.lane.clock.now());
            let cohort = Cohort::new(number, slot, &self.settings, &self.lane.retry, now);
            self.cohorts.insert(number, cohort);
        }
        if let Some(topic) = self.missing_input(number) {
            tracing::info!(partition = %number, missing = topic, "waiting for the partition of every input");
            return Ok(());
        }
        if self.lane.state.is_some() { self.restore(number) } else { self.ready(number, None) }
    }

    /// An input of which this partition is not assigned.
    pub(super) fn missing_input(&self, number: Partition) -> Option<&str> {
        let is_here =
            |topic: &str| self.tasks.keys().any(|known| known.partition == number && *known.topic == *topic);
        self.settings.inputs.keys().map(|topic| &**topic).find(|topic| !is_here(topic))
    }

    /// Gives up what the tasks of a partition number have in common, after one of them was.
    fn part(&mut self, number: Partition) -> Result<(), DriverFailure> {
        let Some(cohort) = self.cohorts.remove(&number) else {
            return Ok(());
        };
        self.close_state(cohort);
        let left = self.partitions_of(number);
        for partition in &left {
            if let Some(task) = self.tasks.get_mut(partition) {
                task.rewind();
                task.gated = true;
                task.advance(TaskEvent::Parts);
            }
            self.pause(partition)?;
        }
        if left.is_empty() {
            return Ok(());
        }
        // What was handed out of them since the last commit is read again.
        let positions: Vec<_> = left
            .iter()
            .filter_map(|partition| Some((partition.clone(), self.tasks.get(partition)?.committed)))
            .collect();
        self.source.seek(&positions).map_err(source_failed)?;
        self.gather(number)
    }

    pub(super) fn partitions_of(&self, number: Partition) -> Vec<TopicPartition> {
        self.tasks.keys().filter(|partition| partition.partition == number).cloned().collect()
    }

    /// A name for tokens that no task and no cohort has.
    fn free_slot(&mut self) -> u16 {
        for _ in 0..Token::SLOTS {
            let slot = self.next_slot;
            self.next_slot = (slot + 1) % Token::SLOTS;
            let is_taken = self.tasks.values().any(|task| task.slot == slot)
                || self.cohorts.values().any(|cohort| cohort.slot == slot);
            if !is_taken {
                return slot;
            }
        }
        // More partitions than slots: a refusal may then isolate another record's batch for nothing.
        self.next_slot
    }
}
