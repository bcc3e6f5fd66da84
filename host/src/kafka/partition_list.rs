//! Topic partitions with offsets, as librdkafka takes and returns them.

use std::ffi::CString;
use std::sync::Arc;

use rdkafka_sys::bindings as sys;

use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::text_of;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;

/// An owned `rd_kafka_topic_partition_list_t`.
#[derive(Debug)]
pub(in crate::kafka) struct PartitionList(*mut sys::rd_kafka_topic_partition_list_t);

/// What librdkafka wrote into an entry.
#[derive(Debug)]
pub(in crate::kafka) struct Entry {
    pub(in crate::kafka) topic_partition: TopicPartition,
    /// Negative where there is none.
    pub(in crate::kafka) offset: i64,
    pub(in crate::kafka) code: ErrorCode,
}

impl PartitionList {
    pub(in crate::kafka) fn of_partitions(partitions: &[TopicPartition]) -> Self {
        Self::build(partitions.iter().map(|partition| (partition, sys::RD_KAFKA_OFFSET_INVALID.into())))
    }

    pub(in crate::kafka) fn of_positions(positions: &[(TopicPartition, Offset)]) -> Self {
        Self::build(positions.iter().map(|(partition, offset)| (partition, offset.0)))
    }

    pub(in crate::kafka) fn of_topics<'a>(topics: impl Iterator<Item = &'a str>) -> Self {
        let list = Self::with_capacity(4);
        for topic in topics {
            list.add(topic, -1, sys::RD_KAFKA_OFFSET_INVALID.into());
        }
        list
    }

    fn build<'a>(entries: impl ExactSizeIterator<Item = (&'a TopicPartition, i64)>) -> Self {
        let list = Self::with_capacity(entries.len());
        for (partition, offset) in entries {
            list.add(&partition.topic, partition.partition.0, offset);
        }
        list
    }

    fn with_capacity(capacity: usize) -> Self {
        // SAFETY: allocates; freed in `drop`.
        Self(unsafe { sys::rd_kafka_topic_partition_list_new(capacity as i32) })
    }

    /// Adds an entry. A topic name with a zero byte, which no broker knows, is left out.
    fn add(&self, topic: &str, partition: i32, offset: i64) {
        let Ok(topic) = CString::new(topic) else { return };
        // SAFETY: the list is live; `add` copies the name and returns the new entry.
        unsafe {
            let entry = sys::rd_kafka_topic_partition_list_add(self.0, topic.as_ptr(), partition);
            (*entry).offset = offset;
        }
    }

    pub(in crate::kafka) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0
    }

    pub(in crate::kafka) fn entries(&self) -> Vec<Entry> {
        // SAFETY: our list is live.
        unsafe { entries_of(self.0) }
    }

    /// The first error of an entry.
    pub(in crate::kafka) fn check(&self) -> Result<(), KafkaError> {
        for entry in self.entries() {
            if entry.code != ErrorCode::NONE {
                let message = format!("{}: {}", entry.topic_partition, entry.code.description());
                return Err(KafkaError::new(entry.code, message));
            }
        }
        Ok(())
    }

    /// Copies the partitions out of a list that somebody else owns.
    ///
    /// # Safety
    /// `list` is null or a live list.
    pub(in crate::kafka) unsafe fn read(
        list: *const sys::rd_kafka_topic_partition_list_t,
    ) -> Vec<TopicPartition> {
        // SAFETY: by the caller.
        unsafe { entries_of(list) }.into_iter().map(|entry| entry.topic_partition).collect()
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: ours alone.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0) };
    }
}

/// # Safety
/// `list` is null or a live list.
unsafe fn entries_of(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Entry> {
    // SAFETY: by the caller; the list holds `cnt` entries.
    unsafe {
        let Some(list) = list.as_ref() else {
            return Vec::new();
        };
        let mut topic: Arc<str> = Arc::from("");
        (0..usize::try_from(list.cnt).unwrap_or(0))
            .map(|index| {
                let mut entry = entry_of(list.elems.add(index));
                // One copy of the name for all its partitions.
                if *topic == *entry.topic_partition.topic {
                    entry.topic_partition.topic = Arc::clone(&topic);
                } else {
                    topic = Arc::clone(&entry.topic_partition.topic);
                }
                entry
            })
            .collect()
    }
}

/// # Safety
/// `entry` is a live entry of a list.
pub(in crate::kafka) unsafe fn entry_of(entry: *const sys::rd_kafka_topic_partition_t) -> Entry {
    // SAFETY: by the caller; the code is read as an integer, because it may be one that the enum does
    // not list.
    unsafe {
        Entry {
            topic_partition: TopicPartition {
                topic: Arc::from(text_of((*entry).topic)),
                partition: Partition((*entry).partition),
            },
            offset: (*entry).offset,
            code: ErrorCode((&raw const (*entry).err).cast::<i32>().read()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_as_they_went_in() {
        let partition =
            |topic: &str, index| TopicPartition { topic: topic.into(), partition: Partition(index) };
        let positions = vec![
            (partition("a", 0), Offset(7)),
            (partition("a", 1), Offset(0)),
            (partition("b", 0), Offset(9)),
        ];
        let list = PartitionList::of_positions(&positions);
        let back: Vec<_> =
            list.entries().into_iter().map(|entry| (entry.topic_partition, Offset(entry.offset))).collect();
        assert_eq!(back, positions);
        list.check().expect("no error");
    }
}
