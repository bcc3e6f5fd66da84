//! librdkafka's broker within the process, for `wasmill dev`.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;

/// A broker in memory, on a loopback port. It forgets everything when it is dropped.
///
/// What it is not: it keeps at most 5 MiB or 100,000 record batches of a partition, knows no
/// isolation level and no compaction, takes topics only through [`DevBroker::create_topic`], and
/// forgets the offsets that a transaction sends. So pipelines run on it at-least-once.
pub struct DevBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    brokers: String,
}

// SAFETY: the one call made here after the start, creating a topic, is an operation that librdkafka
// sends to the cluster's own thread; the handle itself is not changed by it.
unsafe impl Send for DevBroker {}
// SAFETY: as above.
unsafe impl Sync for DevBroker {}

impl std::fmt::Debug for DevBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevBroker").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl DevBroker {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start() -> Result<Self, KafkaError> {
        let cluster = MockCluster::new(1).map_err(failed)?;
        let brokers = cluster.bootstrap_servers();
        Ok(Self { cluster, brokers })
    }

    /// Its address, as `host:port`.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// # Errors
    /// When the topic is there already, or has no partitions.
    pub fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), KafkaError> {
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        self.cluster.create_topic(topic, count, 1).map_err(failed)
    }
}

fn failed(error: rdkafka::error::KafkaError) -> KafkaError {
    KafkaError::new(ErrorCode(-196), error.to_string())
}
