//! Payments as the codecs see them: raw records of a partition, and the codecs bound to their schema.

use std::sync::Arc;

use anyhow::Context as _;
use wasmill::codec::decode::InputDecoder;
use wasmill::codec::encode::PartEncoder;
use wasmill::codec::encode::Registration;
use wasmill::codec::writer_schemas::WriterSchema;
use wasmill::codec::writer_schemas::WriterSchemas;
use wasmill::codec::writer_schemas::WriterText;
use wasmill::model::failure::Stage;
use wasmill::model::ids::RegistryId;
use wasmill::model::manifest::InputPort;
use wasmill::model::manifest::Manifest;
use wasmill::model::pipeline_spec::Format;
use wasmill::model::pipeline_spec::InputBinding;
use wasmill::model::pipeline_spec::PartBinding;
use wasmill::model::position::Offset;
use wasmill::model::position::Partition;
use wasmill::model::position::TopicPartition;
use wasmill::model::record_batch::RawRecords;
use wasmill::model::schema_table::SchemaTable;
use wasmill_test_support::payments::PAYMENT_SCHEMA;

use crate::native_workload::Payments;

/// Id in front of the input's values.
pub const INPUT_SCHEMA: u32 = 1;
/// Id in front of the output's values.
pub const OUTPUT_SCHEMA: u32 = 2;

/// A run of Confluent-framed payments, with or without keys.
#[derive(Debug)]
pub struct PaymentBytes {
    at: TopicPartition,
    values: Entries,
    /// Empty without keys.
    keys: Entries,
}

/// Byte strings, one after another.
#[derive(Debug, Default)]
struct Entries {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Entries {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.bytes.get(start..*self.ends.get(index)?)
    }
}

impl PaymentBytes {
    /// The next `count` payments, without keys.
    pub fn next(payments: &mut Payments, count: usize) -> Self {
        Self { keys: Entries::default(), ..Self::next_with_keys(payments, count) }
    }

    /// The next `count` payments, keyed by their accounts.
    pub fn next_with_keys(payments: &mut Payments, count: usize) -> Self {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let at = TopicPartition { topic: "payments".into(), partition: Partition(0) };
        let mut run = Self { at, values: Entries::default(), keys: Entries::default() };
        for _ in 0..count {
            payments.write_next(&mut key, &mut value);
            run.values.push(&value);
            run.keys.push(&key);
        }
        run
    }
}

impl RawRecords for PaymentBytes {
    fn topic_partition(&self) -> &TopicPartition {
        &self.at
    }
    fn len(&self) -> usize {
        self.values.ends.len()
    }
    fn offset(&self, index: usize) -> Offset {
        Offset(index as i64)
    }
    fn key(&self, index: usize) -> Option<&[u8]> {
        self.keys.get(index)
    }
    fn value(&self, index: usize) -> Option<&[u8]> {
        self.values.get(index)
    }
    fn timestamp(&self, _: usize) -> Option<i64> {
        None
    }
    fn headers(&self, _: usize, _: &mut dyn FnMut(&str, Option<&[u8]>)) {}
    fn has_headers(&self, _: usize) -> bool {
        false
    }
}

/// A registry that has answered already.
#[derive(Debug)]
struct Known(Arc<WriterText>);

impl WriterSchemas for Known {
    fn get(&self, _: u32, _: Option<std::time::Instant>) -> WriterSchema {
        WriterSchema::Ready(Arc::clone(&self.0))
    }
}

/// The host's decoder of payments, for the first input of a transform.
///
/// # Errors
/// When the transform does not read payments.
pub fn decoder(manifest: &Manifest) -> anyhow::Result<InputDecoder> {
    let port: &InputPort = manifest.inputs.first().context("a transform without inputs")?;
    let part = |format| PartBinding { format, subject: None };
    // Where the transform reads keys, they are accounts.
    let key = if port.key.is_some() { Format::Text } else { Format::Raw };
    let binding = InputBinding::stream("payments", part(key), part(Format::Avro));
    let text = WriterText { text: PAYMENT_SCHEMA.to_owned(), references: Vec::new() };
    let schemas: Arc<dyn WriterSchemas> = Arc::new(Known(Arc::new(text)));
    InputDecoder::new(port, &binding, &schemas, &Arc::new(SchemaTable::default()))
        .map_err(|refusal| anyhow::anyhow!("{refusal}"))
}

/// The host's Avro encoder of the first output of a transform.
///
/// # Errors
/// When the transform has none.
pub fn encoder(manifest: &Manifest) -> anyhow::Result<PartEncoder> {
    let port = manifest.outputs.first().context("a transform without outputs")?;
    let registration = Registration::Id(RegistryId(OUTPUT_SCHEMA));
    PartEncoder::new(&port.value, Format::Avro, Stage::ValueEncode, "outputs.out.value", registration)
        .map_err(|refusal| anyhow::anyhow!("{refusal}"))
}
