//! What the log says of things that come in floods: records dropped by policy, waits for what is away.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use crate::model::failure::Code;

/// How often the log tells of one code.
pub const NOTICE_EVERY: Duration = Duration::from_secs(10);

/// Counts by code, and says when it is time to tell: the first of a code at once, the others summed up,
/// so that a flood of them is no flood of the log.
#[derive(Debug, Default)]
pub struct Notices {
    // Codes are names in the program, so that there are few.
    by_code: BTreeMap<&'static str, Notice>,
}

#[derive(Debug, Default)]
struct Notice {
    untold: u64,
    told_at: Option<Instant>,
}

impl Notices {
    pub fn add(&mut self, code: Code, count: u64) {
        self.by_code.entry(code.0).or_default().untold += count;
    }

    /// What to tell now: codes, and how many since that code was last told of.
    pub fn due(&mut self, now: Instant) -> Vec<(Code, u64)> {
        let is_due = |notice: &Notice| {
            notice.told_at.is_none_or(|told_at| now.saturating_duration_since(told_at) >= NOTICE_EVERY)
        };
        self.take(is_due, Some(now))
    }

    /// What was not told yet.
    pub fn rest(&mut self) -> Vec<(Code, u64)> {
        self.take(|_| true, None)
    }

    fn take(&mut self, is_due: impl Fn(&Notice) -> bool, now: Option<Instant>) -> Vec<(Code, u64)> {
        let mut told = Vec::new();
        for (code, notice) in &mut self.by_code {
            if notice.untold > 0 && is_due(notice) {
                told.push((Code(code), std::mem::take(&mut notice.untold)));
                notice.told_at = now;
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAP: Code = Code("guest-trap");
    const MAGIC: Code = Code("wire-magic");

    #[test]
    fn the_first_of_a_code_is_told_at_once_and_the_others_together() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.add(TRAP, 2);
        assert_eq!(notices.due(start), [(TRAP, 2)]);
        notices.add(TRAP, 1);
        notices.add(MAGIC, 5);
        notices.add(TRAP, 1);
        assert_eq!(notices.due(start), [(MAGIC, 5)], "another code does not wait");
        assert_eq!(notices.due(start + NOTICE_EVERY), [(TRAP, 2)]);
        assert_eq!(notices.due(start + NOTICE_EVERY * 9), [], "nothing new, nothing told");
    }

    #[test]
    fn what_was_not_told_is_left_for_the_end() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        notices.add(TRAP, 1);
        let _ = notices.due(start);
        notices.add(TRAP, 7);
        assert_eq!(notices.due(start), []);
        assert_eq!(notices.rest(), [(TRAP, 7)]);
        assert_eq!(notices.rest(), []);
    }
}
