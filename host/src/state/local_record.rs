//! What a folder knows of itself: how far it has come in each changelog, and when. It is written
//! together with the values, so that it never says more than is there.

use std::collections::BTreeMap;

use crate::model::position::Offset;
use crate::state::disk::Batch;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::layout::Family;

/// How far a folder has come in one changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogPosition {
    /// Identity of the topic, which a topic of the same name made anew does not share.
    pub topic_id: String,
    /// The offset to read on from.
    pub next: Offset,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalRecord {
    /// By the name of the store.
    pub changelogs: BTreeMap<String, ChangelogPosition>,
    /// When the folder last was level with its changelogs, milliseconds since the Unix epoch. Keys
    /// deleted since then are told by tombstones, which the changelogs keep for a time only.
    pub level_at: Option<i64>,
    /// Offsets of the inputs, by port: for people.
    pub inputs: BTreeMap<String, Offset>,
    /// By the name of the store: what was written until then has a tombstone, if it has expired.
    pub swept: BTreeMap<String, i64>,
}

const CHANGELOG: &str = "changelog/";
const INPUT: &str = "input/";
const SWEPT: &str = "swept/";
const LEVEL_AT: &str = "level-at";

impl LocalRecord {
    pub(super) fn read(disk: &Disk) -> Result<Self, DiskError> {
        let mut record = Self::default();
        let mut entries = disk.iterate(Family::Local, b"", None)?;
        while let Some((key, value)) = entries.item() {
            record.take(key, value).ok_or_else(|| {
                DiskError::Corrupt(format!(
                    "the folder's record has no entry of the form `{}`",
                    key.escape_ascii()
                ))
            })?;
            entries.next();
        }
        entries.status()?;
        Ok(record)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let key = std::str::from_utf8(key).ok()?;
        let (number, rest) = value.split_first_chunk::<8>()?;
        let number = i64::from_be_bytes(*number);
        if let Some(store) = key.strip_prefix(CHANGELOG) {
            let topic_id = String::from_utf8(rest.to_vec()).ok()?;
            self.changelogs.insert(store.to_owned(), ChangelogPosition { topic_id, next: Offset(number) });
        } else if let Some(port) = key.strip_prefix(INPUT) {
            self.inputs.insert(port.to_owned(), Offset(number));
        } else if let Some(store) = key.strip_prefix(SWEPT) {
            self.swept.insert(store.to_owned(), number);
        } else if key == LEVEL_AT {
            self.level_at = Some(number);
        } else {
            return None;
        }
        Some(())
    }

    /// Adds the whole record to a batch.
    pub(super) fn write(&self, batch: &mut Batch<'_>) {
        let mut put = |key: String, number: i64, rest: &[u8]| {
            batch.put(Family::Local, key.as_bytes(), &[&number.to_be_bytes()[..], rest].concat());
        };
        for (store, position) in &self.changelogs {
            put(format!("{CHANGELOG}{store}"), position.next.0, position.topic_id.as_bytes());
        }
        for (port, offset) in &self.inputs {
            put(format!("{INPUT}{port}"), offset.0, &[]);
        }
        for (store, until) in &self.swept {
            put(format!("{SWEPT}{store}"), *until, &[]);
        }
        if let Some(level_at) = self.level_at {
            put(LEVEL_AT.to_owned(), level_at, &[]);
        }
    }

    /// Forgets a store, also in the batch.
    pub(super) fn forget(&mut self, store: &str, batch: &mut Batch<'_>) {
        self.changelogs.remove(store);
        self.swept.remove(store);
        batch.delete(Family::Local, format!("{CHANGELOG}{store}").as_bytes());
        batch.delete(Family::Local, format!("{SWEPT}{store}").as_bytes());
    }
}
