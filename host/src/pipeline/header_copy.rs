//! A record's headers, copied for the moment between reading and sending it.

use std::ops::Range;

use crate::model::record_batch::RawRecords;

/// Keeps its memory from record to record.
#[derive(Debug, Default)]
pub struct HeaderCopy {
    names: String,
    values: Vec<u8>,
    entries: Vec<(Range<usize>, Option<Range<usize>>)>,
}

impl HeaderCopy {
    pub fn clear(&mut self) {
        self.names.clear();
        self.values.clear();
        self.entries.clear();
    }

    pub fn push(&mut self, name: &str, value: Option<&[u8]>) {
        let name_start = self.names.len();
        self.names.push_str(name);
        let value = value.map(|value| {
            let start = self.values.len();
            self.values.extend_from_slice(value);
            start..self.values.len()
        });
        self.entries.push((name_start..self.names.len(), value));
    }

    /// Replaces what is held by the headers of one raw record.
    pub fn copy(&mut self, records: &dyn RawRecords, index: usize) {
        self.clear();
        records.headers(index, &mut |name, value| self.push(name, value));
    }

    /// The headers, in order. Allocates only when there are any.
    #[must_use]
    pub fn list(&self) -> Vec<(&str, Option<&[u8]>)> {
        self.entries
            .iter()
            .map(|(name, value)| {
                let name = self.names.get(name.clone()).unwrap_or_default();
                (name, value.clone().map(|value| self.values.get(value).unwrap_or_default()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_duplicates_and_nulls_are_kept() {
        let mut copy = HeaderCopy::default();
        copy.push("a", Some(b"1"));
        copy.push("a", None);
        copy.push("", Some(b""));
        let expected: [(&str, Option<&[u8]>); 3] = [("a", Some(b"1")), ("a", None), ("", Some(b""))];
        assert_eq!(copy.list(), expected);
        copy.clear();
        assert!(copy.list().is_empty());
    }
}
