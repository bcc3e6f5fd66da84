//! What a component says of itself. The JSON form is described by `wit/manifest.schema.json`.

use serde::{Deserialize, Serialize};

use crate::model::ids::PortIndex;
use crate::model::state::TimeDomain;

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
    /// State stores; `wit/state.wit` names them by their index here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<StateStore>,
    /// What its timers go by. Empty for a transform without timers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timers: Vec<TimeDomain>,
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
    /// Where event time comes from. Absent: the port has none, and does not hold the watermark back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
}

/// Event time of an input port. A pipeline may set all but the field anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTime {
    /// A field of the value's record: a `timestamp-millis`, `-micros` or `-nanos`, or a `long` of
    /// milliseconds, also nullable. Absent: the record's timestamp. A null, a tombstone or an absent
    /// timestamp moves no watermark and is never late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How far behind the largest event time the watermark stays. Default 0.
    #[serde(default)]
    pub out_of_orderness_ms: u64,
    /// The watermark advances in steps of this. Default 100, at least 1.
    #[serde(default = "granularity_ms")]
    pub granularity_ms: u64,
    /// What becomes of records behind the watermark. Default `process`.
    #[serde(default)]
    pub late: Late,
}

/// What becomes of a record whose event time is behind the watermark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Late {
    /// It is given to the transform like any other.
    #[default]
    Process,
    /// It is counted and passed over.
    Drop,
}

fn granularity_ms() -> u64 {
    100
}

/// A state store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateStore {
    /// `[a-z0-9-]{1,63}`: part of the changelog's name. `timers` and `meta` are the host's own.
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Avro schema of the values.
    pub value: serde_json::Value,
    /// What its entries belong to.
    #[serde(default)]
    pub scope: Scope,
    /// Whether the transform scans it: that costs an ordered index of what is not yet on disk.
    #[serde(default)]
    pub scan: bool,
    /// Entries are absent this long after they were last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<TimeToLive>,
}

/// What the entries of a store belong to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The key of the record.
    #[default]
    Key,
    /// The partition as a whole: the `key` part of its state keys is empty.
    Partition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeToLive {
    /// At least 1.
    pub ms: u64,
    /// Which clock counts.
    pub time: TimeDomain,
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
