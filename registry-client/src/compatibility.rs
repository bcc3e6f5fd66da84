use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// What a new version of a subject must be able to do with data of the old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum CompatibilityLevel {
    /// Nothing is checked.
    None,
    /// The new schema reads what the latest one wrote. The default of most registries.
    Backward,
    /// The new schema reads what any earlier one wrote.
    BackwardTransitive,
    /// The latest schema reads what the new one writes.
    Forward,
    /// Every earlier schema reads what the new one writes.
    ForwardTransitive,
    /// Backward and forward.
    Full,
    /// Backward and forward, with every earlier schema.
    FullTransitive,
}

impl CompatibilityLevel {
    /// The registry's spelling: `BACKWARD_TRANSITIVE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }
}

impl fmt::Display for CompatibilityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which versions a schema is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Against {
    /// The newest.
    Latest,
    /// One, counted from 1.
    Version(u32),
    /// As many versions as the subject's level asks for. Not every registry has this route.
    Configured,
}

/// The outcome of a compatibility check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompatibilityReport {
    /// Whether it might be registered.
    pub compatible: bool,
    /// Why not, in the registry's words. Empty when compatible, or when the registry gives no reasons.
    pub messages: Vec<String>,
}

/// What a registry or a subject lets its clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Mode {
    /// Everything. The default of registries.
    #[serde(rename = "READWRITE")]
    ReadWrite,
    /// Reading alone.
    #[serde(rename = "READONLY")]
    ReadOnly,
    /// Reading alone, whatever the modes of subjects say.
    #[serde(rename = "READONLY_OVERRIDE")]
    ReadOnlyOverride,
    /// Registering under ids of the caller's choice, to copy another registry.
    Import,
    /// As `READWRITE`, for subjects that are forwarded to another registry.
    Forward,
}

impl Mode {
    /// The registry's spelling: `READWRITE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "READWRITE",
            Self::ReadOnly => "READONLY",
            Self::ReadOnlyOverride => "READONLY_OVERRIDE",
            Self::Import => "IMPORT",
            Self::Forward => "FORWARD",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a setting applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope<'a> {
    /// The whole registry.
    Global,
    /// The subject of this name.
    Subject(&'a str),
}
