//! Fills the input topic.

use anyhow::Context as _;
use rdkafka::ClientConfig;
use rdkafka::producer::BaseProducer;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer as _;
use rdkafka::util::Timeout;

use crate::native_workload::Payments;
use crate::native_workload::partition;

/// Writes `records` payments to a topic that exists, lz4, in batches of 1,000.
///
/// # Errors
/// When the broker is away or the topic missing.
pub fn generate(brokers: &str, topic: &str, records: u64, mut payments: Payments) -> anyhow::Result<()> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "100")
        .set("batch.num.messages", "1000")
        .create()?;
    let metadata = producer.client().fetch_metadata(Some(topic), std::time::Duration::from_secs(10))?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    anyhow::ensure!(count > 0, "the topic {topic} does not exist");
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in 0..records {
        payments.write_next(&mut key, &mut value);
        let mut record =
            BaseRecord::to(topic).partition(partition(&key, count) as i32).key(&key).payload(&value);
        while let Err((error, back)) = producer.send(record) {
            let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
            anyhow::ensure!(error.rdkafka_error_code() == Some(full), "{error}");
            producer.poll(std::time::Duration::from_millis(5));
            record = back;
        }
        if number.is_multiple_of(1000) {
            producer.poll(Timeout::After(std::time::Duration::ZERO));
        }
    }
    producer.flush(std::time::Duration::from_secs(60)).context("the last records were not written")?;
    Ok(())
}
