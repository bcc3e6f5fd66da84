//! `[null, T]` and `[T, null]`: a column with null rows.

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
use crate::builder::NullableBuilder;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::columns::Validity;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;

impl<T: AvroType + NotNull> AvroType for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn schema(writer: &mut SchemaWriter) {
        writer.nullable(T::schema);
    }
}

/// Reads a column with null rows.
#[derive(Debug, Clone, Copy)]
pub struct OptionReader<'a, R> {
    validity: Validity<'a>,
    values: R,
}

impl<'a, T: Read<'a> + NotNull> Read<'a> for Option<T> {
    type Reader = OptionReader<'a, T::Reader>;

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        let validity = Validity::of(columns.any(index)?, len)?;
        Ok(OptionReader { validity, values: T::reader(columns, index, len)? })
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        if reader.validity.is_null(row) {
            return Ok(None);
        }
        T::read(&reader.values, row).map(Some)
    }
}

impl<T: Write + NotNull> Write for Option<T> {
    type Builder = NullableBuilder<T::Builder>;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        match self {
            Some(value) => builder.valid(|values| value.write(values)),
            None => builder.null(),
        }
    }
}

impl<T: Encode + NotNull> Encode for Option<T> {
    #[inline]
    fn encode(&self, form: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let null = i64::from(form.null_last);
        match self {
            None => body::put_long(null, out),
            Some(value) => {
                body::put_long(1 - null, out);
                value.encode(form, out)?;
            }
        }
        Ok(())
    }
}

impl<'a, T: Decode<'a> + NotNull> Decode<'a> for Option<T> {
    #[inline]
    fn decode(form: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        match (body.long()?, form.null_last) {
            (0, false) | (1, true) => Ok(None),
            (0, true) | (1, false) => T::decode(form, body).map(Some),
            _ => Err(body::BRANCH),
        }
    }
}

impl<T: Stored + NotNull> Stored for Option<T>
where
    for<'a> T::Of<'a>: NotNull,
{
    type Of<'a> = Option<T::Of<'a>>;
    type Column = NullableBuilder<T::Column>;
}
