//! A version of a transform, as the catalog keeps it.

use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;

use crate::control::runner::Inspected;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;
use crate::model::manifest::Manifest;

/// Never changes once written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRecord {
    pub name: TransformName,
    pub version: TransformVersion,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Of the component in bytes.
    pub size: u64,
    pub manifest: Manifest,
    /// Milliseconds since the epoch.
    pub uploaded_at_ms: i64,
    /// What the checks of the upload found worth telling.
    pub warnings: Vec<String>,
}

impl VersionRecord {
    /// Of a component that passed the checks. Its number is given when it is kept.
    #[must_use]
    pub(crate) fn proposed(name: TransformName, inspected: &Inspected, now_ms: i64) -> Self {
        Self {
            name,
            version: TransformVersion(0),
            digest: inspected.digest.clone(),
            size: inspected.component.len() as u64,
            manifest: inspected.manifest.clone(),
            uploaded_at_ms: now_ms,
            warnings: inspected.warnings.clone(),
        }
    }

    /// For people and dead letters: `name@3`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// A transform in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformSummary {
    pub name: TransformName,
    /// How many versions there are.
    pub versions: usize,
    pub newest: Arc<VersionRecord>,
}
