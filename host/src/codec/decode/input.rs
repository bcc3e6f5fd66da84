//! The decoder of one input port.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at deploy")]

use std::ops::Range;
use std::sync::Arc;

use crate::codec::avro::decode::Utf8;
use crate::codec::columns::Columns;
use crate::codec::columns::FinishError;
use crate::codec::decode::avro_part::AvroPart;
use crate::codec::decode::dynamic_part::DynamicPart;
use crate::codec::decode::part::PartArray;
use crate::codec::decode::part::PartDecoder;
use crate::codec::decode::part::PushFailure;
use crate::codec::decode::plain_part::PlainPart;
use crate::codec::decode::raw_part::RawPart;
use crate::codec::decode::roots;
use crate::codec::formats::Carried;
use crate::codec::formats::Direction;
use crate::codec::formats::carry;
use crate::codec::json::JsonPart;
use crate::codec::writer_schemas::WriterSchemas;
use crate::model::failure::Refusal;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::manifest::InputPort;
use crate::model::manifest::PartType;
use crate::model::pipeline_spec::Format;
use crate::model::pipeline_spec::InputBinding;
use crate::model::record_batch::RawRecords;
use crate::model::record_batch::Rows;
use crate::model::schema_table::SchemaTable;
use crate::pipeline::ports::DecodeFailure;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::Decoder;

/// Decodes the parts of a record that the manifest asks for.
#[derive(Debug)]
pub struct InputDecoder {
    key: Option<PartDecoder>,
    value: Option<PartDecoder>,
    timestamp: bool,
    headers: bool,
    offset: bool,
}

impl InputDecoder {
    /// # Errors
    /// When a part cannot be carried in its format (see [`formats`](crate::codec::formats)).
    pub fn new(
        port: &InputPort,
        binding: &InputBinding,
        schemas: &Arc<dyn WriterSchemas>,
        table: &Arc<SchemaTable>,
    ) -> Result<Self, Refusal> {
        let part = |part: &Option<PartType>, format: Format, stage: Stage, name: &str| match part {
            None => Ok(None),
            Some(part) => {
                let field = format!("inputs.{}.{name}", port.name);
                decoder(part, format, stage, &field, schemas, table).map(Some)
            }
        };
        Ok(Self {
            key: part(&port.key, binding.key.format, Stage::KeyDecode, "key")?,
            value: part(&port.value, binding.value.format, Stage::ValueDecode, "value")?,
            timestamp: port.timestamp,
            headers: port.headers,
            offset: port.offset,
        })
    }

    /// One pass over the records. None if some text is not UTF-8 and each must be looked at.
    fn pass(
        &mut self,
        records: &dyn RawRecords,
        range: &Range<usize>,
        skip: &[usize],
        utf8: Utf8,
    ) -> Result<Option<Decoded>, DecodeFailure> {
        let end = range.end.min(records.len());
        let expected = end.saturating_sub(range.start);
        for part in [&mut self.key, &mut self.value].into_iter().flatten() {
            part.begin(expected, utf8, records.received());
        }
        let mut skip = skip.iter().copied().skip_while(|index| *index < range.start).peekable();
        let mut decoded = Decoded {
            rows: Rows::default(),
            schema: None,
            records: Vec::with_capacity(expected),
            bad: Vec::new(),
            end,
        };
        for index in range.start..end {
            if skip.next_if_eq(&index).is_some() {
                continue;
            }
            match self.push(records, index, decoded.records.len()) {
                Ok(()) => decoded.records.push(index as u32),
                Err(PushFailure::Bad(bad)) => decoded.bad.push((index as u32, bad)),
                Err(PushFailure::Wait(failure)) if index == range.start => return Err(failure),
                Err(PushFailure::Wait(_) | PushFailure::Cut) => {
                    decoded.end = index;
                    break;
                }
            }
        }
        match self.finish(records, &decoded.records) {
            Ok((rows, schema)) => Ok(Some(Decoded { rows, schema, ..decoded })),
            Err(FinishError::Utf8) => Ok(None),
            Err(FinishError::Internal(why)) => Err(DecodeFailure::Stop(Stop::new(
                "codec-internal",
                format!("the decoded columns are invalid: {why}"),
                "Report this as a fault of Wasmill.",
            ))),
        }
    }

    #[inline]
    fn push(&mut self, records: &dyn RawRecords, index: usize, rows: usize) -> Result<(), PushFailure> {
        if let Some(key) = &mut self.key {
            key.push(records.key(index))?;
        }
        if let Some(value) = &mut self.value {
            let pushed = value.push(records.value(index));
            if pushed.is_err()
                && let Some(key) = &mut self.key
            {
                key.truncate(rows);
            }
            pushed?;
        }
        Ok(())
    }

    fn finish(
        &mut self,
        records: &dyn RawRecords,
        decoded: &[u32],
    ) -> Result<(Rows, Option<crate::model::ids::SchemaId>), FinishError> {
        let key = self.key.as_mut().map(PartDecoder::finish).transpose();
        let value = self.value.as_mut().map(PartDecoder::finish).transpose();
        let (key, value): (Option<PartArray>, Option<PartArray>) = (key?, value?);
        let schema = value.as_ref().and_then(|value| value.schema);
        let rows = Rows {
            count: decoded.len(),
            key: key.map(|key| key.array),
            value: value.map(|value| value.array),
            timestamp: self.timestamp.then(|| roots::timestamps(records, decoded)),
            headers: if self.headers { Some(roots::headers(records, decoded)?) } else { None },
            offset: self.offset.then(|| roots::offsets(records, decoded)),
        };
        Ok((rows, schema))
    }
}

impl Decoder for InputDecoder {
    fn decode(
        &mut self,
        records: &dyn RawRecords,
        range: Range<usize>,
        skip: &[usize],
    ) -> Result<Decoded, DecodeFailure> {
        if let Some(decoded) = self.pass(records, &range, skip, Utf8::AtEnd)? {
            return Ok(decoded);
        }
        // Rare: text is validated a batch at a time, and only now row by row.
        self.pass(records, &range, skip, Utf8::EachValue)?.ok_or_else(|| {
            DecodeFailure::Stop(Stop::new(
                "codec-internal",
                "text that was found valid is not",
                "Report this as a fault of Wasmill.",
            ))
        })
    }
}

fn decoder(
    part: &PartType,
    format: Format,
    stage: Stage,
    field: &str,
    schemas: &Arc<dyn WriterSchemas>,
    table: &Arc<SchemaTable>,
) -> Result<PartDecoder, Refusal> {
    let carried = carry(part, format, Direction::Input, field)?;
    let refuse = |error: &dyn std::fmt::Display| Refusal {
        code: crate::model::failure::Code("schema-invalid"),
        field: field.to_owned(),
        message: "the schema cannot be carried as columns".to_owned(),
        found: error.to_string(),
        expected: "a schema within the documented limits".to_owned(),
        remedy: "Change the port's schema.".to_owned(),
    };
    Ok(match carried {
        Carried::Raw => PartDecoder::Raw(RawPart::new(stage).map_err(|error| refuse(&error))?),
        Carried::Dynamic => PartDecoder::Dynamic(DynamicPart::new(stage, schemas.clone(), table.clone())),
        Carried::Avro(reader) => {
            let columns = Columns::new(&reader).map_err(|error| refuse(&error))?;
            PartDecoder::Avro(AvroPart::new(reader, columns, stage, schemas.clone()))
        }
        Carried::Json(reader) => {
            let columns = Columns::new(&reader).map_err(|error| refuse(&error))?;
            PartDecoder::Json(JsonPart::new(&reader, columns, stage).map_err(|error| refuse(&error))?)
        }
        Carried::Plain { reader, writer } => {
            let columns = Columns::new(&reader).map_err(|error| refuse(&error))?;
            let part = PlainPart::new(format, &writer, &reader, columns, stage);
            PartDecoder::Plain(part.map_err(|error| refuse(&error))?)
        }
    })
}
