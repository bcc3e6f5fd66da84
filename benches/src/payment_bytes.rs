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

/// A run of Confluent-framed payments, without keys.
#[derive(Debug)]
pub struct PaymentBytes {
    at: TopicPartition,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl PaymentBytes {
    /// The next `count` payments.
    pub fn next(payments: &mut Payments, count: usize) -> Self {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut run = Self {
            at: TopicPartition { topic: "payments".into(), partition: Partition(0) },
            bytes: Vec::new(),
            ends: Vec::with_capacity(count),
        };
        for _ in 0..count {
            payments.write_next(&mut key, &mut value);
            run.bytes.extend_from_slice(&value);
            run.ends.push(run.bytes.len());
        }
        run
    }
}

impl RawRecords for PaymentBytes {
    fn topic_partition(&self) -> &TopicPartition {
        &self.at
    }
    fn len(&self) -> usize {
        self.ends.len()
    }
    fn offset(&self, index: usize) -> Offset {
        Offset(index as i64)
    }
    fn key(&self, _: usize) -> Option<&[u8]> {
        None
    }
    fn value(&self, index: usize) -> Option<&[u8]> {
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.bytes.get(start..*self.ends.get(index)?)
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
    let binding = InputBinding::stream("payments", part(Format::Raw), part(Format::Avro));
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
