//! Dates, times and timestamps: numbers with a logical type.

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
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;

macro_rules! temporal {
    ($(#[$doc:meta])* $name:ident, $number:ty, $avro:literal, $logical:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $number);

        impl AvroType for $name {
            const KIND: Kind = <$number>::KIND;

            fn schema(writer: &mut SchemaWriter) {
                writer.logical($avro, $logical);
            }
        }

        impl NotNull for $name {}

        impl<'a> Read<'a> for $name {
            type Reader = <$number as Read<'a>>::Reader;

            fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
                <$number>::reader(columns, index, len)
            }

            #[inline(always)]
            fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
                <$number>::read(reader, row).map(Self)
            }
        }

        impl Write for $name {
            type Builder = <$number as Write>::Builder;

            #[inline(always)]
            fn write(&self, builder: &mut Self::Builder) {
                self.0.write(builder);
            }
        }

        impl Stored for $name {
            type Of<'a> = Self;
            type Column = <Self as Write>::Builder;
        }

        impl Encode for $name {
            #[inline(always)]
            fn encode(&self, form: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
                self.0.encode(form, out)
            }
        }

        impl<'a> Decode<'a> for $name {
            #[inline(always)]
            fn decode(form: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
                <$number>::decode(form, body).map(Self)
            }
        }

        impl From<$number> for $name {
            fn from(number: $number) -> Self {
                Self(number)
            }
        }

        impl From<$name> for $number {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

temporal!(
    /// `date`: days since 1970-01-01.
    Date, i32, "int", "date"
);
temporal!(
    /// `time-millis`: milliseconds since midnight.
    TimeMillis, i32, "int", "time-millis"
);
temporal!(
    /// `time-micros`: microseconds since midnight.
    TimeMicros, i64, "long", "time-micros"
);
temporal!(
    /// `timestamp-millis`: milliseconds since the Unix epoch.
    TimestampMillis, i64, "long", "timestamp-millis"
);
temporal!(
    /// `timestamp-micros`: microseconds since the Unix epoch.
    TimestampMicros, i64, "long", "timestamp-micros"
);
temporal!(
    /// `timestamp-nanos`: nanoseconds since the Unix epoch.
    TimestampNanos, i64, "long", "timestamp-nanos"
);
temporal!(
    /// `local-timestamp-millis`: milliseconds since the local epoch, in no particular time zone.
    LocalTimestampMillis, i64, "long", "local-timestamp-millis"
);
temporal!(
    /// `local-timestamp-micros`: microseconds since the local epoch, in no particular time zone.
    LocalTimestampMicros, i64, "long", "local-timestamp-micros"
);
temporal!(
    /// `local-timestamp-nanos`: nanoseconds since the local epoch, in no particular time zone.
    LocalTimestampNanos, i64, "long", "local-timestamp-nanos"
);
