//! How many bytes the client may hold that the pipeline has not taken.

/// Bounds of the fetch buffers of one worker's consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowControl {
    /// Bytes that the consumer may hold, over all partitions. Default 32 MiB, at least 1 MiB.
    ///
    /// A single record batch larger than the share of one fetch is still fetched whole, or a
    /// partition could never go on.
    pub buffer_bytes_max: u64,
}

impl Default for FlowControl {
    fn default() -> Self {
        Self { buffer_bytes_max: 32 << 20 }
    }
}

impl FlowControl {
    /// Client properties. A fetch is begun only while less than half of the budget is queued, and
    /// brings at most a quarter of it, so that what is queued plus what is under way stays within.
    pub(in crate::source) fn properties(self) -> Vec<(&'static str, String)> {
        let budget = self.buffer_bytes_max.max(1 << 20);
        let fetch = (budget / 4).clamp(256 << 10, 16 << 20);
        let partition = (budget / 8).clamp(128 << 10, 1 << 20).min(fetch);
        vec![
            ("queued.max.messages.kbytes", (budget / 2 / 1024).clamp(1, 2_097_151).to_string()),
            ("queued.min.messages", "50000".to_owned()),
            ("fetch.max.bytes", fetch.to_string()),
            ("max.partition.fetch.bytes", partition.to_string()),
            ("fetch.wait.max.ms", "500".to_owned()),
            // How soon to fetch again after the queue was full.
            ("fetch.queue.backoff.ms", "5".to_owned()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_stay_within_the_budget() {
        for budget in [0_u64, 1 << 20, 8 << 20, 32 << 20, 1 << 30, u64::MAX / 2] {
            let properties = FlowControl { buffer_bytes_max: budget }.properties();
            let of = |name| {
                let (_, value) = properties.iter().find(|(found, _)| *found == name).expect(name);
                value.parse::<u64>().expect("a number")
            };
            let budget = budget.max(1 << 20);
            assert!(of("queued.max.messages.kbytes") * 1024 + of("fetch.max.bytes") <= budget);
            assert!(of("max.partition.fetch.bytes") <= of("fetch.max.bytes"));
        }
    }
}
