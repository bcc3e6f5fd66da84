//! `/v1/check`

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::model::manifest::Manifest;

/// A component that passes every upload check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckView {
    /// What it would be kept under: `sha256:` and 64 hex digits.
    digest: String,
    /// Of the component in bytes.
    size_bytes: usize,
    warnings: Vec<String>,
    #[schema(value_type = Object)]
    manifest: Manifest,
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(check))
}

/// Check a component as an upload would; nothing is kept
#[utoipa::path(
    post, path = "/v1/check", tag = "transforms", operation_id = "check_transform",
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The component (.wasm)"),
    responses((status = 200, body = CheckView, description = "It passes every check")),
)]
async fn check(State(state): State<ApiState>, request: Request) -> Result<Json<CheckView>, Problem> {
    let component = body::component(&state, request).await?;
    let inspected = state.control.check_component(component).await?;
    Ok(Json(CheckView {
        digest: inspected.digest,
        size_bytes: inspected.component.len(),
        warnings: inspected.warnings,
        manifest: inspected.manifest,
    }))
}
