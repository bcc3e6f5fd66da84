//! Moves the positions of a pipeline that rests.

use std::sync::Arc;
use std::time::Duration;

use crate::control::commands::Mode;
use crate::control::error::Conflict;
use crate::control::error::ControlError;
use crate::control::pipeline_record::Precondition;
use crate::control::service::Control;
use crate::control::status::PipelineStatus;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineName;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::Start;
use crate::model::pipeline_state::PipelineState;
use crate::model::seek::Seek;
use crate::model::seek::SeekMove;

/// Why a runner does not move positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeekFailure {
    Refused(Vec<Refusal>),
    InUse(GroupInUse),
    /// Passes by itself.
    Outage(Outage),
}

/// The group has members, so that the brokers take no offsets from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the group `{group}` has members: {}; {}",
    shown(.members),
    how_long(*.session)
)]
pub struct GroupInUse {
    pub group: String,
    /// As far as they are known.
    pub members: Vec<String>,
    /// How long a worker keeps its place after it has ended; none when the brokers say so.
    pub session: Option<Duration>,
}

fn shown(members: &[String]) -> String {
    const SHOWN_MAX: usize = 5;
    if members.is_empty() {
        return "the brokers do not say which".to_owned();
    }
    let mut text =
        members.iter().take(SHOWN_MAX).map(|member| format!("`{member}`")).collect::<Vec<_>>().join(", ");
    if members.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", members.len() - SHOWN_MAX));
    }
    text
}

fn how_long(session: Option<Duration>) -> String {
    let keeps = "a worker that has ended keeps its place for its session timeout";
    match session {
        Some(session) => format!("{keeps}, at most {} s", session.as_secs_f64()),
        None => format!("{keeps}, which the brokers set (45 s unless configured)"),
    }
}

impl Control {
    /// Moves the committed positions of a pipeline that is paused or has stopped, or tells what would
    /// move.
    ///
    /// # Errors
    /// When there is no such pipeline or the precondition does not hold; it runs, or its group has
    /// members; or the seek is refused. Nothing is moved then.
    pub async fn seek(
        &self,
        name: &PipelineName,
        precondition: &Precondition,
        seek: Seek,
        mode: Mode,
    ) -> Result<(PipelineStatus, Vec<SeekMove>), ControlError> {
        let record = self.inner.existing(name, precondition)?;
        let document = record.spec.clone();
        let inner = Arc::clone(&self.inner);
        let status = self.off_async(move || inner.status(record)).await?;
        if !matches!(status.state, PipelineState::Paused | PipelineState::Stopped) {
            return Err(runs(name, status.state));
        }
        let spec = self.read_spec_of(name, &document).await?;
        let unknown = unknown_topics(&spec, &seek.to);
        if !unknown.is_empty() {
            return Err(ControlError::Refused(unknown));
        }
        let (runner, id) = (Arc::clone(&self.inner.runner), self.id(name));
        // No lock is held meanwhile: should the pipeline be resumed, the brokers take either the seek
        // before its workers, or refuse the seek.
        let moved = self.off_async(move || runner.seek(&id, &spec, &seek, mode)).await?;
        let moves = moved.map_err(|failure| match failure {
            SeekFailure::Refused(refusals) => ControlError::Refused(refusals),
            SeekFailure::InUse(in_use) => ControlError::GroupInUse(in_use),
            SeekFailure::Outage(outage) => ControlError::Outage(outage),
        })?;
        if mode == Mode::Apply {
            tracing::info!(pipeline = %self.id(name), partitions = moves.len(), "positions moved by hand");
        }
        Ok((status, moves))
    }
}

fn runs(name: &PipelineName, state: PipelineState) -> ControlError {
    Conflict {
        code: Code("pipeline-not-at-rest"),
        message: format!(
            "pipeline `{name}` is {}, and only one that is paused or stopped can be moved",
            state.as_str()
        ),
        remedy: "Pause it, wait until its state is `paused`, and try again".into(),
    }
    .into()
}

fn unknown_topics(spec: &PipelineSpec, to: &Start) -> Vec<Refusal> {
    let Start::Offsets(by_topic) = to else { return Vec::new() };
    let inputs: Vec<String> = spec.inputs.values().map(|input| format!("`{}`", input.topic)).collect();
    let unknown = by_topic.keys().filter(|topic| !spec.inputs.values().any(|input| *input.topic == ***topic));
    let refused = unknown.map(|topic| Refusal {
        code: Code("unknown-value"),
        field: format!("to.offsets.{topic}"),
        message: "this topic is not an input of the pipeline".to_owned(),
        found: format!("`{topic}`"),
        expected: format!("one of {}", inputs.join(", ")),
        remedy: "Name an input topic.".to_owned(),
    });
    refused.collect()
}
