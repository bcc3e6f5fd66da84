//! What state is scoped to: the key of the record at hand.

use std::cell::Cell;
use std::cell::Ref;
use std::cell::RefCell;
use std::rc::Rc;

use crate::error::Error;
use crate::error::Result;
use crate::state::keys;
use crate::state::keys::Keys;
use crate::state::limits::STATE_KEY_BYTES_MAX;

/// No row is at hand, but a whole batch.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// The keys of the batch, and the row at hand. Every store and timer of a transform shares one.
#[derive(Debug, Default)]
pub struct Scope {
    row: Cell<u32>,
    keys: RefCell<Keys>,
    keyless: Cell<Keyless>,
    watermark: Cell<Option<i64>>,
}

/// What has no key, if it has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Keyless {
    /// It has.
    #[default]
    No,
    /// The records of this input.
    Input(&'static str),
    /// Timers.
    Timers,
}

impl Scope {
    /// The scope of a transform.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Tells which row is at hand.
    #[inline(always)]
    pub fn at(&self, row: u32) {
        self.row.set(row);
    }

    /// Tells the event watermark of the invocation.
    pub fn at_watermark(&self, watermark: Option<i64>) {
        self.watermark.set(watermark);
    }

    /// The event watermark of the invocation.
    pub(crate) fn watermark(&self) -> Option<i64> {
        self.watermark.get()
    }

    /// The row at hand, or [`NO_ROW`].
    #[inline(always)]
    pub(crate) fn row(&self) -> u32 {
        self.row.get()
    }

    /// Begins a batch of records of an input without keys.
    pub fn without_keys(&self, input: &'static str) {
        self.begin(0);
        self.keyless.set(Keyless::Input(input));
    }

    /// Begins an invocation with timers of the partition.
    pub(crate) fn timers_without_keys(&self) {
        self.begin(0);
        self.keyless.set(Keyless::Timers);
    }

    /// Begins a batch of so many rows, whose keys follow.
    pub(crate) fn begin(&self, rows: usize) {
        self.row.set(NO_ROW);
        self.keyless.set(Keyless::No);
        self.keys.borrow_mut().begin(rows);
    }

    pub(crate) fn fill(&self, rows: usize, fill: impl FnOnce(&mut Keys) -> Result<()>) -> Result<()> {
        self.begin(rows);
        fill(&mut self.keys.borrow_mut())
    }

    pub(crate) fn keys(&self) -> Ref<'_, Keys> {
        self.keys.borrow()
    }

    /// The slot of the key at hand; `what` asks for it.
    #[inline(always)]
    pub(crate) fn slot(&self, what: &'static str) -> Result<u32> {
        let slot = self.keys.borrow().slot(self.row.get());
        if slot >= keys::NONE { Err(self.refuse(slot, what)) } else { Ok(slot) }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, slot: u32, what: &'static str) -> Error {
        match (slot, self.keyless.get()) {
            (keys::NULL, _) => {
                Error::reject(format!("the record's key is null, but `{what}` is kept by key"))
            }
            (keys::LONG, _) => Error::reject(format!(
                "the record's key is longer than {} bytes, the most by which `{what}` can be kept",
                STATE_KEY_BYTES_MAX - 2
            )),
            (_, Keyless::Input(input)) => Error::fatal(format!(
                "`{what}` is kept by key, but `{input}` has no key: write `key = Type` in its #[input(..)], or scope = \"partition\""
            )),
            (_, Keyless::Timers) => Error::fatal(format!(
                "`{what}` is kept by key, but these timers belong to the partition: leave #[timers(scope = \"partition\")] out"
            )),
            (_, Keyless::No) => Error::fatal(format!(
                "`{what}` is kept by key, and a whole batch is at hand: process records one by one, or write scope = \"partition\""
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Outcome;

    #[test]
    fn a_record_without_a_key_is_rejected_and_says_why() {
        let scope = Scope::new();
        scope
            .fill(2, |keys| {
                keys.push(b"a");
                keys.push_null();
                Ok(())
            })
            .expect("keys");
        scope.at(0);
        assert_eq!(scope.slot("spend").expect("a key"), 0);
        scope.at(1);
        let error = scope.slot("spend").expect_err("null");
        assert_eq!(error.outcome(), Outcome::Reject);
        assert_eq!(error.reason(), "the record's key is null, but `spend` is kept by key");
    }

    #[test]
    fn what_the_author_has_to_mend_is_fatal() {
        let scope = Scope::new();
        scope.without_keys("orders");
        scope.at(0);
        let error = scope.slot("spend").expect_err("no key");
        assert_eq!(error.outcome(), Outcome::Fatal);
        assert!(error.reason().contains("`orders` has no key: write `key = Type`"), "{error}");
        scope.timers_without_keys();
        scope.at(0);
        let error = scope.slot("spend").expect_err("no key");
        assert!(error.reason().contains("these timers belong to the partition"), "{error}");
        scope.begin(1);
        let error = scope.slot("spend").expect_err("no row");
        assert!(error.reason().contains("a whole batch is at hand"), "{error}");
    }
}
