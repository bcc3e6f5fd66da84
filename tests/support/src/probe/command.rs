//! What the probe is told to do.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::avro;
use crate::payments::frame;
use crate::payments::long;
use crate::payments::take_long;
use crate::payments::take_text;
use crate::payments::text;
use crate::record::ConsumedRecord;
use crate::record::TestRecord;

/// Schema of the input.
pub(super) const COMMAND_SCHEMA: &str = r#"{"type":"record","name":"Command","namespace":"wasmill.probe","fields":[
{"name":"operation","type":{"type":"enum","name":"Operation","symbols":["Get","Add","Delete","MapGet","MapPut",
"MapDelete","MapScan","MapClear","FadingGet","FadingPut","FadingScan","Push","Pop","Elements","IsFirst",
"CountPartition","Register","Cancel","RegisterProcessing","CancelProcessing","Fired"]}},
{"name":"entry","type":"string"},{"name":"value","type":"long"},{"name":"at","type":"long"},
{"name":"reject","type":"boolean"}]}"#;

/// As of the guest; see there what each does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Get,
    Add,
    Delete,
    MapGet,
    MapPut,
    MapDelete,
    MapScan,
    MapClear,
    FadingGet,
    FadingPut,
    FadingScan,
    Push,
    Pop,
    Elements,
    IsFirst,
    CountPartition,
    Register,
    Cancel,
    /// Processing time is nothing that a model could know: not sent.
    RegisterProcessing,
    CancelProcessing,
    /// Only in answers.
    Fired,
}

impl Operation {
    const ALL: [Self; 21] = [
        Self::Get,
        Self::Add,
        Self::Delete,
        Self::MapGet,
        Self::MapPut,
        Self::MapDelete,
        Self::MapScan,
        Self::MapClear,
        Self::FadingGet,
        Self::FadingPut,
        Self::FadingScan,
        Self::Push,
        Self::Pop,
        Self::Elements,
        Self::IsFirst,
        Self::CountPartition,
        Self::Register,
        Self::Cancel,
        Self::RegisterProcessing,
        Self::CancelProcessing,
        Self::Fired,
    ];

    /// By its index in the schema.
    pub(super) fn of(index: i64) -> Result<Self> {
        let found = usize::try_from(index).ok().and_then(|index| Self::ALL.get(index));
        found.copied().with_context(|| format!("no operation {index}"))
    }
}

/// A record of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub key: String,
    pub operation: Operation,
    pub entry: String,
    pub value: i64,
    /// Event time, milliseconds; the record's timestamp too.
    pub at: i64,
    /// It is set aside after it was done.
    pub reject: bool,
}

impl Command {
    pub(super) fn record(&self, schema: u32, partition: i32) -> TestRecord {
        let mut value = frame(schema);
        long(&mut value, self.operation as i64);
        text(&mut value, &self.entry);
        long(&mut value, self.value);
        long(&mut value, self.at);
        value.push(u8::from(self.reject));
        TestRecord::new(self.key.as_bytes(), value).at(self.at).on(partition)
    }

    /// Reads back what lies in the topic.
    pub(super) fn of(record: &ConsumedRecord) -> Result<Self> {
        let (_, mut body) = avro::split(record.value.as_deref().context("a command without a value")?)?;
        let operation = Operation::of(take_long(&mut body)?)?;
        let entry = take_text(&mut body)?;
        let (value, at) = (take_long(&mut body)?, take_long(&mut body)?);
        ensure!(body.len() == 1, "{} bytes at the end of a command", body.len());
        let key = String::from_utf8(record.key.clone().context("a command without a key")?)?;
        Ok(Self { key, operation, entry, value, at, reject: body == [1] })
    }
}
