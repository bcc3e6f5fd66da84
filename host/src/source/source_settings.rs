//! What a worker's consumer is made of.

use std::sync::Arc;
use std::time::Duration;

use crate::kafka::consumer::ConsumerOptions;
use crate::kafka::overrides::Overrides;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Stop;
use crate::model::pipeline_spec::BatchLimits;
use crate::source::flow_control::FlowControl;

/// `session.timeout.ms` unless the pipeline sets it. A static member that dies keeps its
/// partitions for this long.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// # Errors
    /// When the timeouts that the pipeline sets do not fit together.
    pub(in crate::source) fn options(&self) -> Result<ConsumerOptions, Stop> {
        let mut properties = self.flow.properties();
        let session_ms = millis_of(&self.overrides, "session.timeout.ms", SESSION_TIMEOUT)?;
        let poll_ms = millis_of(&self.overrides, "max.poll.interval.ms", Duration::from_secs(300))?;
        if poll_ms < session_ms {
            return Err(Stop::new(
                "kafka-timeouts",
                format!(
                    "max.poll.interval.ms is {poll_ms}, less than session.timeout.ms, which is {session_ms}"
                ),
                "Raise max.poll.interval.ms or lower session.timeout.ms",
            ));
        }
        properties.push(("statistics.interval.ms", "1000".to_owned()));
        properties.push(("topic.metadata.refresh.interval.ms", "30000".to_owned()));
        // How long metadata may not know a topic that it knew.
        properties.push(("topic.metadata.propagation.max.ms", "5000".to_owned()));
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
                for name in ["session.timeout.ms", "heartbeat.interval.ms"] {
                    if self.overrides.get(name).is_some() {
                        return Err(Stop::new(
                            "kafka-timeouts",
                            format!("{name} is set, but with several inputs the coordinator sets it"),
                            "Leave it out, or set it for the group on the broker",
                        ));
                    }
                }
                properties.push(("group.protocol", "consumer".to_owned()));
                properties.push(("group.remote.assignor", "range".to_owned()));
            }
        }
        Ok(ConsumerOptions {
            group: self.group.clone(),
            instance: self.member.clone(),
            topics: self.topics.clone(),
            properties,
            overrides: self.overrides.clone(),
        })
    }
}

fn millis_of(overrides: &Overrides, name: &'static str, default: Duration) -> Result<u64, Stop> {
    let Some(text) = overrides.get(name) else {
        return Ok(default.as_millis() as u64);
    };
    text.parse().map_err(|_| {
        Stop::new("kafka-timeouts", format!("{name} is `{text}`"), "Write a number of milliseconds")
    })
}
