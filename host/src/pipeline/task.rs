//! One pipeline on one input partition.

use std::collections::VecDeque;
use std::time::Instant;

use crate::model::failure::BadRecord;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::model::status::Waiting;
use crate::model::task_phase::TaskPhase;
use crate::pipeline::poison::PoisonList;
use crate::pipeline::run::HeldRun;

/// What a worker knows of a partition it owns.
#[derive(Debug)]
pub struct Task<R> {
    pub partition: TopicPartition,
    pub port: PortIndex,
    /// Names the task in [`Token`]s.
    pub slot: u16,
    pub phase: TaskPhase,
    /// Where the last commit left it.
    pub committed: Offset,
    /// After the last record dealt with; what the next commit writes.
    pub position: Offset,
    /// Timestamp of the last record dealt with, milliseconds.
    pub last_timestamp: Option<i64>,
    pub poison: PoisonList,
    /// Runs that wait for a schema, a registry or a retry, in order.
    pub held: VecDeque<HeldRun<R>>,
    /// When to try the first held run again, and why it waits.
    pub waiting: Option<(Instant, Waiting)>,
}

impl<R: RawRecords> Task<R> {
    #[must_use]
    pub fn new(partition: TopicPartition, port: PortIndex, slot: u16, start: Offset) -> Self {
        Self {
            partition,
            port,
            slot,
            phase: TaskPhase::Created,
            committed: start,
            position: start,
            last_timestamp: None,
            poison: PoisonList::default(),
            held: VecDeque::new(),
            waiting: None,
        }
    }

    /// Whether there is progress that no commit has written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.position != self.committed
    }

    /// The open cycle was committed.
    pub fn commit(&mut self) {
        self.committed = self.position;
        self.poison.committed(self.committed);
    }

    /// The broker refused a record of this task: the next pass sets its source aside.
    ///
    /// # Errors
    /// It was a dead letter, which was refused before: what is left of it would be refused for ever.
    pub fn refused(&mut self, token: Token, cause: &BadRecord) -> Result<(), Stop> {
        let offset = token.offset();
        if token.is_unknown_source() {
            self.poison.isolate_until(offset.next());
        } else if !token.is_letter() {
            self.poison.add(offset, cause.clone());
        } else if !self.poison.omit_value(offset) {
            return Err(Stop::new(
                "dead-letter-refused",
                format!(
                    "the broker refuses the dead letter of the record at offset {offset} of {}, without its value too: {cause}",
                    self.partition
                ),
                "Let the dead-letter topic take it (`max.message.bytes`, `message.timestamp.after.max.ms`) or name another topic, then resume",
            ));
        }
        Ok(())
    }

    /// The open cycle was aborted: back to the last commit.
    pub fn rewind(&mut self) {
        self.position = self.committed;
        self.held.clear();
        self.waiting = None;
    }
}

/// Names the source of an output, so that a refusal by the broker finds its record.
///
/// Bit 63: the source is unknown, the offset is the last of the batch. Bit 62: the output is a dead
/// letter. Bits 48 to 61: the task's slot. Bits 0 to 47: the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub u64);

impl Token {
    const OFFSET_BITS: u32 = 48;
    const LETTER: u64 = 1 << 62;
    const UNKNOWN: u64 = 1 << 63;
    /// Slots are below this.
    pub const SLOTS: u16 = 1 << 14;

    fn pack(slot: u16, offset: Offset) -> u64 {
        let mask = (1_u64 << Self::OFFSET_BITS) - 1;
        (u64::from(slot % Self::SLOTS) << Self::OFFSET_BITS) | (offset.0.cast_unsigned() & mask)
    }

    #[must_use]
    pub fn output(slot: u16, offset: Offset) -> Self {
        Self(Self::pack(slot, offset))
    }

    #[must_use]
    pub fn unknown_source(slot: u16, last: Offset) -> Self {
        Self(Self::pack(slot, last) | Self::UNKNOWN)
    }

    #[must_use]
    pub fn letter(slot: u16, offset: Offset) -> Self {
        Self(Self::pack(slot, offset) | Self::LETTER)
    }

    #[must_use]
    pub fn is_letter(self) -> bool {
        self.0 & Self::LETTER != 0
    }

    #[must_use]
    pub fn is_unknown_source(self) -> bool {
        self.0 & Self::UNKNOWN != 0
    }

    #[must_use]
    pub fn slot(self) -> u16 {
        ((self.0 >> Self::OFFSET_BITS) as u16) % Self::SLOTS
    }

    #[must_use]
    pub fn offset(self) -> Offset {
        Offset((self.0 & ((1 << Self::OFFSET_BITS) - 1)).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_slot_offset_and_kind() {
        let offset = Offset(123_456_789_012);
        for (token, letter, unknown) in [
            (Token::output(16_383, offset), false, false),
            (Token::letter(16_383, offset), true, false),
            (Token::unknown_source(16_383, offset), false, true),
        ] {
            assert_eq!((token.slot(), token.offset()), (16_383, offset));
            assert_eq!((token.is_letter(), token.is_unknown_source()), (letter, unknown));
        }
    }
}
