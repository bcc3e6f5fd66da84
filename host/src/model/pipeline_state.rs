//! How a pipeline is doing, in one word: the same in the API, in the metrics and in the documentation.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum PipelineState {
    Starting,
    Running,
    /// It waits for something that passes by itself, such as a broker that is away.
    Retrying,
    /// It cannot go on until someone acts.
    Stopped,
    /// It finishes its cycle and commits.
    Draining,
    Paused,
    /// It is being deleted.
    Deleting,
}

impl PipelineState {
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Running,
        Self::Retrying,
        Self::Stopped,
        Self::Draining,
        Self::Paused,
        Self::Deleting,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::Deleting => "deleting",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_words_of_the_metrics() {
        for state in PipelineState::ALL {
            assert_eq!(serde_json::to_value(state).expect("a word"), state.as_str());
        }
    }
}
