//! UUIDs.

use std::fmt;
use std::str::FromStr;

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

const NO_UUID: BodyError = BodyError::new("a text is no UUID");
/// 32 digits and 4 hyphens.
const TEXT_LEN: i64 = 36;

/// `uuid` on a string, or on `fixed(16)` with `#[record(fixed = "Name")]`. The column is the same:
/// 16 bytes, most significant first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl AvroType for Uuid {
    const KIND: Kind = Kind::Uuid;

    fn schema(writer: &mut SchemaWriter) {
        writer.uuid();
    }
}

impl NotNull for Uuid {}

impl<'a> Read<'a> for Uuid {
    type Reader = &'a [[u8; 16]];

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        <[u8; 16]>::reader(columns, index, len)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        columns::value(reader, row, |bytes| Self(*bytes))
    }
}

impl Write for Uuid {
    type Builder = FixedBuilder<16>;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        builder.push(self.0);
    }
}

impl Encode for Uuid {
    fn encode(&self, form: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        if form.fixed.is_some() {
            out.extend_from_slice(&self.0);
            return Ok(());
        }
        body::put_long(TEXT_LEN, out);
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.push(b'-');
            }
            out.extend([byte >> 4, byte & 0xf].map(|digit| match digit {
                0..10 => b'0' + digit,
                _ => b'a' + digit - 10,
            }));
        }
        Ok(())
    }
}

impl<'a> Decode<'a> for Uuid {
    fn decode(form: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        if form.fixed.is_some() {
            return body.array().map(|bytes| Self(*bytes));
        }
        body.string()?.parse().map_err(|_| NO_UUID)
    }
}

impl Stored for Uuid {
    type Of<'a> = Self;
    type Column = FixedBuilder<16>;
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A text that is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID is 32 hexadecimal digits in groups of 8-4-4-4-12")
    }
}

impl std::error::Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let mut bytes = [0; 16];
        let mut groups = text.split('-');
        let mut filled = bytes.iter_mut();
        for digits in [8, 4, 4, 4, 12] {
            let group = groups.next().filter(|group| group.len() == digits).ok_or(ParseUuidError)?;
            for pair in group.as_bytes().as_chunks::<2>().0 {
                let pair = std::str::from_utf8(pair).map_err(|_| ParseUuidError)?;
                if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return Err(ParseUuidError);
                }
                let byte = filled.next().ok_or(ParseUuidError)?;
                *byte = u8::from_str_radix(pair, 16).map_err(|_| ParseUuidError)?;
            }
        }
        if groups.next().is_some() { Err(ParseUuidError) } else { Ok(Self(bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        let uuid: Uuid = text.parse().expect("a UUID");
        assert_eq!(uuid.to_string(), text);
        for bad in [
            "",
            "00112233445566778899aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeeff-",
            "0+112233-4455-6677-8899-aabbccddeeff",
        ] {
            assert_eq!(bad.parse::<Uuid>(), Err(ParseUuidError), "{bad}");
        }
    }
}
