//! `/healthz`, `/readyz`, `/metrics`

use axum::Json;
use axum::extract::FromRef;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::problem::Problem;
use crate::api::problem::ProblemDocument;
use crate::api::state::HealthState;

#[derive(Debug, Serialize, ToSchema)]
struct HealthView {
    /// `ok`, `ready`.
    status: &'static str,
}

pub(crate) fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    HealthState: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the process answers
#[utoipa::path(
    get, path = "/healthz", tag = "health", operation_id = "healthz", security(()),
    responses((status = 200, body = HealthView)),
)]
async fn healthz() -> Json<HealthView> {
    Json(HealthView { status: "ok" })
}

/// Whether the host can do its work
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "readyz", security(()),
    responses((status = 200, body = HealthView), (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "Why it cannot")),
)]
async fn readyz(State(health): State<HealthState>) -> Result<Json<HealthView>, Problem> {
    let reasons = tokio::task::spawn_blocking(move || (health.readiness)()).await;
    let reasons = reasons.map_err(|_| Problem::internal())?;
    if reasons.is_empty() {
        return Ok(Json(HealthView { status: "ready" }));
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        "The host is not ready",
        reasons.join("\n"),
    ))
}

/// Metrics in the text format of Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4")),
)]
async fn metrics(State(health): State<HealthState>) -> Result<impl IntoResponse, Problem> {
    let text = tokio::task::spawn_blocking(move || (health.metrics)()).await;
    let text = text.map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
