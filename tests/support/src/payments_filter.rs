//! The guest `payments-filter` on topics of its own, with its reference.

use std::collections::BTreeMap;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::payments::PAYMENT_SCHEMA;
use crate::payments::Payment;
use crate::payments::frame;
use crate::record::ConsumedRecord;
use crate::record::TestRecord;
use crate::test_pipeline::TestPipeline;

/// Session and transaction timeouts that let a killed worker's successor start soon: lines of a pipeline
/// file.
pub const FAST_TIMEOUTS: &str = "kafka: { session.timeout.ms: \"6000\", transaction.timeout.ms: \"4000\" }";

/// How often each (key, value without frame, timestamp) occurs.
pub type Outputs = BTreeMap<(Vec<u8>, Vec<u8>, Option<i64>), u64>;

/// A pipeline from `payments` to `large_payments` on the shared servers, and the id of the payments'
/// schema.
///
/// # Errors
/// When a server or the guest is missing.
pub fn pipeline(partitions: i32) -> Result<(TestPipeline, u32)> {
    registered(bound(TestPipeline::new("payments-filter", partitions)?)?)
}

/// Binds the ports of the guest; its schemas are nowhere yet.
///
/// # Errors
/// When the broker refuses a topic.
pub fn bound(pipeline: TestPipeline) -> Result<TestPipeline> {
    pipeline.input("payments", "key: text, value: avro")?.output("large_payments", "key: text, value: avro")
}

/// Registers the payments' schema.
///
/// # Errors
/// When the registry refuses it.
pub fn registered(pipeline: TestPipeline) -> Result<(TestPipeline, u32)> {
    let subject = format!("{}-value", pipeline.in_topic("payments"));
    let id = pipeline.registry.register_avro(&subject, PAYMENT_SCHEMA)?;
    Ok((pipeline, id))
}

/// The record of a payment: keyed by account, timed by its `ts`.
#[must_use]
pub fn record(payment: &Payment, schema: u32) -> TestRecord {
    TestRecord::new(payment.account.as_bytes(), payment.encode(schema)).at(payment.ts)
}

/// Writes payments.
///
/// # Errors
/// When the broker does not take them.
pub fn feed(pipeline: &TestPipeline, schema: u32, payments: &[Payment]) -> Result<()> {
    let records = payments.iter().map(|payment| record(payment, schema));
    pipeline.kafka.produce(&pipeline.in_topic("payments"), records)
}

/// Writes payments to one partition.
///
/// # Errors
/// When the broker does not take them.
pub fn feed_to(pipeline: &TestPipeline, schema: u32, payments: &[Payment], partition: i32) -> Result<()> {
    let records = payments.iter().map(|payment| record(payment, schema).on(partition));
    pipeline.kafka.produce(&pipeline.in_topic("payments"), records)
}

/// Fails unless every output that is due stands there once, and there is no dead letter.
///
/// # Errors
/// What is missing and what is too often there.
pub fn check_outputs(pipeline: &TestPipeline, payments: &[Payment]) -> Result<()> {
    compare(&expected(payments), &outputs(pipeline)?)?;
    let letters = pipeline.kafka.read_committed(&pipeline.letters())?;
    ensure!(
        letters.is_empty(),
        "no payment is bad, and there are {} dead letters: {letters:?}",
        letters.len()
    );
    Ok(())
}

/// The outputs that a reader of committed records sees.
///
/// # Errors
/// As of [`found`].
pub fn outputs(pipeline: &TestPipeline) -> Result<Outputs> {
    found(&pipeline.kafka.read_committed(&pipeline.out_topic("large_payments"))?)
}

/// What the outputs of these payments must be.
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
        let (header, body) = value.split_at_checked(frame(0).len()).context("an output without a frame")?;
        let first = first.get_or_insert_with(|| header.to_vec());
        ensure!(first == header, "outputs of two schemas: {first:?} and {header:?}");
        let key = record.key.clone().context("an output without a key")?;
        *found.entry((key, body.to_vec(), record.timestamp_ms)).or_default() += 1;
    }
    Ok(found)
}

/// Fails unless both are the same.
///
/// # Errors
/// How many outputs are missing, and how many there are too many.
pub fn compare(expected: &Outputs, found: &Outputs) -> Result<()> {
    let beyond = |these: &Outputs, those: &Outputs| -> u64 {
        these.iter().map(|(output, times)| times.saturating_sub(*those.get(output).unwrap_or(&0))).sum()
    };
    let (missing, extra) = (beyond(expected, found), beyond(found, expected));
    ensure!(missing == 0 && extra == 0, "{missing} outputs are missing and {extra} are too many");
    Ok(())
}
