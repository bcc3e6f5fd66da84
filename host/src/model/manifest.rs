//! What a component says of itself. The JSON form is described by `wit/manifest.schema.json`.

use serde::{Deserialize, Serialize};

use crate::model::ids::PortIndex;

/// The newest manifest version that this host reads.
pub const MANIFEST_VERSION: u32 = 1;

/// The typed contract of a transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`MANIFEST_VERSION`].
    pub manifest_version: u32,
    /// A name for people; the upload decides the transform's name.
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What built the component, for people: `{ "language": "rust", "version": "0.1.0" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<Sdk>,
    pub inputs: Vec<InputPort>,
    #[serde(default)]
    pub outputs: Vec<OutputPort>,
    #[serde(default)]
    pub config: Vec<ConfigKey>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sdk {
    pub language: String,
    pub version: String,
}

/// What a port reads or writes as the key or the value of its records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum PartType {
    /// Columns of this Avro schema (any root type), whatever format the topic carries.
    Typed { schema: serde_json::Value },
    /// Columns of whatever schema the topic has. Values only.
    Dynamic,
    /// One Binary column with the bytes as they are.
    Raw,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputPort {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Absent: the key is not decoded and not given to the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PartType>,
    /// Absent: the value is not decoded and not given to the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<PartType>,
    /// Whether the guest wants the `timestamp` root.
    #[serde(default)]
    pub timestamp: bool,
    /// Whether the guest wants the `headers` root.
    #[serde(default)]
    pub headers: bool,
    /// Whether the guest wants the `offset` root.
    #[serde(default)]
    pub offset: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputPort {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Absent: the guest never emits a key, so the source record's is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PartType>,
    pub value: PartType,
}

/// A configuration key. Values are text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigKey {
    pub key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether a pipeline must set it. A key with a default is never required.
    #[serde(default)]
    pub required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

impl Manifest {
    #[must_use]
    pub fn input(&self, name: &str) -> Option<(PortIndex, &InputPort)> {
        (0..).map(PortIndex).zip(&self.inputs).find(|(_, port)| port.name == name)
    }

    #[must_use]
    pub fn output(&self, name: &str) -> Option<(PortIndex, &OutputPort)> {
        (0..).map(PortIndex).zip(&self.outputs).find(|(_, port)| port.name == name)
    }
}
