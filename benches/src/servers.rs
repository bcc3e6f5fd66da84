//! Kafka and the schema registry that the benches run beside, and what is set up there.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use serde_json::Value;
use serde_json::json;
use wasmill_test_support::KafkaClient;
use wasmill_test_support::RegistryApi;
use wasmill_test_support::payments::PAYMENT_SCHEMA;
use wasmill_test_support::shared_broker;
use wasmill_test_support::shared_registry;
use wasmill_test_support::unique_name;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 4;
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The servers that `cargo xtask bench` has started, else ones of our own.
#[derive(Debug, Clone)]
pub struct Servers {
    pub kafka: KafkaClient,
    pub registry: RegistryApi,
}

/// A topic of payments, and the id of their schema.
#[derive(Debug, Clone)]
pub struct PaymentsTopic {
    pub name: String,
    pub schema: u32,
}

impl Servers {
    /// # Errors
    /// When they cannot be started.
    pub fn find() -> anyhow::Result<Self> {
        Ok(Self { kafka: shared_broker()?, registry: shared_registry()? })
    }

    /// An empty topic with the schema of payments registered for it.
    ///
    /// # Errors
    /// When a server refuses.
    pub fn payments_topic(&self) -> anyhow::Result<PaymentsTopic> {
        let name = self.topic("payments")?;
        let schema = self.registry.register_avro(&format!("{name}-value"), PAYMENT_SCHEMA)?;
        Ok(PaymentsTopic { name, schema })
    }

    /// An empty topic of its own name.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn topic(&self, prefix: &str) -> anyhow::Result<String> {
        let name = unique_name(prefix);
        self.kafka.create_topic(&name, PARTITIONS, &[])?;
        Ok(name)
    }

    /// Id of the newest schema of a topic's values.
    ///
    /// # Errors
    /// When none is registered.
    pub fn value_schema(&self, topic: &str) -> anyhow::Result<u32> {
        let answer = self.registry.call("GET", &format!("/subjects/{topic}-value/versions/latest"), None)?;
        let id = answer.get("id").and_then(Value::as_u64).context("a schema without an id")?;
        Ok(u32::try_from(id)?)
    }

    /// A consumer of every partition of a topic from its first record on, outside of any group.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn reader(&self, topic: &str) -> anyhow::Result<BaseConsumer> {
        let consumer: BaseConsumer = self
            .kafka
            .settings()
            .set("group.id", "wasmill-bench-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            // Not `Offset::Beginning`: the client resolves that half a second later.
            let (first, _) = consumer.fetch_watermarks(topic, partition, REQUEST_MAX)?;
            list.add_partition_offset(topic, partition, Offset::Offset(first))?;
        }
        consumer.assign(&list)?;
        Ok(consumer)
    }
}

/// Watches how far a consumer group has come.
pub struct Progress {
    consumer: BaseConsumer,
    list: TopicPartitionList,
    ends: Vec<i64>,
}

impl Progress {
    /// Of this group in this topic, as long as the topic is now.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn of(servers: &Servers, group: &str, topic: &str) -> anyhow::Result<Self> {
        let consumer: BaseConsumer =
            servers.kafka.settings().set("group.id", group).set("enable.auto.commit", "false").create()?;
        let mut list = TopicPartitionList::new();
        let mut ends = Vec::new();
        for partition in 0..PARTITIONS {
            let (_, end) = consumer.fetch_watermarks(topic, partition, REQUEST_MAX)?;
            list.add_partition(topic, partition);
            ends.push(end);
        }
        Ok(Self { consumer, list, ends })
    }

    /// Whether every partition is committed to its end.
    fn is_done(&self) -> Result<bool, KafkaError> {
        let committed = self.consumer.committed_offsets(self.list.clone(), REQUEST_MAX)?;
        let committed = committed.elements();
        let offsets = committed.iter().map(|element| match element.offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        });
        Ok(offsets.zip(&self.ends).all(|(offset, end)| offset >= *end))
    }

    /// Waits until every partition is committed to its end, looking after `is_alive` meanwhile.
    ///
    /// # Errors
    /// When it takes longer than `limit`, or `is_alive` fails.
    pub fn wait(
        &self,
        limit: Duration,
        mut is_alive: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + limit;
        loop {
            // A broker that has just started has no coordinator for a moment.
            let answer = self.is_done();
            if let Ok(true) = answer {
                return Ok(());
            }
            is_alive()?;
            if Instant::now() > until {
                answer.context("the broker does not tell the group's offsets")?;
                anyhow::bail!("the group has not read its topic within {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The pipeline that filters payments, as its file has it. `transform` is `{ "file": ... }` or
/// `{ "name": ... }`.
#[must_use]
pub fn pipeline(name: &str, transform: Value, input: &str, output: &str, more: Value) -> Value {
    let mut document = json!({
        "version": 1,
        "name": name,
        "transform": transform,
        "inputs": { "payments": { "topic": input, "key": "text", "value": "avro" } },
        "outputs": { "large_payments": { "topic": output, "key": "text", "value": "avro" } },
    });
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
    document
}
