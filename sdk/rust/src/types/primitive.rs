//! Numbers, booleans and null.

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
use crate::builder;
use crate::builder::Bits;
use crate::builder::Builder;
use crate::builder::FixedBuilder;
use crate::builder::Nulls;
use crate::columns;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;
use crate::wire::Column;

macro_rules! number {
    (
        $rust:ty, $kind:ident, $avro:literal, $width:literal,
        |$value:ident, $out:ident| $encode:expr, |$body:ident| $decode:expr
    ) => {
        impl AvroType for $rust {
            const KIND: Kind = Kind::$kind;

            fn schema(writer: &mut SchemaWriter) {
                writer.primitive($avro);
            }
        }

        impl NotNull for $rust {}

        impl<'a> Read<'a> for $rust {
            type Reader = &'a [[u8; $width]];

            fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
                columns::values(columns.get(index, 2, 0)?, 1, len)
            }

            #[inline(always)]
            fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
                columns::value(reader, row, |bytes| <$rust>::from_le_bytes(*bytes))
            }
        }

        impl Write for $rust {
            type Builder = FixedBuilder<$width>;

            #[inline(always)]
            fn write(&self, builder: &mut Self::Builder) {
                builder.push(self.to_le_bytes());
            }
        }

        impl Stored for $rust {
            type Of<'a> = Self;
            type Column = <Self as Write>::Builder;
        }

        impl Encode for $rust {
            #[inline(always)]
            fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
                let $value = *self;
                let $out = out;
                $encode;
                Ok(())
            }
        }

        impl<'a> Decode<'a> for $rust {
            #[inline(always)]
            fn decode(_: Form, $body: &mut Body<'a>) -> Result<Self, BodyError> {
                $decode
            }
        }
    };
}

number!(i32, Int, "int", 4, |value, out| body::put_long(value.into(), out), |body| body.int());
number!(i64, Long, "long", 8, |value, out| body::put_long(value, out), |body| body.long());
number!(f32, Float, "float", 4, |value, out| out.extend_from_slice(&value.to_le_bytes()), |body| body
    .array()
    .map(|bytes| f32::from_le_bytes(*bytes)));
number!(f64, Double, "double", 8, |value, out| out.extend_from_slice(&value.to_le_bytes()), |body| body
    .array()
    .map(|bytes| f64::from_le_bytes(*bytes)));

impl AvroType for bool {
    const KIND: Kind = Kind::Boolean;

    fn schema(writer: &mut SchemaWriter) {
        writer.primitive("boolean");
    }
}

impl NotNull for bool {}

impl<'a> Read<'a> for bool {
    type Reader = &'a [u8];

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        columns::values::<1>(columns.get(index, 2, 0)?, 1, len.div_ceil(8)).map(<[[u8; 1]]>::as_flattened)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        columns::bit(reader, row)
    }
}

impl Write for bool {
    type Builder = BooleanBuilder;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        builder.0.push(*self);
    }
}

impl Stored for bool {
    type Of<'a> = Self;
    type Column = <Self as Write>::Builder;
}

impl Encode for bool {
    #[inline]
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        out.push(u8::from(*self));
        Ok(())
    }
}

impl<'a> Decode<'a> for bool {
    #[inline]
    fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        body.boolean()
    }
}

/// Builds a bit-packed column.
#[derive(Debug, Default)]
pub struct BooleanBuilder(Bits);

impl Builder for BooleanBuilder {
    fn reserve(&mut self, rows: usize) {
        self.0.reserve(rows);
    }

    fn placeholder(&mut self) {
        self.0.push(false);
    }

    fn finish(&mut self, nulls: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        Ok(builder::append(columns, vec![nulls.bits, self.0.take()], nulls.count))
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl AvroType for () {
    const KIND: Kind = Kind::Null;

    fn schema(writer: &mut SchemaWriter) {
        writer.primitive("null");
    }
}

impl<'a> Read<'a> for () {
    type Reader = ();

    fn reader(columns: Columns<'a>, index: u32, _: usize) -> Result<Self::Reader, ColumnError> {
        columns.get(index, 0, 0).map(|_| ())
    }

    #[inline(always)]
    fn read((): &Self::Reader, _: usize) -> Result<Self, ColumnError> {
        Ok(())
    }
}

impl Write for () {
    type Builder = NullBuilder;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        builder.rows += 1;
    }
}

impl Stored for () {
    type Of<'a> = Self;
    type Column = <Self as Write>::Builder;
}

impl Encode for () {
    #[inline]
    fn encode(&self, _: Form, _: &mut Vec<u8>) -> Result<(), BodyError> {
        Ok(())
    }
}

impl<'a> Decode<'a> for () {
    #[inline]
    fn decode(_: Form, _: &mut Body<'a>) -> Result<Self, BodyError> {
        Ok(())
    }
}

/// Builds a column of nulls, which has no buffers.
#[derive(Debug, Default)]
pub struct NullBuilder {
    rows: u32,
}

impl Builder for NullBuilder {
    fn reserve(&mut self, _: usize) {}

    fn placeholder(&mut self) {
        self.rows += 1;
    }

    fn finish(&mut self, _: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        // Arrow counts no nulls in an array that has no validity buffer.
        self.rows = 0;
        Ok(builder::append(columns, Vec::new(), 0))
    }

    fn clear(&mut self) {
        self.rows = 0;
    }
}
