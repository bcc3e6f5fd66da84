//! Durations.

use std::fmt;

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::NotNull;
use crate::avro_type::Read;
use crate::avro_type::Write;
use crate::body::Body;
use crate::body::BodyError;
use crate::body::Decode;
use crate::body::Encode;
use crate::body::Form;
use crate::body::Stored;
use crate::builder::FixedBuilder;
use crate::columns;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;

const NANOS_PER_MILLI: i64 = 1_000_000;
const INVALID: ColumnError =
    ColumnError::new("a duration is negative, over 2^32 ms, or no whole number of milliseconds");

const TOO_LONG: BodyError = BodyError::new("a duration has over 2^31 - 1 months or days");

/// `duration`: months, days and milliseconds, which do not convert into each other.
///
/// The column carries months and days as signed numbers, so 2^31 - 1 is the most of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Duration {
    months: u32,
    days: u32,
    millis: u32,
}

/// Months or days over 2^31 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationError(u32);

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration of {} months or days: {} is the most", self.0, i32::MAX)
    }
}

impl std::error::Error for DurationError {}

impl Duration {
    /// A duration of so many months, days and milliseconds.
    ///
    /// # Errors
    /// When months or days are over 2^31 - 1.
    pub fn new(months: u32, days: u32, millis: u32) -> Result<Self, DurationError> {
        let most = months.max(days);
        if most > i32::MAX as u32 { Err(DurationError(most)) } else { Ok(Self { months, days, millis }) }
    }

    /// Months.
    #[must_use]
    pub fn months(self) -> u32 {
        self.months
    }

    /// Days.
    #[must_use]
    pub fn days(self) -> u32 {
        self.days
    }

    /// Milliseconds.
    #[must_use]
    pub fn millis(self) -> u32 {
        self.millis
    }
}

impl AvroType for Duration {
    const KIND: Kind = Kind::Duration;

    fn schema(writer: &mut SchemaWriter) {
        writer.fixed("Duration", 12, Some("duration"));
    }
}

impl NotNull for Duration {}

impl<'a> Read<'a> for Duration {
    type Reader = &'a [[u8; 16]];

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        <[u8; 16]>::reader(columns, index, len)
    }

    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        let bytes = columns::value(reader, row, |bytes| u128::from_le_bytes(*bytes))?;
        // Months, days, nanoseconds: 32, 32, 64 bits.
        let (months, days, nanos) = (bytes as u32, (bytes >> 32) as u32, (bytes >> 64) as i64);
        let millis = u32::try_from(nanos / NANOS_PER_MILLI).map_err(|_| INVALID)?;
        if nanos % NANOS_PER_MILLI != 0 {
            return Err(INVALID);
        }
        Self::new(months, days, millis).map_err(|_| INVALID)
    }
}

impl Encode for Duration {
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        for part in [self.months, self.days, self.millis] {
            out.extend_from_slice(&part.to_le_bytes());
        }
        Ok(())
    }
}

impl<'a> Decode<'a> for Duration {
    fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        let mut part = || body.array().map(|bytes| u32::from_le_bytes(*bytes));
        let (months, days, millis) = (part()?, part()?, part()?);
        Self::new(months, days, millis).map_err(|_| TOO_LONG)
    }
}

impl Stored for Duration {
    type Of<'a> = Self;
    type Column = FixedBuilder<16>;
}

impl Write for Duration {
    type Builder = FixedBuilder<16>;

    fn write(&self, builder: &mut Self::Builder) {
        let nanos = u128::from(self.millis) * NANOS_PER_MILLI as u128;
        let bytes = u128::from(self.months) | u128::from(self.days) << 32 | nanos << 64;
        builder.push(bytes.to_le_bytes());
    }
}
