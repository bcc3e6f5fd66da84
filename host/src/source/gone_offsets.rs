//! Partitions whose next record is gone, until the cluster has said where they start now.

use std::time::Duration;
use std::time::Instant;

use crate::model::position::Offset;
use crate::model::position::TopicPartition;

/// Time between two questions about one partition, as each may wait for a leader that is away.
const ASK_INTERVAL: Duration = Duration::from_secs(5);

/// The client reports such a partition once, and fetches nothing of it any more.
#[derive(Debug, Default)]
pub(in crate::source) struct GoneOffsets {
    gone: Vec<Gone>,
}

#[derive(Debug)]
struct Gone {
    partition: TopicPartition,
    offset: Offset,
    due: Instant,
}

impl GoneOffsets {
    pub(in crate::source) fn report(&mut self, partition: TopicPartition, offset: Offset, now: Instant) {
        self.gone.retain(|gone| gone.partition != partition);
        self.gone.push(Gone { partition, offset, due: now });
    }

    /// One to ask about now. `position` says where a partition is to go on: one that was moved since, or
    /// given up, is forgotten.
    pub(in crate::source) fn due(
        &mut self,
        now: Instant,
        position: impl Fn(&TopicPartition) -> Option<Offset>,
    ) -> Option<(TopicPartition, Offset)> {
        self.gone.retain(|gone| position(&gone.partition) == Some(gone.offset));
        let gone = self.gone.iter_mut().find(|gone| gone.due <= now)?;
        gone.due = now + ASK_INTERVAL;
        Some((gone.partition.clone(), gone.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Partition;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: Partition(number) }
    }

    #[test]
    fn a_partition_is_asked_about_until_it_goes_on_elsewhere() {
        let mut gone = GoneOffsets::default();
        let now = Instant::now();
        let stands = |_: &TopicPartition| Some(Offset(7));
        assert_eq!(gone.due(now, stands), None);
        gone.report(partition(0), Offset(7), now);
        assert_eq!(gone.due(now, stands), Some((partition(0), Offset(7))));
        // The question failed: it is asked once more, though not at once.
        assert_eq!(gone.due(now, stands), None);
        assert_eq!(gone.due(now + ASK_INTERVAL, stands), Some((partition(0), Offset(7))));
        let moved = |_: &TopicPartition| Some(Offset(9));
        assert_eq!(gone.due(now + 2 * ASK_INTERVAL, moved), None);
        assert_eq!(gone.due(now + 3 * ASK_INTERVAL, stands), None, "it was forgotten");
    }

    #[test]
    fn several_are_asked_about_in_turn_and_one_given_up_no_more() {
        let mut gone = GoneOffsets::default();
        let now = Instant::now();
        for number in [0, 1, 1] {
            gone.report(partition(number), Offset(7), now);
        }
        let first_alone = |of: &TopicPartition| (of.partition.0 == 1).then_some(Offset(7));
        assert_eq!(gone.due(now, first_alone), Some((partition(1), Offset(7))));
        assert_eq!(gone.due(now, first_alone), None);
    }
}
