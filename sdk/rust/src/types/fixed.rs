//! Fixed: `[u8; N]`, or `&[u8; N]` read in place.

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

const OUT_OF_RANGE: ColumnError = ColumnError::new("a row index is out of range");

impl<const N: usize> AvroType for [u8; N] {
    const KIND: Kind = Kind::Fixed;

    fn schema(writer: &mut SchemaWriter) {
        writer.fixed(&format!("Fixed{N}"), N, None);
    }
}

impl<const N: usize> NotNull for [u8; N] {}

impl<'a, const N: usize> Read<'a> for [u8; N] {
    type Reader = &'a [[u8; N]];

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        columns::values(columns.get(index, 2, 0)?, 1, len)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        columns::value(reader, row, |bytes| *bytes)
    }
}

impl<'a, const N: usize> Read<'a> for &'a [u8; N] {
    type Reader = &'a [[u8; N]];

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        <[u8; N]>::reader(columns, index, len)
    }

    #[inline(always)]
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        reader.get(row).ok_or(OUT_OF_RANGE)
    }
}

impl<const N: usize> Write for [u8; N] {
    type Builder = FixedBuilder<N>;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        builder.push(*self);
    }
}

impl<const N: usize> Encode for [u8; N] {
    #[inline]
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        out.extend_from_slice(self);
        Ok(())
    }
}

impl<'a, const N: usize> Decode<'a> for [u8; N] {
    #[inline]
    fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        body.array().copied()
    }
}

impl<'a, const N: usize> Decode<'a> for &'a [u8; N] {
    #[inline]
    fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        body.array()
    }
}

impl<const N: usize> Stored for [u8; N] {
    type Of<'a> = Self;
    type Column = FixedBuilder<N>;
}

impl<const N: usize> Stored for &'static [u8; N] {
    type Of<'a> = &'a [u8; N];
    type Column = FixedBuilder<N>;
}
