//! Decimals.

use std::fmt;

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::NotNull;
use crate::avro_type::Read;
use crate::avro_type::Write;
use crate::builder::FixedBuilder;
use crate::columns;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;

/// `decimal` of up to 38 digits, `SCALE` of them after the point. Carried by bytes, or by a fixed
/// type with `#[record(fixed = "Name", size = 16)]`; the column is the same.
///
/// ```
/// use wasmill_sdk::types::Decimal;
///
/// let price = Decimal::<9, 2>::new(12_345).expect("five digits");
/// assert_eq!(price.to_string(), "123.45");
/// assert!(Decimal::<3, 2>::new(12_345).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<const PRECISION: u32, const SCALE: u32>(i128);

/// An unscaled value with more digits than the precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecimalError {
    unscaled: i128,
    precision: u32,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has more than {} digits", self.unscaled, self.precision)
    }
}

impl std::error::Error for DecimalError {}

impl<const PRECISION: u32, const SCALE: u32> Decimal<PRECISION, SCALE> {
    const VALID: () = assert!(
        PRECISION >= 1 && PRECISION <= 38 && SCALE <= PRECISION,
        "a Decimal has 1 to 38 digits and no larger scale; use WideDecimal for up to 76 digits"
    );

    /// The decimal `unscaled` * 10^-SCALE.
    ///
    /// # Errors
    /// When it has more than PRECISION digits.
    pub fn new(unscaled: i128) -> Result<Self, DecimalError> {
        let () = Self::VALID;
        if unscaled.unsigned_abs() < 10_u128.pow(PRECISION) {
            Ok(Self(unscaled))
        } else {
            Err(DecimalError { unscaled, precision: PRECISION })
        }
    }

    /// The digits as a whole number.
    #[must_use]
    pub fn unscaled(self) -> i128 {
        self.0
    }
}

impl<const PRECISION: u32, const SCALE: u32> fmt::Display for Decimal<PRECISION, SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let unit = 10_u128.pow(SCALE);
        let digits = self.0.unsigned_abs();
        if SCALE == 0 {
            return write!(f, "{sign}{digits}");
        }
        write!(f, "{sign}{}.{:0width$}", digits / unit, digits % unit, width = SCALE as usize)
    }
}

impl<const PRECISION: u32, const SCALE: u32> AvroType for Decimal<PRECISION, SCALE> {
    const KIND: Kind = Kind::Decimal128;

    fn schema(writer: &mut SchemaWriter) {
        let () = Self::VALID;
        writer.decimal(PRECISION, SCALE);
    }
}

impl<const PRECISION: u32, const SCALE: u32> NotNull for Decimal<PRECISION, SCALE> {}

impl<'a, const PRECISION: u32, const SCALE: u32> Read<'a> for Decimal<PRECISION, SCALE> {
    type Reader = &'a [[u8; 16]];

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        <[u8; 16]>::reader(columns, index, len)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        columns::value(reader, row, |bytes| Self(i128::from_le_bytes(*bytes)))
    }
}

impl<const PRECISION: u32, const SCALE: u32> Write for Decimal<PRECISION, SCALE> {
    type Builder = FixedBuilder<16>;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        builder.push(self.0.to_le_bytes());
    }
}

/// `decimal` of 39 to 76 digits: the unscaled value as 32 bytes, little-endian two's complement.
/// The SDK does not calculate with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct WideDecimal<const PRECISION: u32, const SCALE: u32>(pub [u8; 32]);

impl<const PRECISION: u32, const SCALE: u32> WideDecimal<PRECISION, SCALE> {
    const VALID: () = assert!(
        PRECISION >= 39 && PRECISION <= 76 && SCALE <= PRECISION,
        "a WideDecimal has 39 to 76 digits and no larger scale; use Decimal for up to 38 digits"
    );
}

impl<const PRECISION: u32, const SCALE: u32> From<i128> for WideDecimal<PRECISION, SCALE> {
    fn from(unscaled: i128) -> Self {
        let mut bytes = [if unscaled < 0 { 0xff } else { 0 }; 32];
        if let Some(low) = bytes.first_chunk_mut() {
            *low = unscaled.to_le_bytes();
        }
        Self(bytes)
    }
}

impl<const PRECISION: u32, const SCALE: u32> AvroType for WideDecimal<PRECISION, SCALE> {
    const KIND: Kind = Kind::Decimal256;

    fn schema(writer: &mut SchemaWriter) {
        let () = Self::VALID;
        writer.decimal(PRECISION, SCALE);
    }
}

impl<const PRECISION: u32, const SCALE: u32> NotNull for WideDecimal<PRECISION, SCALE> {}

impl<'a, const PRECISION: u32, const SCALE: u32> Read<'a> for WideDecimal<PRECISION, SCALE> {
    type Reader = &'a [[u8; 32]];

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        <[u8; 32]>::reader(columns, index, len)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        columns::value(reader, row, |bytes| Self(*bytes))
    }
}

impl<const PRECISION: u32, const SCALE: u32> Write for WideDecimal<PRECISION, SCALE> {
    type Builder = FixedBuilder<32>;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        builder.push(self.0);
    }
}
