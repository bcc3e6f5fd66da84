//! Raw ports.

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::Read;
use crate::avro_type::Write;
use crate::body;
use crate::body::Body;
use crate::body::BodyError;
use crate::body::Decode;
use crate::body::Encode;
use crate::body::Form;
use crate::body::Stored;
use crate::builder::BytesBuilder;
use crate::columns::BytesReader;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;

/// The bytes of a key or value as they are: the type of raw ports.
///
/// `Process<Raw<'_>>` reads them, `Output<Raw<'_>>` writes them; an output also takes `&[u8]` and
/// `Vec<u8>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Raw<'a>(pub &'a [u8]);

impl AvroType for Raw<'_> {
    const KIND: Kind = Kind::Raw;

    fn schema(writer: &mut SchemaWriter) {
        writer.primitive("bytes");
    }
}

impl<'a> Read<'a> for Raw<'a> {
    type Reader = BytesReader<'a>;

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        BytesReader::new(columns, index, len)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        reader.get(row).map(Self)
    }
}

impl Write for Raw<'_> {
    type Builder = BytesBuilder;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        builder.push(self.0);
    }
}

impl Encode for Raw<'_> {
    #[inline]
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        body::put_bytes(self.0, out);
        Ok(())
    }
}

impl<'a> Decode<'a> for Raw<'a> {
    #[inline]
    fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        body.bytes().map(Self)
    }
}

impl Stored for Raw<'static> {
    type Of<'a> = Raw<'a>;
    type Column = BytesBuilder;
}
