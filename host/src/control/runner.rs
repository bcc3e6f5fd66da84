//! What control needs of the data path. `app` implements it with the real workers.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at upload, deploy or start")]

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

use crate::control::commands::Mode;
use crate::control::seek::SeekFailure;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;
use crate::model::ids::PipelineId;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::seek::Seek;
use crate::model::seek::SeekMove;
use crate::model::status::WorkerStatus;
use crate::telemetry::guest_logs::GuestLogs;
use crate::worker::supervisor::DrainTimeout;

/// A component that passed every upload check.
#[derive(Debug, Clone)]
pub struct Inspected {
    pub manifest: Manifest,
    /// The component; not the upload itself when that was a core module and had to be wrapped.
    pub component: Arc<[u8]>,
    /// `sha256:` and 64 hex digits, of `component`.
    pub digest: String,
    pub warnings: Vec<String>,
}

/// A component as a pipeline refers to it.
#[derive(Debug, Clone)]
pub struct ComponentRef {
    /// For people and dead letters: `name@3`, or a file name.
    pub label: String,
    pub digest: String,
    pub manifest: Manifest,
    pub component: Arc<[u8]>,
}

/// The outcome of every check that a start would make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Why the pipeline cannot start. Empty: it can.
    pub refusals: Vec<Refusal>,
    /// What its owner should know.
    pub notices: Vec<String>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum StartFailure {
    #[error("the pipeline is refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Refusal>),
    /// A broker or registry is away: try again later.
    #[error(transparent)]
    Outage(#[from] Outage),
}

/// How a pipeline is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    NotRunning,
    Running,
    /// Running, but all of it waits for something that passes by itself.
    Retrying {
        since: SystemTime,
        code: Code,
        reason: String,
    },
    /// Stopped by itself, until someone acts.
    Stopped(Stop),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStatus {
    pub state: RunState,
    pub workers: Vec<WorkerStatus>,
}

/// What becomes of a deleted pipeline's state and of its positions in the input. They go together: state
/// without the positions that it was written at would count records twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateFate {
    #[default]
    Delete,
    /// A pipeline that is put under the same name goes on with them.
    Keep,
}

impl StateFate {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Runs pipelines. Every method may block: call it off the async threads.
pub trait Runner: Send + Sync + 'static {
    /// Every upload check.
    ///
    /// # Errors
    /// The first reason to refuse the component.
    fn inspect(&self, upload: &[u8]) -> Result<Inspected, Refusal>;

    /// Every check that a start would make; changes nothing. Without a component, because it is
    /// refused, those that need none.
    fn check(&self, id: &PipelineId, spec: &PipelineSpec, component: Option<&ComponentRef>) -> CheckReport;

    /// Starts a pipeline that is not running.
    ///
    /// # Errors
    /// See [`StartFailure`]; nothing runs then.
    fn start(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        component: &ComponentRef,
    ) -> Result<(), StartFailure>;

    /// Drains and stops a pipeline; nothing if it is not running.
    ///
    /// # Errors
    /// When it does not end within the deadline.
    fn stop(&self, id: &PipelineId, deadline: Duration) -> Result<(), DrainTimeout>;

    /// Moves the committed positions of a pipeline that has no workers, or tells what would move.
    ///
    /// # Errors
    /// See [`SeekFailure`]; nothing is moved then.
    fn seek(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        seek: &Seek,
        mode: Mode,
    ) -> Result<Vec<SeekMove>, SeekFailure>;

    /// Deletes what a stopped pipeline left at the broker and on the disk, unless it is to be kept: its
    /// state with the changelogs, and its consumer group.
    ///
    /// # Errors
    /// When the broker is away.
    fn forget(&self, id: &PipelineId, state: StateFate) -> Result<(), Outage>;

    fn status(&self, id: &PipelineId) -> RunStatus;

    /// The log of a pipeline's guests since the host started; none if it never ran.
    fn logs(&self, id: &PipelineId) -> Option<Arc<GuestLogs>>;
}
