//! The partitions of one consumer, with our own account of where each stands.

use std::collections::VecDeque;

use crate::kafka::messages::Messages;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;

#[derive(Debug)]
struct Owned {
    topic_partition: TopicPartition,
    /// The next offset to take from the client: after what is held.
    next: Offset,
    paused: bool,
}

/// Assigned partitions, and runs that came in but were not handed out yet.
#[derive(Debug, Default)]
pub(in crate::source) struct Partitions {
    owned: Vec<Owned>,
    held: VecDeque<Messages>,
}

impl Partitions {
    fn find(&mut self, partition: &TopicPartition) -> Option<&mut Owned> {
        self.owned.iter_mut().find(|owned| owned.topic_partition == *partition)
    }

    pub(in crate::source) fn add(&mut self, positions: &[(TopicPartition, Offset)]) {
        for (partition, offset) in positions {
            self.owned.retain(|owned| owned.topic_partition != *partition);
            self.owned.push(Owned { topic_partition: partition.clone(), next: *offset, paused: false });
        }
    }

    pub(in crate::source) fn remove(&mut self, partitions: &[TopicPartition]) {
        self.owned.retain(|owned| !partitions.contains(&owned.topic_partition));
        self.held.retain(|run| !partitions.contains(run.topic_partition()));
    }

    /// Where the client is to go on.
    pub(in crate::source) fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.owned.iter().map(|owned| (owned.topic_partition.clone(), owned.next)).collect()
    }

    pub(in crate::source) fn next(&self, partition: &TopicPartition) -> Option<Offset> {
        self.owned.iter().find(|owned| owned.topic_partition == *partition).map(|owned| owned.next)
    }

    pub(in crate::source) fn paused(&self) -> Vec<TopicPartition> {
        self.owned.iter().filter(|owned| owned.paused).map(|owned| owned.topic_partition.clone()).collect()
    }

    pub(in crate::source) fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) {
        for owned in &mut self.owned {
            if partitions.contains(&owned.topic_partition) {
                owned.paused = paused;
            }
        }
    }

    /// Moves partitions and forgets what is held of them.
    pub(in crate::source) fn seek(&mut self, positions: &[(TopicPartition, Offset)]) {
        for (partition, offset) in positions {
            self.held.retain(|run| run.topic_partition() != partition);
            if let Some(owned) = self.find(partition) {
                owned.next = *offset;
            }
        }
    }

    /// Takes a run in. Records of a partition that is not ours go, and so do records that came
    /// before: a pause while a batch is being taken makes the client fetch a part of it again.
    pub(in crate::source) fn hold(&mut self, mut run: Messages, rows_max: usize, bytes_max: u64) {
        let Some(owned) = self.owned.iter_mut().find(|owned| owned.topic_partition == *run.topic_partition())
        else {
            return;
        };
        run.skip_before(owned.next);
        let Some(next) = run.next_offset() else { return };
        owned.next = next;
        let earlier = self.held.iter_mut().rev().find(|held| held.topic_partition() == run.topic_partition());
        let rest = match earlier {
            Some(held) => held.absorb(run, rows_max, bytes_max),
            None => Some(run),
        };
        self.held.extend(rest);
    }

    /// The oldest run of a partition that is not paused.
    pub(in crate::source) fn take(&mut self) -> Option<Messages> {
        let paused = |run: &Messages| {
            self.owned.iter().any(|owned| owned.paused && owned.topic_partition == *run.topic_partition())
        };
        let index = self.held.iter().position(|run| !paused(run))?;
        self.held.remove(index)
    }

    /// Records of a partition that are held.
    pub(in crate::source) fn held(&self, partition: &TopicPartition) -> usize {
        self.held.iter().filter(|run| run.topic_partition() == partition).map(RawRecords::len).sum()
    }

    /// Bytes of everything that is held.
    pub(in crate::source) fn held_bytes(&self) -> u64 {
        self.held.iter().map(Messages::bytes).sum()
    }
}
