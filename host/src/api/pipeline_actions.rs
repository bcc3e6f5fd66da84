//! `/v1/tenants/default/pipelines/{name}/{pause,resume,restart}`

use axum::extract::State;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::parameters::InPath;
use crate::api::pipelines::PipelineView;
use crate::api::pipelines::shown;
use crate::api::precondition::Expected;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::model::ids::PipelineName;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(pause)).routes(routes!(resume)).routes(routes!(restart))
}

/// Pause a pipeline: it finishes its cycle, commits and rests
#[utoipa::path(
    post, path = "/v1/tenants/default/pipelines/{name}/pause", tag = "pipelines", operation_id = "pause_pipeline",
    params(
        ("name" = String, Path, description = "Name of the pipeline"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the pipeline must have"),
    ),
    responses((status = 200, body = PipelineView, description = "It rests, or is about to")),
)]
async fn pause(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
    Expected(precondition): Expected,
) -> Result<Response, Problem> {
    state.control.pause(name.clone(), precondition).await?;
    shown(&state, &name).await
}

/// Let a pipeline run again that is paused, or that stopped by itself
#[utoipa::path(
    post, path = "/v1/tenants/default/pipelines/{name}/resume", tag = "pipelines", operation_id = "resume_pipeline",
    params(
        ("name" = String, Path, description = "Name of the pipeline"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the pipeline must have"),
    ),
    responses((status = 200, body = PipelineView, description = "It runs, or is about to")),
)]
async fn resume(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
    Expected(precondition): Expected,
) -> Result<Response, Problem> {
    state.control.resume(name.clone(), precondition).await?;
    shown(&state, &name).await
}

/// Drain a pipeline and start it anew
#[utoipa::path(
    post, path = "/v1/tenants/default/pipelines/{name}/restart", tag = "pipelines", operation_id = "restart_pipeline",
    params(
        ("name" = String, Path, description = "Name of the pipeline"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the pipeline must have"),
    ),
    responses((status = 200, body = PipelineView, description = "It is about to start anew")),
)]
async fn restart(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
    Expected(precondition): Expected,
) -> Result<Response, Problem> {
    state.control.restart(name.clone(), precondition).await?;
    shown(&state, &name).await
}
