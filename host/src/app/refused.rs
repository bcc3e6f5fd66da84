//! What was given cannot be used: a setting, a file, a pipeline.

use crate::model::failure::Refusal;

/// The reasons, under a heading. Ends a command with the exit code of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {}", .refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Refused {
    /// What is refused, as a clause.
    pub what: String,
    /// At least one.
    pub refusals: Vec<Refusal>,
}

impl Refused {
    #[must_use]
    pub fn one(what: impl Into<String>, refusal: Refusal) -> Self {
        Self { what: what.into(), refusals: vec![refusal] }
    }
}
