use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

/// The language a schema is written in. On the wire a registry leaves it out for Avro.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SchemaType {
    /// Avro, in JSON. The default.
    #[default]
    Avro,
    /// Protocol Buffers.
    Protobuf,
    /// JSON Schema.
    Json,
    /// A type this client does not know, as the registry spells it.
    Other(String),
}

impl SchemaType {
    /// The registry's spelling: `AVRO`, `PROTOBUF`, `JSON`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Avro => "AVRO",
            Self::Protobuf => "PROTOBUF",
            Self::Json => "JSON",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for SchemaType {
    fn from(name: &str) -> Self {
        match name {
            "AVRO" => Self::Avro,
            "PROTOBUF" => Self::Protobuf,
            "JSON" => Self::Json,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for SchemaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SchemaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(name.as_deref().map_or(Self::Avro, Self::from))
    }
}

/// One schema's use of another: `name` is what the text calls it (a full name in Avro, an import path
/// in Protobuf, a URI in JSON Schema), `subject` and `version` are where it is registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// What the referring text calls it: a full name of Avro, a file of Protobuf, a URL of JSON Schema.
    pub name: String,
    /// Where it is registered.
    pub subject: String,
    /// Counted from 1 within the subject.
    pub version: u32,
}

/// A schema as it is sent to a registry and as a registry answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// In its own language; JSON for Avro.
    #[serde(rename = "schema")]
    pub text: String,
    /// Default Avro.
    #[serde(rename = "schemaType", default, skip_serializing_if = "is_avro")]
    pub schema_type: SchemaType,
    /// Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_empty")]
    pub references: Vec<Reference>,
}

impl Schema {
    /// An Avro schema without references.
    #[must_use]
    pub fn avro(text: impl Into<String>) -> Self {
        Self::new(SchemaType::Avro, text)
    }

    /// A Protobuf schema without references.
    #[must_use]
    pub fn protobuf(text: impl Into<String>) -> Self {
        Self::new(SchemaType::Protobuf, text)
    }

    /// A JSON Schema without references.
    #[must_use]
    pub fn json(text: impl Into<String>) -> Self {
        Self::new(SchemaType::Json, text)
    }

    /// A schema of any type without references. The text is not checked: the registry does that.
    #[must_use]
    pub fn new(schema_type: SchemaType, text: impl Into<String>) -> Self {
        Self { text: text.into(), schema_type, references: Vec::new() }
    }

    /// The same with these references instead of what it had.
    #[must_use]
    pub fn with_references(mut self, references: Vec<Reference>) -> Self {
        self.references = references;
        self
    }
}

// Registries before 5.5 refuse the field, and leave it out themselves.
fn is_avro(schema_type: &SchemaType) -> bool {
    *schema_type == SchemaType::Avro
}

// Some registries write `"references": null`.
pub(crate) fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Reference>, D::Error> {
    Ok(Option::<Vec<Reference>>::deserialize(deserializer)?.unwrap_or_default())
}

/// Which version of a subject is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// The newest that is not deleted.
    Latest,
    /// Versions count from 1.
    Number(u32),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl From<u32> for Version {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

/// A schema under a subject and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectVersion {
    /// The subject's name.
    pub subject: String,
    /// Counted from 1 within the subject.
    pub version: u32,
    /// The id that stands in the records.
    pub id: u32,
    /// Its text, type and references.
    #[serde(flatten)]
    pub schema: Schema,
}

/// Whether deleted subjects and versions are listed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Listing {
    /// Only those that are not deleted. The default.
    #[default]
    Live,
    /// Those that were softly deleted as well.
    WithDeleted,
}

/// How a subject or version is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deletion {
    /// It is hidden; its ids still resolve, registering it again brings it back.
    Soft,
    /// It is gone for ever. Registries ask for a soft deletion first.
    Permanent,
}

/// A referenced schema with its text, see [`RegisteredSchema::references`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedReference {
    /// What the referring text calls it.
    pub name: String,
    /// Where it is registered.
    pub subject: String,
    /// Counted from 1 within the subject.
    pub version: u32,
    /// As it was registered.
    pub text: Arc<str>,
}

/// A schema by id with everything needed to parse it. Ids are never reused, so it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// The id that stands in the records.
    pub id: u32,
    /// Which language the text is in.
    pub schema_type: SchemaType,
    /// As it was registered.
    pub text: String,
    /// All schemas it refers to, directly or through others, each after those it refers to itself.
    /// One that is known under two names stands there once for each name.
    pub references: Vec<ResolvedReference>,
}

impl RegisteredSchema {
    /// The distinct texts of [`references`](Self::references), in dependency order: what an Avro
    /// parser is fed before [`text`](Self::text).
    #[must_use]
    pub fn reference_texts(&self) -> Vec<&str> {
        let mut seen = Vec::with_capacity(self.references.len());
        let mut texts = Vec::with_capacity(self.references.len());
        for reference in &self.references {
            let place = (reference.subject.as_str(), reference.version);
            if !seen.contains(&place) {
                seen.push(place);
                texts.push(&*reference.text);
            }
        }
        texts
    }

    /// Bytes of text held, references included.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text.len() + self.references.iter().map(|reference| reference.text.len()).sum::<usize>()
    }
}
