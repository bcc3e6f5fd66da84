//! Numbers to columns and back.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::Int64Array;

use crate::model::failure::BadRecord;
use crate::model::failure::Stage;
use crate::model::ids::SchemaId;
use crate::model::record_batch::RawRecords;
use crate::model::record_batch::Rows;
use crate::model::state::Timer;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::bad;
use crate::pipeline::fakes::records::number;
use crate::pipeline::ports::DecodeFailure;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::Decoder;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::EncodedPart;
use crate::pipeline::ports::Encoder;
use crate::pipeline::ports::Letter;
use crate::pipeline::ports::LetterFormat;

pub(crate) struct FakeDecoder(pub(crate) Shared);

impl Decoder for FakeDecoder {
    fn decode(
        &mut self,
        records: &dyn RawRecords,
        range: Range<usize>,
        skip: &[usize],
    ) -> Result<Decoded, DecodeFailure> {
        let mut world = self.0.borrow_mut();
        if let Some(left @ 1..) = world.pending.get_mut(&records.topic_partition().partition.0) {
            *left -= 1;
            return Err(DecodeFailure::SchemaPending(7));
        }
        world.decoded += range.len();
        let (mut rows, mut values, mut undecodable) = (Vec::new(), Vec::new(), Vec::new());
        for index in range.clone().filter(|index| !skip.contains(index)) {
            let value = number(records.value(index).expect("in range"));
            if world.undecodable.contains(&value) {
                undecodable.push((index as u32, bad("avro-invalid", Stage::ValueDecode)));
            } else {
                rows.push(index as u32);
                values.push(value);
            }
        }
        let keys: BinaryArray = rows.iter().map(|index| records.key(*index as usize)).collect();
        let times: Int64Array = rows.iter().map(|index| records.timestamp(*index as usize)).collect();
        let columns = Rows {
            count: rows.len(),
            key: Some(Arc::new(keys)),
            value: Some(Arc::new(Int64Array::from(values))),
            timestamp: Some(Arc::new(times)),
            ..Rows::default()
        };
        Ok(Decoded { rows: columns, schema: None, records: rows, bad: undecodable, end: range.end })
    }
}

/// Big-endian, eight bytes.
pub(crate) struct FakeEncoder(pub(crate) Shared);

impl Encoder for FakeEncoder {
    fn encode(
        &mut self,
        column: &ArrayRef,
        _: Option<SchemaId>,
        out: &mut EncodedPart,
    ) -> Result<Vec<(u32, BadRecord)>, EncodeFailure> {
        let values = column.as_any().downcast_ref::<Int64Array>().expect("numbers");
        let mut refused = Vec::new();
        for (row, value) in (0..).zip(values.values()) {
            let unencodable = self.0.borrow().unencodable.contains(value);
            if unencodable {
                refused.push((row, bad("encode", Stage::ValueEncode)));
            } else {
                out.bytes.extend_from_slice(&value.to_be_bytes());
            }
            out.end_entry(unencodable);
        }
        if self.0.borrow().encoded_bytes_max.is_some_and(|max| out.bytes.len() > max) {
            return Err(EncodeFailure::TooLarge(bad("encode-too-large", Stage::ValueEncode)));
        }
        Ok(refused)
    }
}

pub(crate) struct FakeLetters;

impl LetterFormat for FakeLetters {
    fn letter(&self, records: &dyn RawRecords, index: usize, cause: &BadRecord, bytes_max: usize) -> Letter {
        let mut headers = vec![("own".to_owned(), None), (cause.code.0.to_owned(), None)];
        let value = records.value(index).filter(|value| value.len() < bytes_max);
        if value.is_none() {
            headers.push(("omitted".to_owned(), None));
        }
        let key = records.key(index).map(<[u8]>::to_vec);
        Letter { key, value: value.map(<[u8]>::to_vec), timestamp: None, headers }
    }
    fn timer_letter(&self, timer: &Timer<'_>, cause: &BadRecord) -> Letter {
        let headers = vec![(cause.code.0.to_owned(), None), (cause.stage.as_str().to_owned(), None)];
        Letter { key: Some(timer.key.to_vec()), value: None, timestamp: None, headers }
    }
}
