//! Avro schemas as the host uses them: named types resolved in place, defaults and aliases kept.

mod default;
mod json;
mod parse;
mod terms;

use std::sync::Arc;

use serde_json::Value as Json;

use crate::model::limits::SCHEMA_DEPTH_MAX;

/// An Avro type. A recursive schema has no such form and is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum AvroType {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed {
        name: Name,
        size: usize,
    },
    Enum(Arc<EnumType>),
    Array(Box<AvroType>),
    /// Keys are strings.
    Map(Box<AvroType>),
    Record(Arc<RecordType>),
    Union(Vec<AvroType>),
    Decimal {
        precision: usize,
        scale: usize,
        repr: DecimalRepr,
    },
    /// int, days since the epoch.
    Date,
    /// int.
    TimeMillis,
    /// long.
    TimeMicros,
    /// long since the epoch, UTC.
    Timestamp(TimeUnit),
    /// long since the local epoch, without a zone.
    LocalTimestamp(TimeUnit),
    Uuid(UuidRepr),
    /// fixed(12): months, days, milliseconds, each an unsigned little-endian 32-bit number.
    Duration {
        name: Name,
    },
}

/// A full name with aliases, for resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// With namespace, dot-separated.
    pub full: Arc<str>,
    /// Full names.
    pub aliases: Vec<Arc<str>>,
}

impl Name {
    /// The name without its namespace, by which resolution compares.
    #[must_use]
    pub fn short(&self) -> &str {
        self.full.rsplit('.').next().unwrap_or(&self.full)
    }

    /// The namespace, or empty.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct EnumType {
    pub name: Name,
    pub symbols: Vec<String>,
    /// The symbol that stands for a writer's symbol that the reader does not know.
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RecordType {
    pub name: Name,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub ty: AvroType,
    /// The default in Avro's JSON form.
    pub default: Option<Json>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecimalRepr {
    Bytes,
    Fixed { name: Name, size: usize },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UuidRepr {
    String,
    Fixed { name: Name },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    Millis,
    Micros,
    Nanos,
}

/// Why a schema text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("this is no Avro schema: {0}")]
    Invalid(String),
    #[error("the type `{0}` contains itself; recursive schemas cannot be carried as columns")]
    Recursive(String),
    #[error("the schema is nested deeper than {SCHEMA_DEPTH_MAX} levels")]
    TooDeep,
    #[error("{at}: {what} cannot be carried as columns")]
    Unsupported { at: String, what: String },
}

impl AvroType {
    /// Parses a schema text, with the texts of the schemas it refers to, in any order.
    ///
    /// Logical types that are unknown or ill-formed are ignored, as the Avro specification asks.
    ///
    /// # Errors
    /// When a text is invalid (an ill-typed default included), recursive, or cannot be carried as
    /// columns: a decimal over 76 digits, a union over 127 branches, more than
    /// [`COLUMNS_MAX`](crate::model::limits::COLUMNS_MAX) columns.
    pub fn parse(text: &str, references: &[String]) -> Result<Self, SchemaError> {
        parse::parse(text, references, parse::Defaults::Checked)
    }

    /// Like [`AvroType::parse`], for the schema of data that exists already: an ill-typed default
    /// is dropped instead of refused. Old registries hold such schemas, and reading data never
    /// needs its writer's defaults.
    ///
    /// # Errors
    /// As [`AvroType::parse`], but for the defaults.
    pub fn parse_writer(text: &str, references: &[String]) -> Result<Self, SchemaError> {
        parse::parse(text, references, parse::Defaults::IllTypedDropped)
    }

    /// The schema as Avro JSON, with defaults, aliases and logical types; a named type is defined
    /// at its first use and referred to by full name afterwards.
    #[must_use]
    pub fn to_json(&self) -> Json {
        json::to_json(self)
    }

    /// The Avro encoding of a default given in Avro's JSON form.
    ///
    /// # Errors
    /// When the JSON is no value of this type; says what was found and expected.
    pub fn encode_default(&self, default: &Json) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        default::encode(self, default, &mut bytes)?;
        Ok(bytes)
    }

    /// `T` of `[null, T]` and `[T, null]`, with the branch index of null; such a union is a
    /// nullable column.
    #[must_use]
    pub fn as_nullable(&self) -> Option<(&Self, usize)> {
        let Self::Union(branches) = self else { return None };
        match branches.as_slice() {
            [Self::Null, Self::Null] => None,
            [Self::Null, ty] => Some((ty, 0)),
            [ty, Self::Null] => Some((ty, 1)),
            _ => None,
        }
    }

    /// What a type is called in messages and as a union's branch: the full name of a named type,
    /// else the name of the Avro type.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int | Self::Date | Self::TimeMillis => "int",
            Self::Long | Self::TimeMicros | Self::Timestamp(_) | Self::LocalTimestamp(_) => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes | Self::Decimal { repr: DecimalRepr::Bytes, .. } => "bytes",
            Self::String | Self::Uuid(UuidRepr::String) => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Fixed { name, .. }
            | Self::Decimal { repr: DecimalRepr::Fixed { name, .. }, .. }
            | Self::Uuid(UuidRepr::Fixed { name })
            | Self::Duration { name } => &name.full,
            Self::Enum(ty) => &ty.name.full,
            Self::Record(ty) => &ty.name.full,
        }
    }
}

#[cfg(test)]
mod tests;
