//! The traits that tie a Rust type to an Avro type and its column.

use crate::builder::Builder;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::schema_writer::SchemaWriter;

/// The column that carries a type: two types of one kind have the same buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `boolean`.
    Boolean,
    /// `int` and the logical types on it.
    Int,
    /// `long` and the logical types on it.
    Long,
    /// `float`.
    Float,
    /// `double`.
    Double,
    /// `bytes`.
    Bytes,
    /// `string`.
    String,
    /// `fixed`.
    Fixed,
    /// `enum`.
    Enum,
    /// `array`.
    Array,
    /// `map`.
    Map,
    /// `record`.
    Record,
    /// A union, other than of null and one type.
    Union,
    /// `decimal` of up to 38 digits.
    Decimal128,
    /// `decimal` of up to 76 digits.
    Decimal256,
    /// `uuid`.
    Uuid,
    /// `duration`.
    Duration,
    /// Bytes of a raw port.
    Raw,
    /// Whatever schema the topic has.
    Dynamic,
}

impl Kind {
    /// Whether the column begins with a validity buffer.
    #[must_use]
    pub const fn has_validity(self) -> bool {
        !matches!(self, Self::Null | Self::Union)
    }

    /// Whether both are the same. What `==` says, in constants.
    #[doc(hidden)]
    #[must_use]
    pub const fn same(self, other: Self) -> bool {
        self as u8 == other as u8
    }

    /// Whether a union cannot have branches of both kinds: they are of one unnamed Avro type.
    #[must_use]
    pub const fn same_branch(self, other: Self) -> bool {
        let (Some(own), Some(other)) = (self.unnamed(), other.unnamed()) else {
            return false;
        };
        own == other
    }

    /// A number for each Avro type that has no name.
    const fn unnamed(self) -> Option<u8> {
        Some(match self {
            Self::Null => 0,
            Self::Boolean => 1,
            Self::Int => 2,
            Self::Long => 3,
            Self::Float => 4,
            Self::Double => 5,
            Self::Bytes | Self::Raw | Self::Decimal128 | Self::Decimal256 => 6,
            Self::String | Self::Uuid => 7,
            Self::Array => 8,
            Self::Map => 9,
            Self::Fixed | Self::Enum | Self::Record | Self::Duration | Self::Union | Self::Dynamic => {
                return None;
            }
        })
    }
}

/// A Rust type that stands for an Avro type.
///
/// Derive it for your own types with `#[derive(Record)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not stand for an Avro type",
    label = "no Avro type",
    note = "use i32, i64, f32, f64, bool, String, &str, Vec<u8>, &[u8], [u8; N], Option, Vec, a map, a type of `wasmill_sdk::types`, or derive `Record` for your own type",
    note = "Avro has no unsigned and no 8- or 16-bit numbers: use i32 or i64"
)]
pub trait AvroType {
    /// The column that carries the type.
    const KIND: Kind;
    /// Whether the type is a union of null and another.
    const NULLABLE: bool = false;

    /// Writes the Avro schema.
    fn schema(writer: &mut SchemaWriter);
}

/// A type that is read from its column, row by row.
pub trait Read<'a>: AvroType + Sized {
    /// The buffers of the column, found and checked once a batch.
    type Reader;

    /// Finds the column at `index` and checks that it has `len` rows.
    ///
    /// # Errors
    /// When the column does not have the shape of the type.
    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError>;

    /// The value of a row. A null row gives an unspecified value, unless the type is an option.
    ///
    /// # Errors
    /// When the row is out of range or holds what the type cannot be.
    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError>;
}

/// A type that is written to a column, row by row.
pub trait Write: AvroType {
    /// What builds the column. Borrowed and owned forms of a type share it.
    type Builder: Builder;

    /// Appends a row.
    fn write(&self, builder: &mut Self::Builder);
}

/// A type that `Option` can wrap: every type but null, unions and options, since Avro unions do
/// not nest.
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` is no Avro type, since Avro unions do not nest",
    note = "give a union a unit variant instead: it stands for null"
)]
pub trait NotNull {}

impl<T: AvroType> AvroType for &T {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = T::NULLABLE;

    fn schema(writer: &mut SchemaWriter) {
        T::schema(writer);
    }
}

impl<T: NotNull> NotNull for &T {}

impl<T: Write> Write for &T {
    type Builder = T::Builder;

    #[inline(always)]
    fn write(&self, builder: &mut Self::Builder) {
        (**self).write(builder);
    }
}
