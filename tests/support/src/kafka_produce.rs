//! Writing records, in transactions or not.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::message::Header;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::BaseProducer;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer;
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaErrorCode;

use crate::kafka_client::KafkaClient;
use crate::kafka_client::REQUEST_LIMIT;
use crate::record::TestRecord;

/// Remembers the first record that the broker refused.
#[derive(Clone, Default)]
struct Deliveries {
    first_failure: Arc<Mutex<Option<String>>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result
            && let Ok(mut first) = self.first_failure.lock()
        {
            first.get_or_insert_with(|| format!("{error} (partition {})", message.partition()));
        }
    }
}

impl KafkaClient {
    /// Writes the records in order, and returns when the broker has acknowledged all of them.
    ///
    /// # Errors
    /// The broker refused one, or did not answer within 30 s.
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = TestRecord>) -> Result<()> {
        let deliveries = Deliveries::default();
        let producer = self.producer(&deliveries, None)?;
        send(&producer, topic, records)?;
        producer.flush(REQUEST_LIMIT).with_context(|| format!("write to {topic}"))?;
        deliveries.check(topic)
    }

    /// As [`Self::produce`], in one transaction that ends in good order.
    ///
    /// # Errors
    /// As of [`Self::produce`], or the transaction is fenced.
    pub fn produce_committed(
        &self,
        transactional_id: &str,
        topic: &str,
        records: impl IntoIterator<Item = TestRecord>,
    ) -> Result<()> {
        let deliveries = Deliveries::default();
        let producer = self.producer(&deliveries, Some(transactional_id))?;
        producer.init_transactions(REQUEST_LIMIT).context("start a transactional producer")?;
        producer.begin_transaction().context("begin a transaction")?;
        send(&producer, topic, records)?;
        producer
            .commit_transaction(REQUEST_LIMIT)
            .with_context(|| format!("commit a transaction on {topic}"))?;
        deliveries.check(topic)
    }

    /// As [`Self::produce_committed`], but the transaction is aborted once all records lie in the log.
    ///
    /// # Errors
    /// As of [`Self::produce_committed`].
    pub fn produce_aborted(
        &self,
        transactional_id: &str,
        topic: &str,
        records: impl IntoIterator<Item = TestRecord>,
    ) -> Result<()> {
        let deliveries = Deliveries::default();
        let producer = self.producer(&deliveries, Some(transactional_id))?;
        producer.init_transactions(REQUEST_LIMIT).context("start a transactional producer")?;
        producer.begin_transaction().context("begin a transaction")?;
        send(&producer, topic, records)?;
        producer.flush(REQUEST_LIMIT).with_context(|| format!("write to {topic}"))?;
        deliveries.check(topic)?;
        producer.abort_transaction(REQUEST_LIMIT).with_context(|| format!("abort a transaction on {topic}"))
    }

    fn producer(
        &self,
        deliveries: &Deliveries,
        transactional_id: Option<&str>,
    ) -> Result<BaseProducer<Deliveries>> {
        let mut settings = self.settings();
        settings
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "2")
            .set("message.timeout.ms", "30000");
        match transactional_id {
            Some(id) => settings.set("transactional.id", id),
            // In order without idempotence, which costs half a second at the start.
            None => settings.set("acks", "all").set("max.in.flight.requests.per.connection", "1"),
        };
        settings.create_with_context(deliveries.clone()).context("start a producer")
    }
}

impl Deliveries {
    fn check(&self, topic: &str) -> Result<()> {
        match self.first_failure.lock().ok().and_then(|mut first| first.take()) {
            Some(failure) => bail!("the broker refused a record for {topic}: {failure}"),
            None => Ok(()),
        }
    }
}

fn send(
    producer: &BaseProducer<Deliveries>,
    topic: &str,
    records: impl IntoIterator<Item = TestRecord>,
) -> Result<()> {
    for record in records {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        let mut pending: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        pending.partition = record.partition;
        pending.key = record.key.as_deref();
        pending.payload = record.value.as_deref();
        pending.timestamp = record.timestamp_ms;
        pending.headers = (!record.headers.is_empty()).then_some(headers);
        while let Err((error, refused)) = producer.send(pending) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error).with_context(|| format!("write to {topic}"));
            }
            producer.poll(Duration::from_millis(10));
            pending = refused;
        }
        producer.poll(Duration::ZERO);
    }
    Ok(())
}
