//! The few figures that are read from librdkafka's statistics.

use std::collections::HashMap;

use serde::Deserialize;

/// What the client knew when it last wrote its statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Whether a connection to any broker is up.
    pub connected: bool,
    /// By topic and partition.
    pub last_stable_offsets: HashMap<String, HashMap<i32, i64>>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
    #[serde(default)]
    topics: HashMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    state: String,
}

#[derive(Deserialize)]
struct Topic {
    partitions: HashMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    #[serde(default = "unknown")]
    ls_offset: i64,
}

fn unknown() -> i64 {
    -1
}

impl Statistics {
    /// Reads the JSON text that librdkafka writes; none when it is not that.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(json).ok()?;
        let connected = document.brokers.values().any(|broker| broker.state == "UP");
        let mut last_stable_offsets = HashMap::new();
        for (topic, found) in document.topics {
            let known: HashMap<i32, i64> = found
                .partitions
                .into_iter()
                .filter_map(|(index, partition)| Some((index.parse().ok()?, partition.ls_offset)))
                .filter(|(index, offset)| *index >= 0 && *offset >= 0)
                .collect();
            last_stable_offsets.insert(topic, known);
        }
        Some(Self { connected, last_stable_offsets })
    }

    #[must_use]
    pub fn last_stable_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.last_stable_offsets.get(topic)?.get(&partition).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_stable_offsets_and_connection_are_read() {
        let json = br#"{"name":"x","brokers":{"b:1/1":{"state":"UP"},"b:2/2":{"state":"DOWN"}},
            "topics":{"t":{"partitions":{"0":{"ls_offset":42,"hi_offset":50},"-1":{"ls_offset":-1001},"1":{}}}}}"#;
        let statistics = Statistics::parse(json).expect("statistics");
        assert!(statistics.connected);
        assert_eq!(statistics.last_stable_offset("t", 0), Some(42));
        assert_eq!(statistics.last_stable_offset("t", 1), None);
        assert_eq!(statistics.last_stable_offset("u", 0), None);
        assert_eq!(Statistics::parse(b"nonsense"), None);
    }
}
