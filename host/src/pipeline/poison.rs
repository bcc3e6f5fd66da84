//! Records that are known to be bad before they are processed again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::failure::BadRecord;
use crate::model::position::Offset;

/// The poison of one partition.
///
/// A broker refuses a record only after it was sent. The transaction is aborted then, and on the
/// second pass the source of that record goes straight to the dead letters.
#[derive(Debug, Default)]
pub struct PoisonList {
    by_offset: BTreeMap<Offset, BadRecord>,
    /// Records whose dead letter was refused too: it goes without the value.
    bare_letters: BTreeSet<Offset>,
    /// Up to this offset (excluded) records are processed one by one, because one of them had an
    /// output refused whose source is unknown.
    isolate_until: Option<Offset>,
}

impl PoisonList {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_offset.is_empty()
    }

    #[must_use]
    pub fn get(&self, offset: Offset) -> Option<&BadRecord> {
        self.by_offset.get(&offset)
    }

    /// Marks a record whose output was refused.
    pub fn add(&mut self, offset: Offset, cause: BadRecord) {
        self.by_offset.entry(offset).or_insert(cause);
    }

    /// Marks a record whose dead letter was refused. False if it is marked already: then the letter was
    /// refused without the value, and there is nothing left to leave out.
    #[must_use]
    pub fn omit_value(&mut self, offset: Offset) -> bool {
        self.bare_letters.insert(offset)
    }

    #[must_use]
    pub fn omits_value(&self, offset: Offset) -> bool {
        self.bare_letters.contains(&offset)
    }

    pub fn isolate_until(&mut self, end: Offset) {
        self.isolate_until = self.isolate_until.max(Some(end));
    }

    #[must_use]
    pub fn isolates(&self, offset: Offset) -> bool {
        self.isolate_until.is_some_and(|end| offset < end)
    }

    /// Forgets what lies before a committed position.
    pub fn committed(&mut self, position: Offset) {
        if !self.by_offset.is_empty() {
            self.by_offset = self.by_offset.split_off(&position);
        }
        if !self.bare_letters.is_empty() {
            self.bare_letters = self.bare_letters.split_off(&position);
        }
        if self.isolate_until.is_some_and(|end| end <= position) {
            self.isolate_until = None;
        }
    }
}
