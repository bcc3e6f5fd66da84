//! How far a partition is behind.

use crate::kafka::consumer::Consumer;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;

/// Records between what the client has given us and the last stable offset, plus those held.
///
/// The client's own position counts the control records at the end of transactions, ours does not:
/// so a partition that is read to its end has no lag although its last offset is a marker.
pub(in crate::source) fn lag(
    consumer: &Consumer,
    partition: &TopicPartition,
    next: Offset,
    held: usize,
) -> Option<u64> {
    let stable = consumer
        .statistics(|statistics| statistics.last_stable_offset(&partition.topic, partition.partition.0))
        .flatten()
        .map(Offset)
        .or_else(|| consumer.cached_end(partition))?;
    let position = consumer.position(partition).map_or(next, |position| position.max(next));
    let unread = u64::try_from(stable.0 - position.0).unwrap_or(0);
    Some(unread + held as u64)
}
