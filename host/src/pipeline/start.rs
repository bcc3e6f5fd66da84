//! Where a partition starts.
//!
//! `start` holds for the partitions that a topic has when the group first comes to be. It is pinned
//! before the first member joins: Kafka takes a commit from outside only while a group has no
//! members, so of several hosts that start together none can overwrite another's progress. A
//! partition without a committed offset that turns up later is new, and is read from its beginning.
//!
//! A table is read from its beginning, wherever the streams start: what comes before is in it. Only
//! offsets that name it count for it.

use crate::model::pipeline_spec::Start;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::pipeline::ports::Positions;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceFailure;
use crate::pipeline::settings::InputRole;

/// Commits the start of every partition that has no committed offset. To be called before
/// [`Source::join`]. Does nothing when the group has members already.
///
/// # Errors
/// See [`SourceFailure`].
pub fn pin<S: Source>(
    source: &mut S,
    topics: &[(&str, InputRole)],
    start: &Start,
) -> Result<(), SourceFailure> {
    let mut fresh = Positions::new();
    for (topic, role) in topics {
        let start = match (role, start) {
            (InputRole::Table, Start::Latest | Start::Timestamp(_)) => &Start::Earliest,
            (InputRole::Table | InputRole::Stream, start) => start,
        };
        let partitions = source.partitions(topic)?;
        let committed = source.committed(&partitions)?;
        // A group that has read some of the topic has had its start pinned before.
        if committed.iter().any(Option::is_some) {
            continue;
        }
        for partition in partitions {
            let offset = first_offset(source, &partition, start)?;
            fresh.push((partition, offset));
        }
    }
    if !fresh.is_empty() && !source.commit_outside(&fresh)? {
        tracing::debug!("the group has members already; its start is theirs");
    }
    Ok(())
}

/// The position of each newly assigned partition.
///
/// # Errors
/// See [`SourceFailure`].
pub fn resolve<S: Source>(source: &mut S, partitions: &[TopicPartition]) -> Result<Positions, SourceFailure> {
    let committed = source.committed(partitions)?;
    let mut positions = Positions::with_capacity(partitions.len());
    for (partition, committed) in partitions.iter().zip(committed) {
        let offset = match committed {
            Some(offset) => offset,
            None => {
                let offset = source.bounds(partition)?.start;
                tracing::info!(%partition, %offset, "a new partition is read from its beginning");
                offset
            }
        };
        positions.push((partition.clone(), offset));
    }
    Ok(positions)
}

pub(in crate::pipeline) fn first_offset<S: Source>(
    source: &mut S,
    partition: &TopicPartition,
    start: &Start,
) -> Result<Offset, SourceFailure> {
    let bounds = source.bounds(partition)?;
    Ok(match start {
        Start::Earliest => bounds.start,
        Start::Latest => bounds.end,
        Start::Timestamp(ms) => source.offset_at(partition, *ms)?,
        Start::Offsets(by_topic) => by_topic
            .get(&*partition.topic)
            .and_then(|by_partition| by_partition.get(&partition.partition.0))
            .map_or(bounds.start, |offset| Offset(*offset)),
    })
}
