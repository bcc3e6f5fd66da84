//! Why control does not do what it is asked.

use std::borrow::Cow;

use crate::control::seek::GroupInUse;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;

/// A file or folder of the catalog that cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}`: {message}")]
pub struct StorageError {
    /// Path in the file system.
    pub file: String,
    pub message: String,
}

/// What is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} `{name}`")]
pub struct NotFound {
    /// `transform`, `version` or `pipeline`.
    pub kind: &'static str,
    pub name: String,
}

/// What is there already, or stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}. {remedy}")]
pub struct Conflict {
    pub code: Code,
    pub message: String,
    pub remedy: Cow<'static, str>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error(transparent)]
    GroupInUse(#[from] GroupInUse),
    /// The resource is not as the caller saw it. `found` is none when it does not exist.
    #[error("expected {expected}, found {}", .found.map_or_else(|| "none".to_owned(), |n| format!("revision {n}")))]
    RevisionMismatch { expected: String, found: Option<u64> },
    /// At least one.
    #[error("refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// Passes by itself.
    #[error(transparent)]
    Outage(#[from] Outage),
    #[error("storage: {0}")]
    Storage(#[from] StorageError),
    /// A defect of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ControlError {
    pub(crate) fn no_pipeline(name: &impl ToString) -> Self {
        NotFound { kind: "pipeline", name: name.to_string() }.into()
    }

    pub(crate) fn no_transform(name: &impl ToString) -> Self {
        NotFound { kind: "transform", name: name.to_string() }.into()
    }
}
