//! Checks every byte of an output topic against what a work must give.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use crate::native_workload::Payment;
use crate::native_workload::Payments;
use crate::native_workload::RunningTotal;
use crate::native_workload::THRESHOLD;
use crate::native_workload::partition;

/// Count and checksum of one partition's records, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub records: u64,
    pub checksum: u64,
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        // SipHash with fixed keys over the sum so far, so that the order counts.
        #[expect(deprecated, reason = "the one hasher of the standard library with fixed keys")]
        let mut hasher = std::hash::SipHasher::new();
        hasher.write_u64(self.checksum);
        hasher.write_usize(key.len());
        hasher.write(key);
        hasher.write(value);
        self.checksum = hasher.finish();
        self.records += 1;
    }
}

/// What is done with payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The `stateless` work.
    Filter,
    /// The `count` work.
    Count,
}

/// What the output of a work must be, by partition. Input and output have equal partition counts
/// and equal keys, so the order within a partition is that of the input.
#[must_use]
pub fn expected(task: Task, records: u64, seed: u64, output_schema: u32, partitions: usize) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); partitions];
    let mut totals: HashMap<Vec<u8>, (f64, i64)> = HashMap::new();
    let mut payments = Payments::new(seed, 1);
    let (mut key, mut value, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..records {
        payments.write_next(&mut key, &mut value);
        let Some(payment) = Payment::decode(&value) else {
            continue;
        };
        out.clear();
        match task {
            Task::Filter if payment.amount > THRESHOLD => payment.encode(output_schema, &mut out),
            Task::Filter => continue,
            Task::Count => {
                if !totals.contains_key(&key) {
                    totals.insert(key.clone(), (0.0, 0));
                }
                let Some((total, count)) = totals.get_mut(&key) else { continue };
                *total += payment.amount;
                *count += 1;
                let total = RunningTotal { account: payment.account, total: *total, count: *count };
                total.encode(output_schema, &mut out);
            }
        }
        if let Some(sum) = sums.get_mut(partition(&key, partitions)) {
            sum.add(&key, &out);
        }
    }
    sums
}

/// What a `read_committed` reader finds in a topic now, by partition.
///
/// # Errors
/// When the broker is away, the topic missing, or a record has no key or no value.
pub fn found(brokers: &str, topic: &str) -> anyhow::Result<Vec<Sum>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "native-verifier")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10))?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    anyhow::ensure!(count > 0, "the topic {topic} does not exist");
    let mut list = TopicPartitionList::new();
    for index in 0..count {
        list.add_partition_offset(topic, index as i32, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut sums = vec![Sum::default(); count];
    let mut open = count;
    while open > 0 {
        match consumer.poll(Duration::from_secs(30)) {
            Some(Ok(message)) => {
                let key = message.key().ok_or_else(|| anyhow::anyhow!("a record without a key"))?;
                let value = message.payload().ok_or_else(|| anyhow::anyhow!("a record without a value"))?;
                if let Some(sum) = sums.get_mut(message.partition() as usize) {
                    sum.add(key, value);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error.into()),
            None => anyhow::bail!("nothing came for 30 s"),
        }
    }
    Ok(sums)
}
