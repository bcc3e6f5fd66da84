//! `/v1/tenants/default/pipelines`

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body;
use crate::api::parameters::InPath;
use crate::api::parameters::InQuery;
use crate::api::parameters::ListView;
use crate::api::parameters::PageQuery;
use crate::api::pipeline_status::StopView;
use crate::api::precondition::Expected;
use crate::api::precondition::etag;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::api::trial;
use crate::control::commands::Deletion;
use crate::control::commands::Mode;
use crate::control::commands::Outcome;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::PipelineRecord;
use crate::control::runner::StateFate;
use crate::control::status::PipelineStatus;
use crate::model::ids::PipelineName;
use crate::model::pipeline_state::PipelineState;

/// What its owner wants of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DesiredView {
    Running,
    Paused,
    Deleted,
}

impl From<Desired> for DesiredView {
    fn from(desired: Desired) -> Self {
        match desired {
            Desired::Running => Self::Running,
            Desired::Paused => Self::Paused,
            Desired::Deleted => Self::Deleted,
        }
    }
}

/// The component that a pipeline runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PinnedView {
    /// `name@3`.
    label: String,
    digest: String,
}

/// A pipeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineView {
    #[schema(value_type = String, example = "big-spenders")]
    name: PipelineName,
    /// Grows with every change. The ETag, in quotes.
    revision: u64,
    desired: DesiredView,
    state: PipelineState,
    /// Why it stopped by itself.
    stop: Option<StopView>,
    /// A pipeline that asks for the newest version keeps the one that was the newest when it was put.
    transform: PinnedView,
    /// Milliseconds since the epoch.
    changed_at_ms: i64,
    /// The document as it was submitted.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
}

impl From<PipelineStatus> for PipelineView {
    fn from(status: PipelineStatus) -> Self {
        let PipelineRecord { name, revision, desired, transform, changed_at_ms, spec, state: _ } =
            status.record;
        Self {
            name,
            revision,
            desired: desired.into(),
            state: status.state,
            stop: status.stop.map(StopView::from),
            transform: PinnedView { label: transform.label, digest: transform.digest },
            changed_at_ms,
            spec,
        }
    }
}

/// What became of a pipeline that was put, or, in a dry run, would become of it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutcomeView {
    Created,
    Changed,
    Unchanged,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PutView {
    outcome: OutcomeView,
    dry_run: bool,
    #[schema(value_type = String)]
    name: PipelineName,
    /// In a dry run, the revision before.
    revision: u64,
    desired: DesiredView,
    transform: PinnedView,
    /// What its owner should know.
    notices: Vec<String>,
}

/// A pipeline with a component that was not uploaded, for a dry run.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "says what the body is; `trial` reads it")]
struct TrialForm {
    /// The document, as `application/yaml` or `application/json`.
    pipeline: String,
    /// The component (.wasm).
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    component: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PutQuery {
    /// Make every check and change nothing. Default false.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Keep its state and its positions at the broker. Default false.
    #[serde(default)]
    keep_state: bool,
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get, delete))
}

/// The answer to whatever changes a pipeline or shows it.
pub(crate) async fn shown(state: &ApiState, name: &PipelineName) -> Result<Response, Problem> {
    let status = state.control.status(name).await?;
    let tag = etag(status.record.revision);
    Ok(([(header::ETAG, tag)], Json(PipelineView::from(status))).into_response())
}

/// List the pipelines, by name
#[utoipa::path(
    get, path = "/v1/tenants/default/pipelines", tag = "pipelines", operation_id = "list_pipelines",
    params(PageQuery),
    responses((status = 200, body = ListView<PipelineView>)),
)]
async fn list(
    State(state): State<ApiState>,
    InQuery(page): InQuery<PageQuery>,
) -> Result<Json<ListView<PipelineView>>, Problem> {
    let page = state.control.pipelines(page.after()?.as_ref(), page.limit).await?;
    Ok(Json(ListView::of(page.map(PipelineView::from))))
}

/// Create or change a pipeline
///
/// Every check is made first: topics, access, schemas, limits, the contract of the transform. If
/// one fails, nothing changes. A new pipeline runs; one that is paused stays paused.
///
/// With `dry_run=true`, `multipart/form-data` is taken too: the part `pipeline` is the document, which
/// names its transform without a version; the part `component` is checked as an upload under that
/// name, and the pipeline with it.
#[utoipa::path(
    put, path = "/v1/tenants/default/pipelines/{name}", tag = "pipelines", operation_id = "put_pipeline",
    params(
        ("name" = String, Path, description = "Name of the pipeline: `[a-z0-9-]{1,63}`"),
        PutQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag that the pipeline must have"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: the pipeline must not exist"),
    ),
    request_body(content(
        (serde_json::Value = "application/json", example = json!({
            "version": 1,
            "name": "large-payments",
            "transform": { "name": "payments-filter" },
            "inputs": { "payments": { "topic": "payments", "key": "text", "value": "avro" } },
            "outputs": { "large_payments": { "topic": "large-payments", "key": "text", "value": "avro" } },
            "config": { "threshold": "500" },
        })),
        (String = "application/yaml"),
        (TrialForm = "multipart/form-data"),
    ), description = "The document; its schema is at /v1/schemas/pipeline.json"),
    responses(
        (status = 201, body = PutView, description = "Created"),
        (status = 200, body = PutView, description = "Changed, unchanged, or only checked"),
    ),
)]
async fn put(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
    InQuery(query): InQuery<PutQuery>,
    Expected(precondition): Expected,
    request: Request,
) -> Result<Response, Problem> {
    let put = if query.dry_run && trial::is_trial(request.headers()) {
        let trial::Trial { document, component } = trial::read(&state, request).await?;
        state.control.try_pipeline(name, document, precondition, component).await?
    } else {
        let document = body::document(&state, request).await?;
        let mode = if query.dry_run { Mode::DryRun } else { Mode::Apply };
        state.control.put_pipeline(name, document, precondition, mode).await?
    };
    let (status, outcome) = match put.outcome {
        Outcome::Created if !query.dry_run => (StatusCode::CREATED, OutcomeView::Created),
        Outcome::Created => (StatusCode::OK, OutcomeView::Created),
        Outcome::Changed => (StatusCode::OK, OutcomeView::Changed),
        Outcome::Unchanged => (StatusCode::OK, OutcomeView::Unchanged),
    };
    let record = put.record;
    let tag = etag(record.revision);
    let view = PutView {
        outcome,
        dry_run: query.dry_run,
        name: record.name,
        revision: record.revision,
        desired: record.desired.into(),
        transform: PinnedView { label: record.transform.label, digest: record.transform.digest },
        notices: put.notices,
    };
    let mut response = (status, Json(view)).into_response();
    if !query.dry_run {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Show a pipeline
#[utoipa::path(
    get, path = "/v1/tenants/default/pipelines/{name}", tag = "pipelines", operation_id = "get_pipeline",
    params(("name" = String, Path, description = "Name of the pipeline")),
    responses((status = 200, body = PipelineView)),
)]
async fn get(State(state): State<ApiState>, InPath(name): InPath<PipelineName>) -> Result<Response, Problem> {
    shown(&state, &name).await
}

/// Delete a pipeline
///
/// It is drained, its state with the changelog topics and its consumer group are deleted, and then it is
/// gone. With `keep_state` they stay, and a pipeline that is put under the same name goes on with them.
/// When that takes long, for instance because the broker is away, it goes on by itself.
#[utoipa::path(
    delete, path = "/v1/tenants/default/pipelines/{name}", tag = "pipelines", operation_id = "delete_pipeline",
    params(
        ("name" = String, Path, description = "Name of the pipeline"),
        DeleteQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag that the pipeline must have"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 202, description = "It is being deleted"),
    ),
)]
async fn delete(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
    InQuery(query): InQuery<DeleteQuery>,
    Expected(precondition): Expected,
) -> Result<StatusCode, Problem> {
    let fate = if query.keep_state { StateFate::Keep } else { StateFate::Delete };
    Ok(match state.control.delete(name, precondition, fate).await? {
        Deletion::Done => StatusCode::NO_CONTENT,
        Deletion::UnderWay => StatusCode::ACCEPTED,
    })
}
