//! A producer's transactions, as librdkafka offers them. `sink` puts types around their order.

use std::time::Duration;

use rdkafka_sys::bindings as sys;

use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::group::GroupMembership;
use crate::kafka::partition_list::PartitionList;
use crate::kafka::producer::Producer;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;

impl Producer {
    /// Fences earlier producers of this transactional id and settles their transaction.
    ///
    /// # Errors
    /// Retriable ones may be tried again.
    pub fn init_transactions(&mut self, wait: Duration) -> Result<(), KafkaError> {
        // SAFETY: the handle is live; the error is taken over. So below.
        unsafe { KafkaError::take(sys::rd_kafka_init_transactions(self.client.as_ptr(), millis(wait))) }
    }

    /// # Errors
    /// When the client is fenced or in a state that forbids it.
    pub fn begin_transaction(&mut self) -> Result<(), KafkaError> {
        // SAFETY: as in `init_transactions`.
        unsafe { KafkaError::take(sys::rd_kafka_begin_transaction(self.client.as_ptr())) }
    }

    /// # Errors
    /// When the coordinator refuses: a lost membership requires an abort.
    pub fn send_offsets(
        &mut self,
        positions: &[(TopicPartition, Offset)],
        group: &GroupMembership,
        wait: Duration,
    ) -> Result<(), KafkaError> {
        let list = PartitionList::of_positions(positions);
        // SAFETY: as in `init_transactions`; list and membership are live and copied.
        unsafe {
            KafkaError::take(sys::rd_kafka_send_offsets_to_transaction(
                self.client.as_ptr(),
                list.as_ptr(),
                group.as_ptr(),
                millis(wait),
            ))
        }
    }

    /// Commits. None waits for what remains of the transaction's timeout.
    ///
    /// # Errors
    /// After a retriable one the outcome is open: call again until it is decided.
    pub fn commit_transaction(&mut self, wait: Option<Duration>) -> Result<(), KafkaError> {
        // SAFETY: as in `init_transactions`.
        unsafe {
            KafkaError::take(sys::rd_kafka_commit_transaction(self.client.as_ptr(), wait.map_or(-1, millis)))
        }
    }

    /// Aborts; call again after a retriable error, and serve the events between.
    ///
    /// # Errors
    /// When the client is fenced, or the coordinator away.
    pub fn abort_transaction(&mut self, wait: Duration) -> Result<(), KafkaError> {
        // SAFETY: as in `init_transactions`.
        unsafe { KafkaError::take(sys::rd_kafka_abort_transaction(self.client.as_ptr(), millis(wait))) }
    }
}
