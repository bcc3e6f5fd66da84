//! Raw records whose values are numbers.

use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::pipeline::fakes::partition;

/// A record: a key, a number, a timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: [u8; 8],
    pub(crate) timestamp: Option<i64>,
}

impl Entry {
    pub(crate) fn new(key: &str, value: i64, timestamp: i64) -> Self {
        Self { key: Some(key.as_bytes().to_vec()), value: value.to_be_bytes(), timestamp: Some(timestamp) }
    }
}

/// A run of records; offsets from `start`.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    partition: TopicPartition,
    start: i64,
    entries: Vec<Entry>,
}

impl Numbers {
    /// Records without keys, in the topic `in`; a record's timestamp is its index.
    pub(crate) fn new(number: i32, start: i64, values: impl IntoIterator<Item = i64>) -> Self {
        let entry = |(index, value): (i64, i64)| Entry {
            key: None,
            value: value.to_be_bytes(),
            timestamp: Some(index),
        };
        Self::of(partition(number), start, (0..).zip(values).map(entry).collect())
    }

    pub(crate) fn of(partition: TopicPartition, start: i64, entries: Vec<Entry>) -> Self {
        Self { partition, start, entries }
    }
}

impl RawRecords for Numbers {
    fn topic_partition(&self) -> &TopicPartition {
        &self.partition
    }
    fn len(&self) -> usize {
        self.entries.len()
    }
    fn offset(&self, index: usize) -> Offset {
        Offset(self.start + index as i64)
    }
    fn key(&self, index: usize) -> Option<&[u8]> {
        self.entries.get(index)?.key.as_deref()
    }
    fn value(&self, index: usize) -> Option<&[u8]> {
        self.entries.get(index).map(|entry| entry.value.as_slice())
    }
    fn timestamp(&self, index: usize) -> Option<i64> {
        self.entries.get(index)?.timestamp
    }
    fn headers(&self, _: usize, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        visit("own", None);
    }
    fn has_headers(&self, _: usize) -> bool {
        true
    }
}

pub(crate) fn number(bytes: &[u8]) -> i64 {
    i64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}
