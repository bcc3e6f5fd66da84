//! The work as a loop over rdkafka's safe calls, one record at a time.

use std::time::Duration;
use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer as _;
use rdkafka::producer::BaseProducer;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer as _;
use rdkafka::types::RDKafkaErrorCode;

use crate::native_workload::COMMIT_INTERVAL;
use crate::native_workload::CONSUMER;
use crate::native_workload::PRODUCER;
use crate::native_workload::Payment;
use crate::native_workload::Report;
use crate::native_workload::Settings;
use crate::native_workload::THRESHOLD;
use crate::native_workload::cpu_seconds;

const WAIT: Duration = Duration::from_secs(30);

/// Reads the whole input topic once.
///
/// # Errors
/// When the broker is away, a topic missing, or a value malformed.
pub fn run(settings: &Settings, output_schema: u32) -> anyhow::Result<Report> {
    let (cpu, begin) = (cpu_seconds(), Instant::now());
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
    for (name, value) in CONSUMER {
        config.set(*name, *value);
    }
    let consumer: BaseConsumer = config.create()?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    config.set("transactional.id", format!("{}.safe", settings.group));
    for (name, value) in PRODUCER {
        config.set(*name, *value);
    }
    // The client's own, which the verifier compares with ours.
    config.set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.create()?;
    let metadata = producer.client().fetch_metadata(Some(&settings.output), WAIT)?;
    let outputs_count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let metadata = consumer.fetch_metadata(Some(&settings.input), WAIT)?;
    let inputs_count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    anyhow::ensure!(outputs_count > 0 && inputs_count > 0, "a topic does not exist");
    let mut list = TopicPartitionList::new();
    let (mut next, mut ends) = (Vec::new(), Vec::new());
    for index in 0..inputs_count {
        let (low, high) = consumer.fetch_watermarks(&settings.input, index as i32, WAIT)?;
        list.add_partition_offset(&settings.input, index as i32, Offset::Offset(low))?;
        next.push(low);
        ends.push(high);
    }
    consumer.assign(&list)?;
    producer.init_transactions(WAIT)?;
    producer.begin_transaction()?;
    let mut report = Report { records: 0, outputs: 0, cpu_seconds: 0.0, wall_seconds: 0.0, commits: 0 };
    let mut value = Vec::new();
    let mut committed = Instant::now();
    loop {
        let message = consumer.poll(Duration::from_millis(5)).transpose()?;
        if let Some(message) = &message {
            let payload = message.payload().unwrap_or_default();
            let payment = Payment::decode(payload).ok_or_else(|| anyhow::anyhow!("a malformed value"))?;
            if payment.amount > THRESHOLD {
                value.clear();
                payment.encode(output_schema, &mut value);
                let key = message.key().unwrap_or_default();
                let mut record = BaseRecord::to(&settings.output).key(key).payload(&value);
                while let Err((error, back)) = producer.send(record) {
                    let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    anyhow::ensure!(full, "{error}");
                    producer.poll(Duration::from_millis(1));
                    record = back;
                }
                report.outputs += 1;
            }
            if let Some(next) = next.get_mut(message.partition() as usize) {
                *next = message.offset() + 1;
            }
            report.records += 1;
        }
        let done = next.iter().zip(&ends).all(|(next, end)| next >= end);
        // The clock is not read for every record.
        let look = report.records.is_multiple_of(1000) || message.is_none();
        if done || look && committed.elapsed() >= COMMIT_INTERVAL {
            let mut offsets = TopicPartitionList::new();
            for (index, next) in next.iter().enumerate() {
                offsets.add_partition_offset(&settings.input, index as i32, Offset::Offset(*next))?;
            }
            let group =
                consumer.group_metadata().ok_or_else(|| anyhow::anyhow!("the consumer has no group"))?;
            producer.send_offsets_to_transaction(&offsets, &group, WAIT)?;
            producer.commit_transaction(WAIT)?;
            report.commits += 1;
            if done {
                break;
            }
            producer.begin_transaction()?;
            committed = Instant::now();
        }
    }
    report.cpu_seconds = cpu_seconds() - cpu;
    report.wall_seconds = begin.elapsed().as_secs_f64();
    Ok(report)
}
