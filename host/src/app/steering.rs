//! Through what people steer a host, and what they are told to do with it.

use std::sync::Arc;

use crate::model::ids::PipelineId;

/// How people steer the pipelines of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steering {
    Api,
    /// Files alone: a sidecar.
    Files,
}

impl Steering {
    /// How to accept that records were deleted before they were read.
    pub(in crate::app) fn gap_remedy(self, id: &PipelineId) -> Arc<str> {
        match self {
            Self::Api => format!(
                "Accept the loss with `wasmill seek {} --to earliest --gone --resume`, or with POST .../seek and .../resume",
                id.pipeline
            ),
            Self::Files => format!(
                "Accept the loss by moving the offsets of the group `{}` while no host runs the pipeline (`kafka-consumer-groups.sh --reset-offsets --to-earliest --execute`, once its session timeout has passed), then start the process again",
                id.group()
            ),
        }
        .into()
    }
}
