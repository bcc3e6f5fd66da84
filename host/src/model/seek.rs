//! Positions of a pipeline that are moved by hand.

use std::ops::Range;

use crate::model::pipeline_spec::Start;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;

/// Where a pipeline that rests is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seek {
    /// With offsets, only the partitions that are named move.
    pub to: Start,
    pub partitions: SeekPartitions,
}

/// Which partitions a seek moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SeekPartitions {
    #[default]
    All,
    /// Those whose committed offset is gone: the records were deleted before they were read.
    Gone,
}

/// A partition that a seek moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeekMove {
    pub partition: TopicPartition,
    /// The committed offset before; none where nothing was committed.
    pub from: Option<Offset>,
    pub to: Offset,
    /// First offset still there, and the offset after the last.
    pub bounds: Range<Offset>,
}

/// Whether a pipeline can go on at an offset of a partition with these bounds.
#[must_use]
pub fn is_there(offset: Offset, bounds: &Range<Offset>) -> bool {
    // The end itself is where the next record will be.
    bounds.start <= offset && offset <= bounds.end
}

impl SeekMove {
    /// Whether records would be read that the pipeline has read. None of a topic that was made anew are.
    #[must_use]
    pub fn rereads(&self) -> bool {
        self.from.is_some_and(|from| self.to < from && from <= self.bounds.end)
    }

    /// Whether the pipeline could not have gone on where it was.
    #[must_use]
    pub fn was_gone(&self) -> bool {
        self.from.is_some_and(|from| !is_there(from, &self.bounds))
    }
}
