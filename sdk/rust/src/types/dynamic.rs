//! Dynamic ports.

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::Write;
use crate::schema_writer::SchemaWriter;
use crate::types::NullBuilder;

/// Whatever schema the topic has: the type of dynamic ports.
///
/// `Process<Batch<Dynamic>>` reads them, `Output<Dynamic>` writes them, both as columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dynamic {}

impl AvroType for Dynamic {
    const KIND: Kind = Kind::Dynamic;

    fn schema(writer: &mut SchemaWriter) {
        writer.primitive("null");
    }
}

impl Write for Dynamic {
    type Builder = NullBuilder;

    fn write(&self, _: &mut Self::Builder) {
        match *self {}
    }
}
