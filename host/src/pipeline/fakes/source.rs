//! Kafka in, from memory: scripted events first, then the logs of partitions.

use std::ops::Range;
use std::time::Duration;

use rand::Rng;

use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::pipeline::fakes::BatchSize;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::World;
use crate::pipeline::fakes::partition_of;
use crate::pipeline::fakes::records::Numbers;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::SourceFailure;

pub(crate) struct FakeSource(pub(crate) Shared);

impl World {
    /// The next run of a log, of the partitions in turn.
    fn next_run(&mut self) -> Option<Numbers> {
        let mut ready: Vec<TopicPartition> = self.assigned.keys().cloned().collect();
        ready.sort();
        ready.retain(|partition| !self.paused.contains(partition) && self.unread(partition) > 0);
        let index = self.polls % ready.len().max(1);
        let partition = ready.into_iter().nth(index)?;
        let unread = self.unread(&partition);
        let count = match &mut self.batch {
            BatchSize::Of(size) => *size,
            BatchSize::Random(random) => random.random_range(1..=40),
        };
        let position = self.assigned.get_mut(&partition)?;
        let start = position.0;
        let count = count.min(unread);
        position.0 += count as i64;
        let log = self.logs.get(&partition)?;
        let entries = log.get(start as usize..start as usize + count)?.to_vec();
        Some(Numbers::of(partition, start, entries))
    }

    fn unread(&self, partition: &TopicPartition) -> usize {
        let end = self.logs.get(partition).map_or(0, Vec::len);
        let position = self.assigned.get(partition).map_or(0, |position| position.0 as usize);
        end.saturating_sub(position)
    }
}

impl Source for FakeSource {
    type Records = Numbers;
    type Group = ();

    fn join(&mut self) -> Result<(), SourceFailure> {
        Ok(())
    }
    fn commit_outside(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<bool, SourceFailure> {
        self.0.borrow_mut().committed_offsets.extend(positions.iter().cloned());
        Ok(true)
    }
    fn poll(&mut self, wait: Duration) -> Result<SourceEvent<Numbers>, SourceFailure> {
        let mut world = self.0.borrow_mut();
        world.polls += 1;
        world.waits.push(wait);
        if let Some(event) = world.events.pop_front() {
            return Ok(event);
        }
        Ok(world.next_run().map_or(SourceEvent::Idle, SourceEvent::Records))
    }
    fn start(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        self.0.borrow_mut().assigned.extend(positions.iter().cloned());
        Ok(())
    }
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        let mut world = self.0.borrow_mut();
        for partition in partitions {
            world.assigned.remove(partition);
            world.paused.remove(partition);
        }
        world.released.extend_from_slice(partitions);
        Ok(())
    }
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, SourceFailure> {
        let world = self.0.borrow();
        Ok(partitions.iter().map(|p| world.committed_offsets.get(p).copied()).collect())
    }
    fn bounds(&mut self, partition: &TopicPartition) -> Result<Range<Offset>, SourceFailure> {
        let world = self.0.borrow();
        let end = world.logs.get(partition).map_or(1000, Vec::len);
        Ok(Offset(0)..Offset(end as i64 + world.markers + world.emptied))
    }
    fn offset_at(&mut self, _: &TopicPartition, timestamp_ms: i64) -> Result<Offset, SourceFailure> {
        Ok(Offset(timestamp_ms))
    }
    fn partitions(&mut self, topic: &str) -> Result<Vec<TopicPartition>, SourceFailure> {
        Ok(vec![partition_of(topic, 0), partition_of(topic, 1)])
    }
    fn has_records(&mut self, of: &TopicPartition, range: Range<Offset>) -> Result<bool, SourceFailure> {
        let mut world = self.0.borrow_mut();
        world.asked += 1;
        let end = world.logs.get(of).map_or(0, |log| log.len() as i64);
        Ok(range.start.0 < end.min(range.end.0))
    }
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        self.0.borrow_mut().paused.extend(partitions.iter().cloned());
        Ok(())
    }
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), SourceFailure> {
        let mut world = self.0.borrow_mut();
        for partition in partitions {
            world.paused.remove(partition);
        }
        Ok(())
    }
    fn seek(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        let mut world = self.0.borrow_mut();
        for (partition, offset) in positions {
            let assigned = world.assigned.get_mut(partition);
            *assigned.expect("only what is assigned can be sought") = *offset;
        }
        world.sought.extend_from_slice(positions);
        Ok(())
    }
    fn group(&mut self) -> Option<()> {
        self.0.borrow().owned.then_some(())
    }
    fn commit(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceFailure> {
        self.0.borrow_mut().committed_offsets.extend(positions.iter().cloned());
        Ok(())
    }
    fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        let world = self.0.borrow();
        world.logs.contains_key(partition).then(|| world.unread(partition) as u64)
    }
    fn read_up_to(&self, partition: &TopicPartition) -> Option<Offset> {
        let world = self.0.borrow();
        let position = world.assigned.get(partition)?;
        let markers = if world.unread(partition) == 0 { world.markers } else { 0 };
        Some(Offset(position.0 + markers))
    }
}
