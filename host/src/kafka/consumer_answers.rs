//! What a consumer asks the cluster, and waits for.

use std::ffi::c_int;
use std::ops::Range;
use std::time::Duration;

use crate::kafka::client::c_text;
use crate::kafka::consumer::ANSWER_WAIT;
use crate::kafka::consumer::Consumer;
use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::ffi;
use crate::kafka::partition_list::PartitionList;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;

impl Consumer {
    /// Commits offsets and waits for the answer.
    ///
    /// # Errors
    /// When the coordinator is away or refuses a partition's offset.
    pub fn commit(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), KafkaError> {
        let list = PartitionList::of_positions(positions);
        // SAFETY: handle and list are live.
        KafkaError::check(unsafe { ffi::rd_kafka_commit(self.client.as_ptr(), list.as_ptr(), 0 as c_int) })?;
        list.check()
    }

    /// The group's committed offsets; none where there is none. Waits for open transactions.
    ///
    /// # Errors
    /// When the coordinator is away.
    pub fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>, KafkaError> {
        let list = PartitionList::of_partitions(partitions);
        // SAFETY: handle and list are live.
        let code =
            unsafe { ffi::rd_kafka_committed(self.client.as_ptr(), list.as_ptr(), millis(ANSWER_WAIT)) };
        KafkaError::check(code)?;
        list.check()?;
        let entries = list.entries();
        let find = |partition: &TopicPartition| {
            entries.iter().find(|entry| entry.topic_partition == *partition).map(|entry| entry.offset)
        };
        Ok(partitions
            .iter()
            .map(|partition| find(partition).filter(|offset| *offset >= 0).map(Offset))
            .collect())
    }

    /// First offset still there, and the offset after the last.
    ///
    /// # Errors
    /// When the leader is away or the partition unknown.
    pub fn bounds(&mut self, partition: &TopicPartition) -> Result<Range<Offset>, KafkaError> {
        self.bounds_within(partition, ANSWER_WAIT)
    }

    /// As [`Consumer::bounds`], with a wait of its own.
    ///
    /// # Errors
    /// As of [`Consumer::bounds`].
    pub fn bounds_within(
        &mut self,
        partition: &TopicPartition,
        wait: Duration,
    ) -> Result<Range<Offset>, KafkaError> {
        let topic = c_text(&partition.topic)?;
        let (mut low, mut high) = (0, 0);
        // SAFETY: the handle is live, the topic a C string.
        let code = unsafe {
            ffi::rd_kafka_query_watermark_offsets(
                self.client.as_ptr(),
                topic.as_ptr(),
                partition.partition.0,
                &raw mut low,
                &raw mut high,
                millis(wait),
            )
        };
        KafkaError::check(code)?;
        Ok(Offset(low)..Offset(high))
    }

    /// First offset at or after a time; none when there is no such record.
    ///
    /// # Errors
    /// When the leader is away or the partition unknown.
    pub fn offset_at(
        &mut self,
        partition: &TopicPartition,
        at_ms: i64,
    ) -> Result<Option<Offset>, KafkaError> {
        let list = PartitionList::of_positions(&[(partition.clone(), Offset(at_ms))]);
        // SAFETY: handle and list are live.
        let code = unsafe {
            ffi::rd_kafka_offsets_for_times(self.client.as_ptr(), list.as_ptr(), millis(ANSWER_WAIT))
        };
        KafkaError::check(code)?;
        list.check()?;
        Ok(list.entries().first().map(|entry| entry.offset).filter(|offset| *offset >= 0).map(Offset))
    }

    /// # Errors
    /// When the topic is unknown or forbidden, or no broker answers.
    pub fn partition_count(&mut self, topic: &str) -> Result<u32, KafkaError> {
        self.client.partition_count(topic, ANSWER_WAIT)
    }

    /// The offset after the last message that this consumer took of a partition, control records
    /// included; none before the first.
    #[must_use]
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        let list = PartitionList::of_partitions(std::slice::from_ref(partition));
        // SAFETY: handle and list are live.
        KafkaError::check(unsafe { ffi::rd_kafka_position(self.client.as_ptr(), list.as_ptr()) }).ok()?;
        list.entries().first().map(|entry| entry.offset).filter(|offset| *offset >= 0).map(Offset)
    }

    /// The end of a partition as the last fetch told it; none before the first.
    #[must_use]
    pub fn cached_end(&self, partition: &TopicPartition) -> Option<Offset> {
        let topic = c_text(&partition.topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the handle is live, the topic a C string.
        let code = unsafe {
            ffi::rd_kafka_get_watermark_offsets(
                self.client.as_ptr(),
                topic.as_ptr(),
                partition.partition.0,
                &raw mut low,
                &raw mut high,
            )
        };
        KafkaError::check(code).ok()?;
        (high >= 0).then_some(Offset(high))
    }
}
