//! Kafka and the schema registry that the benches run beside, and what is set up there.

use std::time::Duration;

use anyhow::Context as _;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer as _;
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

    /// An empty topic of its own name for the changes of a state.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn changelog(&self) -> anyhow::Result<String> {
        let name = unique_name("changelog");
        self.kafka.create_topic(&name, PARTITIONS, &[("cleanup.policy", "compact")])?;
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

/// A pipeline that reads payments, as its file has it. `transform` is `{ "file": ... }` or
/// `{ "name": ... }`; the output is a port and its topic.
#[must_use]
pub fn pipeline(name: &str, transform: Value, input: &str, output: (&str, &str), more: Value) -> Value {
    let (port, topic) = output;
    let mut document = json!({
        "version": 1,
        "name": name,
        "transform": transform,
        "inputs": { "payments": { "topic": input, "key": "text", "value": "avro" } },
        "outputs": { port: { "topic": topic, "key": "text", "value": "avro" } },
    });
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
    document
}
