//! Decoding of a port's key or value.

use std::time::Instant;

use arrow_array::ArrayRef;

use crate::codec::avro::decode::Utf8;
use crate::codec::columns::Columns;
use crate::codec::columns::FinishError;
use crate::codec::decode::avro_part::AvroPart;
use crate::codec::decode::dynamic_part::DynamicPart;
use crate::codec::decode::plain_part::PlainPart;
use crate::codec::decode::raw_part::RawPart;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;
use crate::codec::json::JsonPart;
use crate::model::failure::BadRecord;
use crate::model::failure::Stage;
use crate::model::ids::SchemaId;
use crate::pipeline::ports::DecodeFailure;

/// Why a row was not appended. Nothing of it stays.
#[derive(Debug)]
pub(crate) enum PushFailure {
    Bad(BadRecord),
    /// The row needs a schema that is not there yet.
    Wait(DecodeFailure),
    /// The row needs another batch: another schema, or more room.
    Cut,
}

/// Decodes payloads, one row each, into one array.
#[derive(Debug)]
pub(crate) enum PartDecoder {
    Avro(AvroPart),
    Dynamic(DynamicPart),
    Json(JsonPart),
    Plain(PlainPart),
    Raw(RawPart),
}

/// The array of a part, with its schema on dynamic ports.
#[derive(Debug)]
pub(crate) struct PartArray {
    pub(crate) array: ArrayRef,
    pub(crate) schema: Option<SchemaId>,
}

impl PartDecoder {
    /// `received`: when the records came, if that is known.
    pub(crate) fn begin(&mut self, rows: usize, utf8: Utf8, received: Option<Instant>) {
        match self {
            Self::Avro(part) => part.begin(rows, utf8, received),
            Self::Dynamic(part) => part.begin(rows, utf8, received),
            Self::Json(part) => part.typed.begin(rows, utf8),
            Self::Plain(part) => part.typed.begin(rows, utf8),
            Self::Raw(part) => part.typed.begin(rows, utf8),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, payload: Option<&[u8]>) -> Result<(), PushFailure> {
        match self {
            Self::Avro(part) => part.push(payload),
            Self::Dynamic(part) => part.push(payload),
            Self::Json(part) => part.push(payload),
            Self::Plain(part) => part.push(payload),
            Self::Raw(part) => part.push(payload),
        }
    }

    /// Drops the rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Avro(part) => part.typed.columns.truncate(rows),
            Self::Dynamic(part) => part.truncate(rows),
            Self::Json(part) => part.typed.columns.truncate(rows),
            Self::Plain(part) => part.typed.columns.truncate(rows),
            Self::Raw(part) => part.typed.columns.truncate(rows),
        }
    }

    /// The rows as an array; the part is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<PartArray, FinishError> {
        let columns = match self {
            Self::Avro(part) => &mut part.typed.columns,
            Self::Json(part) => &mut part.typed.columns,
            Self::Plain(part) => &mut part.typed.columns,
            Self::Raw(part) => &mut part.typed.columns,
            Self::Dynamic(part) => return part.finish(),
        };
        Ok(PartArray { array: columns.finish()?, schema: None })
    }
}

/// What every part of a fixed type has.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) columns: Columns,
    pub(crate) stage: Stage,
    pub(crate) utf8: Utf8,
    pub(crate) trail: Trail,
}

impl Typed {
    pub(crate) fn new(columns: Columns, stage: Stage) -> Self {
        Self { columns, stage, utf8: Utf8::AtEnd, trail: Trail::default() }
    }

    pub(super) fn begin(&mut self, rows: usize, utf8: Utf8) {
        self.columns.clear();
        self.columns.reserve(rows);
        self.utf8 = utf8;
    }

    pub(crate) fn push_null(&mut self) -> Result<(), PushFailure> {
        let rows = self.columns.len();
        match self.columns.push_null() {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.fail(rows, fault, None)),
        }
    }

    /// Drops the unfinished row behind `rows` and says why.
    #[cold]
    pub(crate) fn fail(&mut self, rows: usize, fault: Fault, at: Option<usize>) -> PushFailure {
        self.columns.truncate(rows);
        fail(&mut self.trail, self.stage, rows, fault, at)
    }
}

/// The failure of a row. One that is too large for this batch may fit the next.
#[cold]
pub(crate) fn fail(
    trail: &mut Trail,
    stage: Stage,
    rows: usize,
    fault: Fault,
    at: Option<usize>,
) -> PushFailure {
    if fault == Fault::TooLarge && rows > 0 {
        return PushFailure::Cut;
    }
    let bad = trail.bad_record(fault, stage, at);
    trail.clear();
    PushFailure::Bad(bad)
}
