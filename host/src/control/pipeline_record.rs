//! The desired state of a pipeline, as the catalog keeps it.

use serde::Deserialize;
use serde::Serialize;

use crate::control::runner::StateFate;
use crate::model::ids::PipelineName;

/// What its owner wants of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    Running,
    Paused,
    /// Stopped, forgotten at the broker, and then gone from the catalog.
    Deleted,
}

/// The component that a pipeline runs. A pipeline that asks for the newest version is pinned to the
/// one that was the newest when it was put: an upload alone changes no running pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedTransform {
    /// `name@3`.
    pub label: String,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineRecord {
    pub name: PipelineName,
    /// Grows with every change; gaps mean nothing.
    pub revision: u64,
    pub desired: Desired,
    pub transform: PinnedTransform,
    /// Milliseconds since the epoch.
    pub changed_at_ms: i64,
    /// Counts once it is to be deleted.
    #[serde(default, skip_serializing_if = "StateFate::is_default")]
    pub state: StateFate,
    /// The document as it was submitted.
    pub spec: serde_json::Value,
}

/// What must hold of a pipeline for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    #[default]
    None,
    /// It does not exist.
    Absent,
    /// It exists.
    Present,
    /// It has one of these revisions.
    Revision(Vec<u64>),
}

impl Precondition {
    /// # Errors
    /// What was expected, when it does not hold.
    pub(crate) fn check(&self, found: Option<u64>) -> Result<(), String> {
        match self {
            Self::None => Ok(()),
            Self::Absent if found.is_none() => Ok(()),
            Self::Absent => Err("no such pipeline".to_owned()),
            Self::Present if found.is_some() => Ok(()),
            Self::Present => Err("a pipeline of any revision".to_owned()),
            Self::Revision(revisions) if found.is_some_and(|found| revisions.contains(&found)) => Ok(()),
            Self::Revision(revisions) => {
                let revisions: Vec<_> = revisions.iter().map(u64::to_string).collect();
                Err(format!("revision {}", revisions.join(" or ")))
            }
        }
    }
}
