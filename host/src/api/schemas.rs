//! `/v1/schemas/pipeline.json`

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(pipeline))
}

/// The JSON Schema of pipeline documents, for editors
#[utoipa::path(
    get, path = "/v1/schemas/pipeline.json", tag = "documents", operation_id = "get_pipeline_schema",
    responses((status = 200, body = Object)),
)]
async fn pipeline(State(state): State<ApiState>) -> Json<serde_json::Value> {
    Json(state.pipeline_schema.clone())
}
