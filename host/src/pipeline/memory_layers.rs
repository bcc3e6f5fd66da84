//! What is written, by the stage that it has reached.

use std::collections::BTreeMap;

/// How what is written goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Keep,
    Undo,
    Commit,
    Abort,
}

/// The three stages of a write: see [`crate::pipeline::state_ports`]. An absent value deletes.
#[derive(Debug)]
pub(super) struct Layers<K, V> {
    pub(super) committed: BTreeMap<K, V>,
    pub(super) kept: BTreeMap<K, Option<V>>,
    pub(super) staged: BTreeMap<K, Option<V>>,
}

impl<K: Ord + Clone, V: Clone> Layers<K, V> {
    pub(super) fn new() -> Self {
        Self { committed: BTreeMap::new(), kept: BTreeMap::new(), staged: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let newest = self.staged.get(key).or_else(|| self.kept.get(key));
        newest.map_or_else(|| self.committed.get(key), Option::as_ref)
    }

    pub(super) fn stage(&mut self, key: K, value: Option<V>) {
        self.staged.insert(key, value);
    }

    /// What reads see, in order.
    pub(super) fn all(&self) -> BTreeMap<&K, &V> {
        let mut all: BTreeMap<&K, &V> = self.committed.iter().collect();
        for (key, value) in self.kept.iter().chain(&self.staged) {
            match value {
                Some(value) => all.insert(key, value),
                None => all.remove(key),
            };
        }
        all
    }

    pub(super) fn apply(&mut self, step: Step) {
        match step {
            Step::Keep => self.kept.append(&mut self.staged),
            Step::Undo => self.staged.clear(),
            Step::Commit => {
                for (key, value) in std::mem::take(&mut self.kept) {
                    match value {
                        Some(value) => self.committed.insert(key, value),
                        None => self.committed.remove(&key),
                    };
                }
            }
            Step::Abort => {
                self.staged.clear();
                self.kept.clear();
            }
        }
    }
}
