//! Texts and byte strings. Borrowed, they are read in place from the column.

use std::borrow::Cow;

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
use crate::builder::BytesBuilder;
use crate::columns::BytesReader;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::columns::TextReader;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;

macro_rules! avro_type {
    ($kind:ident, $avro:literal, |$value:ident| $bytes:expr; $($rust:ty),+) => {
        avro_type!(@ [$kind, $avro, |$value| $bytes]; $($rust),+);
    };
    (@ $all:tt; $($rust:ty),+) => {$(
        avro_type!(@@ $rust, $all);
    )+};
    (@@ $rust:ty, [$kind:ident, $avro:literal, |$value:ident| $bytes:expr]) => {
        impl AvroType for $rust {
            const KIND: Kind = Kind::$kind;

            fn schema(writer: &mut SchemaWriter) {
                writer.primitive($avro);
            }
        }

        impl NotNull for $rust {}

        impl Write for $rust {
            type Builder = BytesBuilder;

            #[inline(always)]
            fn write(&self, builder: &mut Self::Builder) {
                let $value = self;
                builder.push($bytes);
            }
        }

        impl Encode for $rust {
            #[inline]
            fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
                let $value = self;
                body::put_bytes($bytes, out);
                Ok(())
            }
        }
    };
}

macro_rules! read {
    ($reader:ident, $next:ident; $($rust:ty),+) => {$(
        impl<'a> Read<'a> for $rust {
            type Reader = $reader<'a>;

            fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
                $reader::new(columns, index, len)
            }

            #[inline(always)]
            fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
                reader.get(row).map(Into::into)
            }
        }

        impl<'a> Decode<'a> for $rust {
            #[inline]
            fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
                body.$next().map(Into::into)
            }
        }
    )+};
}

macro_rules! stored {
    ($($rust:ty as $of:ty),+) => {$(
        impl Stored for $rust {
            type Of<'a> = $of;
            type Column = BytesBuilder;
        }
    )+};
}

avro_type!(String, "string", |text| text.as_bytes(); &str, String, Cow<'_, str>);
avro_type!(Bytes, "bytes", |bytes| bytes.as_ref(); &[u8], Vec<u8>, Cow<'_, [u8]>);
read!(TextReader, string; &'a str, String, Cow<'a, str>);
read!(BytesReader, bytes; &'a [u8], Vec<u8>, Cow<'a, [u8]>);
stored!(String as String, &'static str as &'a str, Cow<'static, str> as Cow<'a, str>);
stored!(Vec<u8> as Vec<u8>, &'static [u8] as &'a [u8], Cow<'static, [u8]> as Cow<'a, [u8]>);
