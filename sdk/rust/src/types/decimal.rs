//! Decimals.

use std::fmt;

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::NotNull;
use crate::avro_type::Read;
use crate::avro_type::Write;
use crate::body;
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

const DIGITS: BodyError = BodyError::new("a decimal has more digits than its precision");
const FIXED: BodyError = BodyError::new("a decimal has more digits than its fixed type holds");

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

impl<const PRECISION: u32, const SCALE: u32> Encode for Decimal<PRECISION, SCALE> {
    fn encode(&self, form: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        put_decimal(&self.0.to_be_bytes(), form, out)
    }
}

impl<'a, const PRECISION: u32, const SCALE: u32> Decode<'a> for Decimal<PRECISION, SCALE> {
    fn decode(form: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        let unscaled = i128::from_be_bytes(decimal(form, body)?);
        Self::new(unscaled).map_err(|_| DIGITS)
    }
}

impl<const PRECISION: u32, const SCALE: u32> Stored for Decimal<PRECISION, SCALE> {
    type Of<'a> = Self;
    type Column = FixedBuilder<16>;
}

/// Appends a number as bytes without needless leading ones, or in the size of a fixed type.
fn put_decimal(big_endian: &[u8], form: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
    let sign = if big_endian.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    // A leading byte is needless if it repeats the sign of the byte behind it.
    let needless = big_endian
        .windows(2)
        .take_while(|pair| matches!(pair, [a, b] if *a == sign && (a ^ b) & 0x80 == 0))
        .count();
    let digits = big_endian.get(needless..).unwrap_or_default();
    match form.fixed {
        None => body::put_long(digits.len() as i64, out),
        Some(size) => {
            let padding = size.checked_sub(digits.len()).ok_or(FIXED)?;
            out.resize(out.len() + padding, sign);
        }
    }
    out.extend_from_slice(digits);
    Ok(())
}

/// A number as `N` bytes, most significant first.
fn decimal<const N: usize>(form: Form, body: &mut Body<'_>) -> Result<[u8; N], BodyError> {
    let bytes = match form.fixed {
        None => body.bytes()?,
        Some(size) => body.take(size)?,
    };
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut out = [sign; N];
    let (excess, digits) = bytes.split_at(bytes.len().saturating_sub(N));
    // What is cut off may only repeat the sign, and the first digit left must have it too.
    let repeats = excess.iter().all(|byte| *byte == sign)
        && digits.first().is_some_and(|byte| (byte ^ sign) & 0x80 == 0);
    if !excess.is_empty() && !repeats {
        return Err(DIGITS);
    }
    for (to, from) in out.iter_mut().rev().zip(digits.iter().rev()) {
        *to = *from;
    }
    Ok(out)
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

impl<const PRECISION: u32, const SCALE: u32> Encode for WideDecimal<PRECISION, SCALE> {
    fn encode(&self, form: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let mut big_endian = self.0;
        big_endian.reverse();
        put_decimal(&big_endian, form, out)
    }
}

impl<'a, const PRECISION: u32, const SCALE: u32> Decode<'a> for WideDecimal<PRECISION, SCALE> {
    fn decode(form: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        let mut bytes: [u8; 32] = decimal(form, body)?;
        bytes.reverse();
        Ok(Self(bytes))
    }
}

impl<const PRECISION: u32, const SCALE: u32> Stored for WideDecimal<PRECISION, SCALE> {
    type Of<'a> = Self;
    type Column = FixedBuilder<32>;
}
