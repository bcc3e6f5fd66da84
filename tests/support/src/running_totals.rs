//! The running totals of payments per account, with a model of outputs and state.

use std::collections::BTreeMap;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use wasmill::state::format::GROUP_BYTES;
use wasmill::state::format::StoredValue;
use wasmill::state::format::split_state_key;

use crate::kafka_client::KafkaClient;
use crate::payments::PAYMENT_SCHEMA;
use crate::payments::Payment;
use crate::payments::frame;
use crate::payments::take_long;
use crate::payments::take_text;
use crate::record::ConsumedRecord;
use crate::record::TestRecord;
use crate::registry::RegistryApi;
use crate::test_pipeline::TestPipeline;

/// A pipeline of the guest `running-totals`.
#[derive(Debug)]
pub struct RunningTotals {
    pub pipeline: TestPipeline,
    schema: u32,
}

/// What an account has paid, and in how many payments.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    pub total: f64,
    pub count: i64,
}

/// The totals of every account after each of its payments, in their order.
pub type Histories = BTreeMap<String, Vec<Totals>>;

impl RunningTotals {
    /// On the shared servers.
    ///
    /// # Errors
    /// When a server or the guest is missing.
    pub fn new(partitions: i32) -> Result<Self> {
        Self::of(TestPipeline::new("running-totals", partitions)?)
    }

    /// The same on servers of the test's choice.
    ///
    /// # Errors
    /// When a server refuses, or the guest cannot be built.
    pub fn on(kafka: KafkaClient, registry: RegistryApi, partitions: i32) -> Result<Self> {
        Self::of(TestPipeline::on(kafka, registry, "running-totals", partitions)?)
    }

    fn of(pipeline: TestPipeline) -> Result<Self> {
        let pipeline = pipeline
            .input("payments", "key: text, value: avro")?
            .output("running_totals", "key: text, value: avro")?;
        let subject = format!("{}-value", pipeline.in_topic("payments"));
        let schema = pipeline.registry.register_avro(&subject, PAYMENT_SCHEMA)?;
        Ok(Self { pipeline, schema })
    }

    /// Adds lines to the pipeline file.
    #[must_use]
    pub fn with(self, lines: &str) -> Self {
        Self { pipeline: self.pipeline.with(lines), ..self }
    }

    /// The changelog of a store, also of one of the host's own.
    #[must_use]
    pub fn changelog(&self, store: &str) -> String {
        format!("{}.{store}.changelog", self.pipeline.group())
    }

    /// Writes payments, keyed by account.
    ///
    /// # Errors
    /// When the broker does not take them.
    pub fn feed<'a>(&self, payments: impl IntoIterator<Item = &'a Payment>) -> Result<()> {
        let record = |payment: &Payment| {
            TestRecord::new(payment.account.as_bytes(), payment.encode(self.schema)).at(payment.ts)
        };
        let records: Vec<TestRecord> = payments.into_iter().map(record).collect();
        self.pipeline.kafka.produce(&self.pipeline.in_topic("payments"), records)
    }

    /// The model: what the outputs of these payments are, and so what the state is in the end.
    #[must_use]
    pub fn expected<'a>(payments: impl IntoIterator<Item = &'a Payment>) -> Histories {
        let mut histories = Histories::new();
        for payment in payments {
            let history = histories.entry(payment.account.clone()).or_default();
            let before = history.last().copied().unwrap_or_default();
            history.push(Totals { total: before.total + payment.amount, count: before.count + 1 });
        }
        histories
    }

    /// The outputs that a reader of committed records sees.
    ///
    /// # Errors
    /// When one is not what the transform writes.
    pub fn outputs(&self) -> Result<Histories> {
        let topic = self.pipeline.out_topic("running_totals");
        let mut histories = Histories::new();
        for record in self.pipeline.kafka.read_committed(&topic)? {
            let (account, totals) = output(&record)?;
            histories.entry(account).or_default().push(totals);
        }
        Ok(histories)
    }

    /// The state as the changelog has it: the newest committed value of every account.
    ///
    /// # Errors
    /// When a record is not one that the host writes.
    pub fn state(&self) -> Result<BTreeMap<String, Totals>> {
        let mut state = BTreeMap::new();
        for record in self.pipeline.kafka.read_committed(&self.changelog("totals"))? {
            let key = record.key.context("a record of a changelog without a key")?;
            let state_key = key.get(GROUP_BYTES..).context("a key of a changelog without a key group")?;
            let (key, suffix) = split_state_key(state_key)?;
            ensure!(suffix.is_empty(), "a key with the suffix {suffix:?}");
            let account = String::from_utf8(key.to_vec())?;
            match record.value {
                Some(value) => {
                    let value = StoredValue::parse(&value)?;
                    state.insert(account, totals(value.body)?);
                }
                None => {
                    state.remove(&account);
                }
            }
        }
        Ok(state)
    }

    /// Fails with the first account whose outputs or state are not those of the model.
    ///
    /// # Errors
    /// When they differ.
    pub fn compare(&self, payments: &[Payment]) -> Result<()> {
        let expected = Self::expected(payments);
        let outputs = self.outputs()?;
        ensure!(
            outputs.keys().eq(expected.keys()),
            "outputs of {} accounts, expected {}",
            outputs.len(),
            expected.len()
        );
        for (account, history) in &expected {
            let found = &outputs[account];
            let differs = history.iter().zip(found).position(|(expected, found)| expected != found);
            ensure!(
                found.len() == history.len() && differs.is_none(),
                "`{account}` has {} outputs, expected {}; the first that differs: {:?}",
                found.len(),
                history.len(),
                differs.map(|at| (at, found[at], history[at]))
            );
        }
        let state = self.state()?;
        let last = expected.iter().map(|(account, history)| (account, history[history.len() - 1]));
        for (account, expected) in last {
            let found = state.get(account).copied();
            ensure!(found == Some(expected), "the state of `{account}` is {found:?}, expected {expected:?}");
        }
        ensure!(
            state.len() == expected.len(),
            "state of {} accounts, expected {}",
            state.len(),
            expected.len()
        );
        let letters = self.pipeline.kafka.read_committed(&self.pipeline.letters())?;
        ensure!(letters.is_empty(), "{} payments were set aside", letters.len());
        Ok(())
    }
}

/// `RunningTotal`: account, total, count.
fn output(record: &ConsumedRecord) -> Result<(String, Totals)> {
    let value = record.value.as_deref().context("an output without a value")?;
    let (_, body) = value.split_at_checked(frame(0).len()).context("an output without a frame")?;
    let mut body = body;
    let account = take_text(&mut body)?;
    ensure!(record.key.as_deref() == Some(account.as_bytes()), "an output of `{account}` under another key");
    Ok((account, totals(body)?))
}

/// A double and a long, and nothing else.
fn totals(body: &[u8]) -> Result<Totals> {
    let (total, rest) = body.split_first_chunk::<8>().context("totals that are cut off")?;
    let mut rest = rest;
    let count = take_long(&mut rest)?;
    ensure!(rest.is_empty(), "{} bytes after the totals", rest.len());
    Ok(Totals { total: f64::from_le_bytes(*total), count })
}
