//! What a worker's consumer is made of.

use std::sync::Arc;

use crate::kafka::consumer::ConsumerOptions;
use crate::kafka::overrides::Overrides;
use crate::kafka::settings::ClientSettings;
use crate::kafka::timeouts;
use crate::kafka::timeouts::SESSION_TIMEOUT;
use crate::model::pipeline_spec::BatchLimits;
use crate::source::flow_control::FlowControl;

/// How often the client looks at the partitions of its topics, in milliseconds: how long a partition
/// that is added waits until the group hears of it. One small request each time; the statistics that
/// the lag comes from cost more, and come every second.
const METADATA_REFRESH_MS: u32 = 5_000;

/// What a [`crate::source::kafka_source::KafkaSource`] is made of.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    pub client: ClientSettings,
    /// The consumer group.
    pub group: String,
    /// This worker's name in the group. Two live workers never share one.
    pub member: String,
    /// Input topics. More than one are read co-partitioned: partition n of each by one worker.
    pub topics: Vec<Arc<str>>,
    pub batch: BatchLimits,
    pub flow: FlowControl,
    pub overrides: Overrides,
    /// How several co-partitioned topics are spread over the workers. Default `Consumer`.
    pub assignment: CoPartitioned,
}

/// How partition n of every input comes to one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CoPartitioned {
    /// The coordinator assigns by range: brokers from 4.0.
    #[default]
    Consumer,
    /// The members assign by range, for older brokers. Every rebalance stops all workers.
    Classic,
}

impl SourceSettings {
    /// The times that the pipeline sets fit together: [`crate::kafka::timeouts::check`] was asked.
    pub(in crate::source) fn options(&self) -> ConsumerOptions {
        let mut properties = self.flow.properties();
        properties.push(("statistics.interval.ms", "1000".to_owned()));
        properties.push(("topic.metadata.refresh.interval.ms", METADATA_REFRESH_MS.to_string()));
        // How long metadata may not know a topic that it knew.
        properties.push(("topic.metadata.propagation.max.ms", "5000".to_owned()));
        let session = timeouts::session(1, &self.overrides).unwrap_or(SESSION_TIMEOUT);
        let session_ms = session.as_millis();
        match (self.topics.len(), self.assignment) {
            (0 | 1, _) => {
                properties.push(("partition.assignment.strategy", "cooperative-sticky".to_owned()));
                properties.push(("session.timeout.ms", session_ms.to_string()));
                properties.push(("heartbeat.interval.ms", (session_ms / 5).clamp(1, 3000).to_string()));
            }
            (_, CoPartitioned::Classic) => {
                properties.push(("partition.assignment.strategy", "range".to_owned()));
                properties.push(("session.timeout.ms", session_ms.to_string()));
                properties.push(("heartbeat.interval.ms", (session_ms / 5).clamp(1, 3000).to_string()));
            }
            (_, CoPartitioned::Consumer) => {
                // Session and heartbeats are the coordinator's to set in this protocol.
                properties.push(("group.protocol", "consumer".to_owned()));
                properties.push(("group.remote.assignor", "range".to_owned()));
            }
        }
        ConsumerOptions {
            group: self.group.clone(),
            instance: self.member.clone(),
            topics: self.topics.clone(),
            properties,
            overrides: self.overrides.clone(),
        }
    }
}
