//! What a worker's producer is made of.

use std::sync::Arc;

use crate::kafka::overrides::Overrides;
use crate::kafka::producer::ProducerOptions;
use crate::kafka::settings::ClientSettings;
use crate::kafka::timeouts::MESSAGE_TIMEOUT;
use crate::kafka::timeouts::TRANSACTION_TIMEOUT;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::PartitionBy;

/// Largest record that is sent at all, in bytes, unless the pipeline sets `message.max.bytes`. The
/// broker's own limit, which is of the compressed batch, is mostly lower.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// What the producer holds of records that are not written yet, unless the pipeline sets
/// `queue.buffering.max.kbytes`.
const QUEUE_KBYTES: usize = 64 << 10;
/// Client's default of `batch.size`.
const BATCH_SIZE: usize = 1_000_000;
/// What a record batch has beside its records.
const BATCH_OVERHEAD: usize = 128;

/// Refuses a queue that the largest record never fits into: it would be tried for ever.
pub fn check_queue(overrides: &Overrides, refusals: &mut Vec<Refusal>) {
    let number =
        |name: &str, default: usize| overrides.get(name).map_or(Some(default), |text| text.parse().ok());
    // What is no number is refused with its property.
    let (Some(record), Some(kbytes)) =
        (number("message.max.bytes", RECORD_BYTES_MAX), number("queue.buffering.max.kbytes", QUEUE_KBYTES))
    else {
        return;
    };
    if record <= kbytes.saturating_mul(1024) {
        return;
    }
    let set = ["message.max.bytes", "queue.buffering.max.kbytes"]
        .into_iter()
        .find(|name| overrides.get(name).is_some());
    refusals.push(Refusal {
        code: Code("kafka-queue-too-small"),
        field: format!("kafka.{}", set.unwrap_or("message.max.bytes")),
        message: "the largest record does not fit into the producer's queue".to_owned(),
        found: format!("`message.max.bytes` {record}, `queue.buffering.max.kbytes` {kbytes}"),
        expected: format!("a queue of at least {} kbytes", record.div_ceil(1024)),
        remedy:
            "Lower `message.max.bytes` or raise `queue.buffering.max.kbytes`, whichever you did not mean."
                .to_owned(),
    });
}

/// What a [`crate::sink::kafka_sink::KafkaSink`] is made of.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    pub client: ClientSettings,
    pub delivery: Delivery,
    /// This worker's transactional id, and its name in logs. Two live workers never share one.
    pub member: String,
    /// Output and dead-letter topics, as [`crate::pipeline::ports::TopicIndex`] numbers them.
    pub topics: Vec<(Arc<str>, PartitionBy)>,
    pub overrides: Overrides,
    /// The largest record batch that every topic takes, in bytes. None asks the broker for each
    /// topic's `max.message.bytes`, which the broker within the process cannot answer.
    pub topic_bytes_max: Option<usize>,
}

impl SinkSettings {
    /// # Errors
    /// When a number is none.
    pub fn check(&self) -> Result<(), Stop> {
        self.number("message.max.bytes", RECORD_BYTES_MAX)?;
        self.number("batch.size", BATCH_SIZE)?;
        Ok(())
    }

    fn number(&self, name: &'static str, default: usize) -> Result<usize, Stop> {
        let Some(text) = self.overrides.get(name) else {
            return Ok(default);
        };
        text.parse().map_err(|_| {
            Stop::new("kafka-property-value", format!("{name} is `{text}`"), "Write a whole number")
        })
    }

    /// `record_bytes_max` is the smallest limit of all topics: a batch never exceeds it unless it
    /// holds one record, so a broker that refuses a batch refuses one record.
    pub(in crate::sink) fn options(&self, topic_bytes_min: usize) -> Result<ProducerOptions, Stop> {
        let mut properties = vec![
            ("compression.type", "lz4".to_owned()),
            ("linger.ms", "5".to_owned()),
            ("queue.buffering.max.kbytes", QUEUE_KBYTES.to_string()),
            ("retry.backoff.ms", "50".to_owned()),
        ];
        let transactional_id = match self.delivery {
            Delivery::ExactlyOnce => {
                properties.push(("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string()));
                Some(self.member.clone())
            }
            Delivery::AtLeastOnce => {
                properties.push(("message.timeout.ms", MESSAGE_TIMEOUT.as_millis().to_string()));
                None
            }
        };
        let batch = self.number("batch.size", BATCH_SIZE)?;
        let batch = batch.min(topic_bytes_min.saturating_sub(BATCH_OVERHEAD)).max(1);
        Ok(ProducerOptions {
            name: self.member.clone(),
            transactional_id,
            topics: self.topics.iter().map(|(topic, _)| topic.clone()).collect(),
            record_bytes_max: self.number("message.max.bytes", RECORD_BYTES_MAX)?,
            properties,
            overrides: self.overrides.clone(),
            final_properties: vec![("batch.size", batch.to_string())],
        })
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    fn fields(properties: &[(&str, &str)]) -> Vec<String> {
        let properties: IndexMap<String, String> =
            properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut refusals = Vec::new();
        let overrides = Overrides::new(&properties, &mut refusals);
        check_queue(&overrides, &mut refusals);
        refusals.into_iter().map(|refusal| format!("{} {}", refusal.code.0, refusal.field)).collect()
    }

    #[test]
    fn a_record_that_never_fits_into_the_queue_is_refused() {
        let (record, queue) = ("message.max.bytes", "queue.buffering.max.kbytes");
        assert!(fields(&[]).is_empty());
        assert!(fields(&[(record, "67108864")]).is_empty(), "as large as the queue");
        assert_eq!(fields(&[(record, "67108865")]), ["kafka-queue-too-small kafka.message.max.bytes"]);
        // Also against the default of the other.
        assert_eq!(fields(&[(queue, "16383")]), ["kafka-queue-too-small kafka.queue.buffering.max.kbytes"]);
        assert!(fields(&[(queue, "16384")]).is_empty());
        assert!(fields(&[(record, "1000000"), (queue, "1000")]).is_empty());
        assert_eq!(fields(&[(queue, "0x4000")]), ["kafka-property-value kafka.queue.buffering.max.kbytes"]);
    }
}
