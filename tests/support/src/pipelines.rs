//! The payments pipeline on topics of its own, with its reference.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;

use crate::guests::guest;
use crate::kafka_client::KafkaClient;
use crate::names::unique_name;
use crate::payments::PAYMENT_SCHEMA;
use crate::payments::Payment;
use crate::payments::frame;
use crate::record::ConsumedRecord;
use crate::record::TestRecord;
use crate::registry::RegistryApi;
use crate::sidecar::SidecarPlan;

/// Topics, schemas and file of a payments pipeline.
#[derive(Debug, Clone)]
pub struct PaymentsPipeline {
    pub name: String,
    pub input: String,
    pub output: String,
    pub letters: String,
    pub schema_id: u32,
    pub partitions: i32,
    /// Lines added to the pipeline file.
    pub extra: String,
}

impl PaymentsPipeline {
    /// Creates topics and registers the input's schema.
    ///
    /// # Errors
    /// When a server refuses.
    pub fn create(kafka: &KafkaClient, registry: &RegistryApi, partitions: i32) -> Result<Self> {
        let name = unique_name("payments");
        let (input, output, letters) = (format!("{name}-in"), format!("{name}-out"), format!("{name}.dlq"));
        kafka.create_topic(&input, partitions, &[])?;
        kafka.create_topic(&output, partitions, &[])?;
        kafka.create_topic(&letters, partitions, &[])?;
        let schema_id = registry.register_avro(&format!("{input}-value"), PAYMENT_SCHEMA)?;
        Ok(Self { name, input, output, letters, schema_id, partitions, extra: String::new() })
    }

    /// The group of its workers.
    #[must_use]
    pub fn group(&self) -> String {
        format!("wasmill.default.{}", self.name)
    }

    /// The pipeline file.
    ///
    /// # Errors
    /// When the guest cannot be built.
    pub fn file(&self) -> Result<String> {
        let Self { name, input, output, extra, .. } = self;
        let component = guest("payments-filter")?;
        Ok(format!(
            "version: 1\nname: {name}\ntransform: {{ file: {component:?} }}\n\
             inputs:\n  payments: {{ topic: {input}, key: text, value: avro }}\n\
             outputs:\n  large_payments: {{ topic: {output}, key: text, value: avro }}\n{extra}"
        ))
    }

    /// A host that runs it.
    ///
    /// # Errors
    /// When the guest cannot be built.
    pub fn plan(
        &self,
        dir: &Path,
        kafka: &KafkaClient,
        registry: &RegistryApi,
        host: &str,
    ) -> Result<SidecarPlan> {
        Ok(SidecarPlan {
            dir: dir.to_owned(),
            brokers: kafka.address().to_owned(),
            registry: registry.url().to_owned(),
            host_id: host.to_owned(),
            pipeline: self.file()?,
            settings: Vec::new(),
        })
    }

    /// The record of a payment: keyed by account, timed by its `ts`.
    #[must_use]
    pub fn record(&self, payment: &Payment) -> TestRecord {
        TestRecord::new(payment.account.as_bytes(), payment.encode(self.schema_id)).at(payment.ts)
    }

    /// What the outputs must be: how often each (key, value without frame, timestamp) occurs.
    #[must_use]
    pub fn expected<'a>(payments: impl IntoIterator<Item = &'a Payment>) -> Outputs {
        let mut expected = Outputs::new();
        for payment in payments {
            if let Some(value) = payment.kept() {
                let key = payment.account.clone().into_bytes();
                *expected.entry((key, value, Some(payment.ts))).or_default() += 1;
            }
        }
        expected
    }

    /// The same of what was read. Every value must have the frame of one schema.
    ///
    /// # Errors
    /// When a value has no frame, or frames differ.
    pub fn found(records: &[ConsumedRecord]) -> Result<Outputs> {
        let mut found = Outputs::new();
        let mut first: Option<Vec<u8>> = None;
        for record in records {
            let value = record.value.as_deref().context("an output without a value")?;
            let (header, body) =
                value.split_at_checked(frame(0).len()).context("an output without a frame")?;
            let first = first.get_or_insert_with(|| header.to_vec());
            anyhow::ensure!(first == header, "outputs of two schemas: {first:?} and {header:?}");
            let key = record.key.clone().context("an output without a key")?;
            *found.entry((key, body.to_vec(), record.timestamp_ms)).or_default() += 1;
        }
        Ok(found)
    }

    /// Fails with what is missing and what is there too often.
    ///
    /// # Errors
    /// When the two differ.
    pub fn compare(expected: &Outputs, found: &Outputs) -> Result<()> {
        let missing: u64 = expected.iter().map(|(k, n)| n.saturating_sub(*found.get(k).unwrap_or(&0))).sum();
        let extra: u64 = found.iter().map(|(k, n)| n.saturating_sub(*expected.get(k).unwrap_or(&0))).sum();
        anyhow::ensure!(missing == 0 && extra == 0, "{missing} outputs are missing and {extra} are too many");
        Ok(())
    }
}

/// How often each (key, value, timestamp) occurs.
pub type Outputs = BTreeMap<(Vec<u8>, Vec<u8>, Option<i64>), u64>;
