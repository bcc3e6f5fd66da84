//! Where a sent record came from, in the 64 bits that a client carries for it.

use crate::model::position::Offset;
use crate::model::state::TIMERS_PER_CALL_MAX;
use crate::pipeline::state_ports::ChangelogIndex;

/// Names the source of a sent record, so that a refusal by the broker finds it.
///
/// Bits 61 to 63: the kind. Bits 48 to 60: the slot of the task. Bits 0 to 47: what the kind needs,
/// an offset, or the number of a call of `on-timers` in the cycle and the timer's index in it, or a
/// changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub u64);

/// What a record was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The record at this offset.
    Record(Offset),
    /// Some record of a batch of which this is the last.
    Batch(Offset),
    /// The dead letter of the record at this offset.
    Letter(Offset),
    Timer(TimerPlace),
    /// Some timer of the call.
    Timers(TimerPlace),
    /// The dead letter of a timer.
    TimerLetter(TimerPlace),
    Changelog(ChangelogIndex),
}

/// A timer that fired in the open cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerPlace {
    /// Of the task's calls of `on-timers` in the cycle.
    pub call: u64,
    pub index: usize,
}

impl Token {
    const KIND_SHIFT: u32 = 61;
    const SLOT_SHIFT: u32 = 48;
    const REST: u64 = (1 << Self::SLOT_SHIFT) - 1;
    const INDEX_BITS: u32 = 10;
    const INDEX: u64 = (1 << Self::INDEX_BITS) - 1;
    /// Slots are below this.
    pub const SLOTS: u16 = 1 << (Self::KIND_SHIFT - Self::SLOT_SHIFT);

    #[inline]
    #[must_use]
    pub fn new(slot: u16, origin: Origin) -> Self {
        let offset = |offset: Offset| offset.0.cast_unsigned();
        let place = |at: TimerPlace| at.call << Self::INDEX_BITS | (at.index as u64 & Self::INDEX);
        let (kind, rest) = match origin {
            Origin::Record(at) => (0, offset(at)),
            Origin::Batch(last) => (1, offset(last)),
            Origin::Letter(at) => (2, offset(at)),
            Origin::Timer(at) => (3, place(at)),
            Origin::Timers(call) => (4, place(call)),
            Origin::TimerLetter(at) => (5, place(at)),
            Origin::Changelog(index) => (6, u64::from(index.0)),
        };
        let slot = u64::from(slot % Self::SLOTS) << Self::SLOT_SHIFT;
        Self(kind << Self::KIND_SHIFT | slot | rest & Self::REST)
    }

    #[must_use]
    pub fn slot(self) -> u16 {
        (self.0 >> Self::SLOT_SHIFT) as u16 % Self::SLOTS
    }

    #[must_use]
    pub fn origin(self) -> Origin {
        let rest = self.0 & Self::REST;
        let offset = Offset(rest.cast_signed());
        let place = TimerPlace { call: rest >> Self::INDEX_BITS, index: (rest & Self::INDEX) as usize };
        match self.0 >> Self::KIND_SHIFT {
            0 => Origin::Record(offset),
            1 => Origin::Batch(offset),
            2 => Origin::Letter(offset),
            3 => Origin::Timer(place),
            4 => Origin::Timers(place),
            5 => Origin::TimerLetter(place),
            _ => Origin::Changelog(ChangelogIndex(rest as u32)),
        }
    }
}

const _: () = assert!(TIMERS_PER_CALL_MAX <= 1 << Token::INDEX_BITS, "a timer's index fits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_slot_and_origin() {
        let offset = Offset(123_456_789_012);
        let place = TimerPlace { call: 98_765_432_101, index: TIMERS_PER_CALL_MAX - 1 };
        for origin in [
            Origin::Record(offset),
            Origin::Batch(offset),
            Origin::Letter(offset),
            Origin::Timer(place),
            Origin::Timers(place),
            Origin::TimerLetter(place),
            Origin::Changelog(ChangelogIndex(7)),
        ] {
            for slot in [0, Token::SLOTS - 1] {
                let token = Token::new(slot, origin);
                assert_eq!((token.slot(), token.origin()), (slot, origin));
            }
        }
    }
}
