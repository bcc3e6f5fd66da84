//! How much of its kinds a catalog holds, in bytes.

use std::collections::HashSet;

/// A record with its bytes as a file.
#[derive(Debug, Clone)]
pub(crate) struct Kept<T> {
    pub(crate) record: T,
    pub(crate) bytes: usize,
}

/// Sums over everything that is kept, so that adding does not count anew.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// Of the records of all versions.
    pub(crate) version_bytes: usize,
    /// Of the records of all pipelines.
    pub(crate) pipeline_bytes: usize,
    /// Of all components: one that several versions share lies there once.
    pub(crate) component_bytes: u64,
    digests: HashSet<String>,
}

impl Shelf {
    pub(crate) fn holds(&self, digest: &str) -> bool {
        self.digests.contains(digest)
    }

    pub(crate) fn add_version(&mut self, record_bytes: usize, digest: &str, component_bytes: u64) {
        self.version_bytes += record_bytes;
        if self.digests.insert(digest.to_owned()) {
            self.component_bytes += component_bytes;
        }
    }

    /// A pipeline's record takes the place of another, if there was one.
    pub(crate) fn replace_pipeline(&mut self, before: usize, now: usize) {
        self.pipeline_bytes = self.pipeline_bytes.saturating_sub(before) + now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_is_shared_counts_once() {
        let mut shelf = Shelf::default();
        for (digest, bytes) in [("a", 10), ("b", 20), ("a", 10)] {
            shelf.add_version(3, digest, bytes);
        }
        assert_eq!((shelf.version_bytes, shelf.component_bytes), (9, 30));
        assert!(shelf.holds("a") && !shelf.holds("c"));
        shelf.replace_pipeline(0, 7);
        shelf.replace_pipeline(7, 5);
        shelf.replace_pipeline(5, 0);
        assert_eq!(shelf.pipeline_bytes, 0);
    }
}
