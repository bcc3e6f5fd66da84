//! `/v1/tenants/default/pipelines/{name}/status`

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::parameters::InPath;
use crate::api::pipelines::DesiredView;
use crate::api::precondition::etag;
use crate::api::problem::FieldProblem;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::api::task_state::RestoreView;
use crate::api::task_state::StateView;
use crate::control::lifecycle::StopReason;
use crate::control::status::PipelineStatus;
use crate::model::ids::PipelineName;
use crate::model::pipeline_state::PipelineState;
use crate::model::status::TaskStatus;
use crate::model::status::Waiting;
use crate::model::task_phase::TaskPhase;

/// Why a pipeline stopped by itself, or cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StopView {
    code: String,
    message: String,
    /// How to mend it.
    remedy: String,
    /// The checks that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
}

impl From<StopReason> for StopView {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Failed(stop) => Self {
                code: stop.code.to_string(),
                message: stop.message,
                remedy: stop.remedy.into_owned(),
                errors: Vec::new(),
            },
            StopReason::Refused(refusals) => {
                let code = match refusals.as_slice() {
                    [only] => only.code.0,
                    _ => "refused",
                };
                Self {
                    code: code.to_owned(),
                    message: refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
                    remedy: "Mend what the checks found, then restart the pipeline.".to_owned(),
                    errors: refusals.into_iter().map(FieldProblem::from).collect(),
                }
            }
        }
    }
}

/// Something that passes by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingView {
    /// Milliseconds since the epoch.
    since_ms: i64,
    code: String,
    reason: String,
}

impl From<Waiting> for WaitingView {
    fn from(waiting: Waiting) -> Self {
        Self { since_ms: epoch_ms(waiting.since), code: waiting.code.to_string(), reason: waiting.reason }
    }
}

/// What a task does.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PhaseView {
    Created,
    Restoring,
    Running,
    Waiting,
    Closed,
}

impl From<TaskPhase> for PhaseView {
    fn from(phase: TaskPhase) -> Self {
        match phase {
            TaskPhase::Created => Self::Created,
            TaskPhase::Restoring => Self::Restoring,
            TaskPhase::Running => Self::Running,
            TaskPhase::Waiting => Self::Waiting,
            TaskPhase::Closed => Self::Closed,
        }
    }
}

/// A pipeline's work on one partition.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskView {
    /// Index of the worker thread that has it.
    worker: usize,
    topic: String,
    partition: i32,
    phase: PhaseView,
    /// Offset of the next record.
    position: i64,
    /// Offset up to which everything is committed.
    committed: i64,
    /// Records still to be read, as last known.
    lag: Option<u64>,
    /// Age of the last record dealt with, while there is lag; else 0. Milliseconds; null while the lag is
    /// not known, or no record was dealt with yet.
    lag_age_ms: Option<i64>,
    waiting: Option<WaitingView>,
    /// How far the restore of its state has come, while it is restored.
    restore: Option<RestoreView>,
    /// None without any, and while it is restored.
    state: Option<StateView>,
    /// The event watermark, milliseconds; none where no input has event time.
    event_watermark_ms: Option<i64>,
}

impl TaskView {
    fn new(worker: usize, task: TaskStatus, now_ms: i64) -> Self {
        let lag_age_ms = task.lag_age_ms(now_ms);
        Self {
            worker,
            topic: task.partition.topic.to_string(),
            partition: task.partition.partition.0,
            phase: task.phase.into(),
            position: task.position.0,
            committed: task.committed.0,
            lag: task.lag,
            lag_age_ms,
            waiting: task.waiting.map(WaitingView::from),
            restore: task.restore.as_ref().map(RestoreView::new),
            state: task.state.as_ref().map(|state| StateView::new(state, now_ms)),
            event_watermark_ms: task.event_watermark,
        }
    }
}

/// A worker thread.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkerView {
    worker: usize,
    /// How many partitions it has.
    tasks: usize,
    /// What the whole worker waits for.
    waiting: Option<WaitingView>,
}

/// Something that went wrong and was dealt with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PastErrorView {
    worker: usize,
    /// Milliseconds since the epoch.
    at_ms: i64,
    code: String,
    message: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusView {
    #[schema(value_type = String)]
    name: PipelineName,
    revision: u64,
    desired: DesiredView,
    state: PipelineState,
    /// Why it stopped by itself. Stays until it is resumed, restarted or changed.
    stop: Option<StopView>,
    /// What the whole pipeline waits for.
    waiting: Option<WaitingView>,
    /// Label of the transform, `name@3`.
    transform: String,
    /// Sum over the tasks on this host; null while it is not known of all.
    lag: Option<u64>,
    workers: Vec<WorkerView>,
    /// By topic and partition.
    tasks: Vec<TaskView>,
    /// Newest first.
    last_errors: Vec<PastErrorView>,
    /// Figures since the host started.
    #[schema(value_type = Option<Object>)]
    counters: Option<serde_json::Value>,
}

impl StatusView {
    fn new(status: PipelineStatus, counters: Option<serde_json::Value>, now_ms: i64) -> Self {
        let mut view = Self {
            name: status.record.name,
            revision: status.record.revision,
            desired: status.record.desired.into(),
            state: status.state,
            stop: status.stop.map(StopView::from),
            waiting: status.waiting.map(WaitingView::from),
            transform: status.record.transform.label,
            lag: None,
            workers: Vec::new(),
            tasks: Vec::new(),
            last_errors: Vec::new(),
            counters,
        };
        for (index, worker) in status.workers.into_iter().enumerate() {
            view.workers.push(WorkerView {
                worker: index,
                tasks: worker.tasks.len(),
                waiting: worker.waiting.map(WaitingView::from),
            });
            view.tasks.extend(worker.tasks.into_iter().map(|task| TaskView::new(index, task, now_ms)));
            view.last_errors.extend(worker.errors.into_iter().map(|error| PastErrorView {
                worker: index,
                at_ms: epoch_ms(error.at),
                code: error.code.to_string(),
                message: error.message,
            }));
        }
        view.tasks.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        view.last_errors.sort_by_key(|error| std::cmp::Reverse(error.at_ms));
        if !view.tasks.is_empty() {
            view.lag = view.tasks.iter().map(|task| task.lag).sum();
        }
        view
    }
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Show how a pipeline is doing
#[utoipa::path(
    get, path = "/v1/tenants/default/pipelines/{name}/status", tag = "pipelines", operation_id = "get_pipeline_status",
    params(("name" = String, Path, description = "Name of the pipeline")),
    responses((status = 200, body = StatusView)),
)]
async fn status(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
) -> Result<Response, Problem> {
    let status = state.control.status(&name).await?;
    let counters = state.counters.as_ref().and_then(|counters| counters(&state.control.id(&name)));
    let tag = etag(status.record.revision);
    let view = StatusView::new(status, counters, epoch_ms(SystemTime::now()));
    Ok(([(header::ETAG, tag)], Json(view)).into_response())
}

fn epoch_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
