//! Reading topics from their beginning.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use rdkafka::Message;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::message::Headers;

use crate::kafka_client::KafkaClient;
use crate::kafka_client::REQUEST_LIMIT;
use crate::kafka_client::passes;
use crate::kafka_client::watermarks;
use crate::record::ConsumedRecord;

impl KafkaClient {
    /// All records of a topic that are committed, in order of partition and offset, once no transaction is open
    /// on it. A broker answers a commit before readers see it: it writes the transaction's markers afterwards.
    ///
    /// # Errors
    /// There is no such topic, a transaction is still open after 30 s, or the broker stays silent that long.
    pub fn read_committed(&self, topic: &str) -> Result<Vec<ConsumedRecord>> {
        self.wait_until_settled(topic, REQUEST_LIMIT)?;
        self.read(topic, "read_committed")
    }

    /// As [`Self::read_committed`], without waiting for open transactions: each hides everything after its first
    /// record in that partition.
    ///
    /// # Errors
    /// There is no such topic, or the broker stays silent for 30 s.
    pub fn read_committed_now(&self, topic: &str) -> Result<Vec<ConsumedRecord>> {
        self.read(topic, "read_committed")
    }

    /// All records of a topic, those of open and aborted transactions included.
    ///
    /// # Errors
    /// As of [`Self::read_committed_now`].
    pub fn read_uncommitted(&self, topic: &str) -> Result<Vec<ConsumedRecord>> {
        self.read(topic, "read_uncommitted")
    }

    /// Waits until `count` committed records can be read, and returns what was read by then, in order of
    /// partition and offset: `count` records or a few more.
    ///
    /// # Errors
    /// There are fewer after `limit`; the message says how many.
    pub fn wait_for_committed(
        &self,
        topic: &str,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<ConsumedRecord>> {
        let deadline = Instant::now() + limit;
        let (consumer, _) = self.reader(topic, "read_committed")?;
        let mut records = Vec::with_capacity(count);
        while records.len() < count {
            if Instant::now() > deadline {
                bail!("{topic} has {} committed records of {count} awaited after {limit:?}", records.len());
            }
            // A broker that restarts meanwhile is no reason to stop waiting.
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
                records.push(consumed(&message));
            }
        }
        Ok(in_order(records))
    }

    /// Waits until no transaction is open on the topic.
    ///
    /// # Errors
    /// One is open after `limit`; the message says in which partition, and from where on.
    pub fn wait_until_settled(&self, topic: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let client = |isolation| -> Result<BaseConsumer> {
            Ok(self.settings().set("isolation.level", isolation).create()?)
        };
        let (committed, all) = (client("read_committed")?, client("read_uncommitted")?);
        for partition in 0..self.partitions(topic)? {
            loop {
                let (_, stable) = watermarks(&committed, topic, partition)?;
                let (_, end) = watermarks(&all, topic, partition)?;
                if stable >= end {
                    break;
                }
                if Instant::now() > deadline {
                    bail!(
                        "a transaction is open on {topic}-{partition} from offset {stable} to {end} after {limit:?}"
                    );
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn read(&self, topic: &str, isolation: &str) -> Result<Vec<ConsumedRecord>> {
        let (consumer, mut open) = self.reader(topic, isolation)?;
        let mut records = Vec::new();
        let mut silent_since = Instant::now();
        while open > 0 {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(consumed(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                Some(Err(error)) if passes(&error) && silent_since.elapsed() < REQUEST_LIMIT => continue,
                Some(Err(error)) => return Err(error).with_context(|| format!("read {topic}")),
                None if silent_since.elapsed() > REQUEST_LIMIT => {
                    bail!(
                        "read {topic}: the broker stayed silent for {REQUEST_LIMIT:?}, {open} partitions to go"
                    );
                }
                None => continue,
            }
            silent_since = Instant::now();
        }
        Ok(in_order(records))
    }

    /// A consumer of all partitions from their beginning, outside any group, and their number.
    fn reader(&self, topic: &str, isolation: &str) -> Result<(BaseConsumer, i32)> {
        let partitions = self.partitions(topic)?;
        if partitions == 0 {
            bail!("read {topic}: there is no such topic");
        }
        let consumer: BaseConsumer = self
            .settings()
            // The client wants a name for `assign`, and does not join.
            .set("group.id", "wasmill-test-reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", isolation)
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20")
            .set("check.crcs", "true")
            .create()
            .context("start a consumer")?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            // Not `Offset::Beginning`: librdkafka resolves that half a second later, when it knows the leader.
            let (first, _) = watermarks(&consumer, topic, partition)?;
            assignment.add_partition_offset(topic, partition, Offset::Offset(first))?;
        }
        consumer.assign(&assignment).with_context(|| format!("read {topic}"))?;
        Ok((consumer, partitions))
    }
}

fn consumed(message: &BorrowedMessage<'_>) -> ConsumedRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    ConsumedRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
        timestamp_ms: message.timestamp().to_millis(),
    }
}

fn in_order(mut records: Vec<ConsumedRecord>) -> Vec<ConsumedRecord> {
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}
