//! `[null, T]` and `[T, null]`: a column with null rows.

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::NotNull;
use crate::avro_type::Read;
use crate::avro_type::Write;
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
