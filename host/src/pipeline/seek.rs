//! Moves the committed positions of a pipeline that has no workers.
//!
//! Kafka takes offsets from outside only while a group has no members, so that a seek cannot overtake a
//! worker, whoever started it.

use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::pipeline_spec::Start;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::seek::Seek;
use crate::model::seek::SeekMove;
use crate::model::seek::SeekPartitions;
use crate::model::seek::is_there;
use crate::pipeline::ports::Positions;
use crate::pipeline::ports::Source;
use crate::pipeline::ports::SourceFailure;
use crate::pipeline::start::first_offset;

/// Why positions cannot be moved.
#[derive(Debug, thiserror::Error)]
pub enum SeekError {
    #[error(transparent)]
    Source(#[from] SourceFailure),
    /// Nothing was moved.
    #[error("refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
}

/// What reading records once more does, beside writing their outputs once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rereading {
    Harmless,
    /// The pipeline keeps state, which has these records already.
    CountsTwice,
}

/// What a seek would move. Changes nothing.
///
/// # Errors
/// See [`SeekError`].
pub fn plan<S: Source>(
    source: &mut S,
    topics: &[&str],
    seek: &Seek,
    rereading: Rereading,
) -> Result<Vec<SeekMove>, SeekError> {
    let mut moves = Vec::new();
    let mut refusals = Vec::new();
    let mut has_read = false;
    for topic in topics {
        let partitions = source.partitions(topic)?;
        let committed = source.committed(&partitions)?;
        has_read |= committed.iter().any(Option::is_some);
        refusals.extend(unknown_partitions(topic, partitions.len(), &seek.to));
        for (partition, from) in partitions.into_iter().zip(committed) {
            let Some(named) = named(&seek.to, &partition) else { continue };
            let bounds = source.bounds(&partition)?;
            let to = match named {
                Named::Offset(offset) => offset,
                Named::Place => first_offset(source, &partition, &seek.to)?,
            };
            if !is_there(to, &bounds) {
                refusals.push(out_of_bounds(&partition, to, &bounds));
                continue;
            }
            let seek_move = SeekMove { partition, from, to, bounds };
            if seek.partitions == SeekPartitions::Gone && !seek_move.was_gone() {
                continue;
            }
            if rereading == Rereading::CountsTwice && seek_move.rereads() {
                refusals.push(behind_state(&seek_move));
                continue;
            }
            moves.push(seek_move);
        }
    }
    if !has_read {
        refusals.push(nothing_committed());
    }
    if refusals.is_empty() { Ok(moves) } else { Err(SeekError::Refused(refusals)) }
}

/// Commits the moves. False when the group has members, and nothing was moved.
///
/// # Errors
/// See [`SourceFailure`].
pub fn commit<S: Source>(source: &mut S, moves: &[SeekMove]) -> Result<bool, SourceFailure> {
    let moved = moves.iter().filter(|seek_move| seek_move.from != Some(seek_move.to));
    let positions: Positions = moved.map(|seek_move| (seek_move.partition.clone(), seek_move.to)).collect();
    if positions.is_empty() { Ok(true) } else { source.commit_outside(&positions) }
}

enum Named {
    Offset(Offset),
    /// Where `to` says, which the cluster knows.
    Place,
}

/// What a seek says of a partition; none when it leaves it as it is.
fn named(to: &Start, partition: &TopicPartition) -> Option<Named> {
    match to {
        Start::Earliest | Start::Latest | Start::Timestamp(_) => Some(Named::Place),
        Start::Offsets(by_topic) => {
            let offset = by_topic.get(&*partition.topic)?.get(&partition.partition.0)?;
            Some(Named::Offset(Offset(*offset)))
        }
    }
}

fn unknown_partitions(topic: &str, count: usize, to: &Start) -> Vec<Refusal> {
    let Start::Offsets(by_topic) = to else { return Vec::new() };
    let named = by_topic.get(topic).into_iter().flat_map(|partitions| partitions.keys());
    let unknown = named.filter(|partition| usize::try_from(**partition).is_ok_and(|n| n >= count));
    let refused = unknown.map(|partition| Refusal {
        code: Code("partition-unknown"),
        field: format!("to.offsets.{topic}.{partition}"),
        message: "the topic has no such partition".to_owned(),
        found: format!("partition {partition}, of {count}"),
        expected: "a partition from 0 on, below their number".to_owned(),
        remedy: "Correct the partition, or leave it out.".to_owned(),
    });
    refused.collect()
}

fn out_of_bounds(partition: &TopicPartition, to: Offset, bounds: &std::ops::Range<Offset>) -> Refusal {
    let TopicPartition { topic, partition } = partition;
    Refusal {
        code: Code("offset-out-of-bounds"),
        field: format!("to.offsets.{topic}.{partition}"),
        message: "the partition has no such offset, so that the pipeline would stop there".to_owned(),
        found: to.to_string(),
        expected: format!("an offset from {} to {}", bounds.start, bounds.end),
        remedy: "Choose an offset within the partition, or `earliest` or `latest`.".to_owned(),
    }
}

fn behind_state(SeekMove { partition, from, to, bounds }: &SeekMove) -> Refusal {
    let from = from.unwrap_or(bounds.start);
    let TopicPartition { topic, partition } = partition;
    Refusal {
        code: Code("seek-behind-state"),
        field: format!("to.offsets.{topic}.{partition}"),
        message: "the pipeline keeps state, in which the records from there on would count twice".to_owned(),
        found: format!("{to}, before the committed offset {from}"),
        expected: format!("an offset from {from} to {}", bounds.end),
        remedy: "To start over, delete the pipeline, which deletes its state, and create it again; or create it under another name, and delete this one when that has caught up.".to_owned(),
    }
}

fn nothing_committed() -> Refusal {
    Refusal {
        code: Code("nothing-committed"),
        field: "to".to_owned(),
        message: "the pipeline has not read anything yet, so that there are no positions to move".to_owned(),
        found: "a group without committed offsets".to_owned(),
        expected: "a pipeline that has run".to_owned(),
        remedy: "Say in the pipeline's `start` where it begins.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use indexmap::IndexMap;

    use super::*;
    use crate::pipeline::fakes::Shared;
    use crate::pipeline::fakes::World;
    use crate::pipeline::fakes::partition;
    use crate::pipeline::fakes::source::FakeSource;

    /// Two partitions with the offsets 0 to 1000, of which these are committed.
    fn world(committed: &[(i32, i64)]) -> Shared {
        let committed = committed.iter().map(|(number, offset)| (partition(*number), Offset(*offset)));
        Rc::new(RefCell::new(World { committed_offsets: committed.collect(), ..World::default() }))
    }

    fn all(to: Start) -> Seek {
        Seek { to, partitions: SeekPartitions::All }
    }

    fn offsets(of: &[(&str, &[(i32, i64)])]) -> Seek {
        let by_topic = of.iter().map(|(topic, offsets)| {
            ((*topic).to_owned(), offsets.iter().copied().collect::<IndexMap<_, _>>())
        });
        all(Start::Offsets(by_topic.collect()))
    }

    fn planned(world: &Shared, seek: &Seek) -> Vec<(i32, Option<i64>, i64)> {
        let moves = plan(&mut FakeSource(world.clone()), &["in"], seek, Rereading::Harmless).expect("a plan");
        let shown = |one: &SeekMove| (one.partition.partition.0, one.from.map(|from| from.0), one.to.0);
        moves.iter().map(shown).collect()
    }

    fn refused(world: &Shared, seek: &Seek, rereading: Rereading) -> Vec<(&'static str, String)> {
        match plan(&mut FakeSource(world.clone()), &["in"], seek, rereading) {
            Err(SeekError::Refused(refusals)) => {
                refusals.into_iter().map(|refusal| (refusal.code.0, refusal.field)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_partition_moves_to_the_place_that_is_named() {
        let world = world(&[(0, 10)]);
        assert_eq!(planned(&world, &all(Start::Earliest)), [(0, Some(10), 0), (1, None, 0)]);
        assert_eq!(planned(&world, &all(Start::Latest)), [(0, Some(10), 1000), (1, None, 1000)]);
        assert_eq!(planned(&world, &all(Start::Timestamp(7))), [(0, Some(10), 7), (1, None, 7)]);
        assert_eq!(world.borrow().committed_offsets.len(), 1, "a plan changes nothing");
    }

    #[test]
    fn with_offsets_only_the_partitions_that_are_named_move() {
        let world = world(&[(0, 10), (1, 20)]);
        let seek = offsets(&[("in", &[(1, 5)])]);
        assert_eq!(planned(&world, &seek), [(1, Some(20), 5)]);
        let moves =
            plan(&mut FakeSource(world.clone()), &["in"], &seek, Rereading::Harmless).expect("a plan");
        assert!(commit(&mut FakeSource(world.clone()), &moves).expect("committed"));
        let committed: Vec<i64> = world.borrow().committed_offsets.values().map(|offset| offset.0).collect();
        assert_eq!(committed, [10, 5]);
    }

    #[test]
    fn a_gap_is_accepted_for_those_partitions_alone_whose_offset_is_gone() {
        let world = world(&[(0, 10), (1, 1001)]);
        let seek = Seek { to: Start::Earliest, partitions: SeekPartitions::Gone };
        assert_eq!(planned(&world, &seek), [(1, Some(1001), 0)]);
        world.borrow_mut().committed_offsets.insert(partition(1), Offset(1000));
        assert_eq!(planned(&world, &seek), [], "the end of a partition is not gone");
    }

    #[test]
    fn what_would_stop_the_pipeline_again_is_refused_all_at_once() {
        let world = world(&[(0, 10), (1, 20)]);
        let seek = offsets(&[("in", &[(0, 1001), (1, 1000), (2, 0)])]);
        let expected =
            [("partition-unknown", "to.offsets.in.2"), ("offset-out-of-bounds", "to.offsets.in.0")];
        assert_eq!(
            refused(&world, &seek, Rereading::Harmless),
            expected.map(|(code, field)| (code, field.to_owned()))
        );
    }

    #[test]
    fn a_pipeline_that_never_ran_has_no_positions() {
        let expected = [("nothing-committed", "to".to_owned())];
        assert_eq!(refused(&world(&[]), &all(Start::Latest), Rereading::Harmless), expected);
    }

    #[test]
    fn a_pipeline_with_state_moves_forward_only() {
        let twice = Rereading::CountsTwice;
        let world = world(&[(0, 10), (1, 20)]);
        let expected = [("seek-behind-state", "to.offsets.in.0".to_owned())];
        assert_eq!(refused(&world, &offsets(&[("in", &[(0, 9), (1, 20)])]), twice), expected);
        let forward = offsets(&[("in", &[(0, 10), (1, 21)])]);
        let moves = plan(&mut FakeSource(world.clone()), &["in"], &forward, twice).expect("a plan");
        assert_eq!(moves.len(), 2);
        // The topic was made anew: none of its records was read.
        world.borrow_mut().committed_offsets.insert(partition(1), Offset(1001));
        let gone = Seek { to: Start::Earliest, partitions: SeekPartitions::Gone };
        let moves = plan(&mut FakeSource(world.clone()), &["in"], &gone, twice).expect("a plan");
        assert_eq!(
            moves.iter().map(|one| (one.partition.partition.0, one.to.0)).collect::<Vec<_>>(),
            [(1, 0)]
        );
    }
}
