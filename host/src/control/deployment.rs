//! What a start of a pipeline needs.

use crate::control::pipeline_record::PinnedTransform;
use crate::model::failure::Refusal;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::PipelineSpec;

/// The spec of a pipeline, read again from its document at each start of the host.
#[derive(Debug)]
pub(crate) enum Deployment {
    Ready(Box<Ready>),
    /// The document was taken once and no longer is: the host or its settings changed.
    Refused(Vec<Refusal>),
}

#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) spec: PipelineSpec,
    pub(crate) transform: PinnedTransform,
    pub(crate) manifest: Manifest,
}
