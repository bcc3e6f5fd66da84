//! Every route.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::middleware;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::admission;
use crate::api::auth;
use crate::api::check;
use crate::api::guard;
use crate::api::health;
use crate::api::openapi;
use crate::api::pipeline_actions;
use crate::api::pipeline_logs;
use crate::api::pipeline_seek;
use crate::api::pipeline_status;
use crate::api::pipelines;
use crate::api::schemas;
use crate::api::state::ApiState;
use crate::api::state::HealthState;
use crate::api::transforms;
use crate::api::versions;

/// How long the sidecar's probes may take.
const SIDECAR_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole API.
pub fn router(state: ApiState) -> Router {
    let document = Arc::new(openapi::openapi());
    let (router, _) = routes().split_for_parts();
    let timeout = state.limits.request_timeout;
    let router = router
        .layer(axum::Extension(document))
        .fallback(guard::no_route)
        .method_not_allowed_fallback(guard::no_method)
        .layer(middleware::from_fn_with_state(state.clone(), admission::guard))
        .layer(middleware::from_fn_with_state(state.clone(), auth::guard))
        .layer(middleware::from_fn_with_state(timeout, guard::guard));
    router.with_state(state)
}

/// Health, readiness and metrics only. Asks for no token.
pub fn sidecar_router(health: HealthState) -> Router {
    let (router, _) = health::routes::<HealthState>().split_for_parts();
    let router = router
        .fallback(guard::no_route)
        .method_not_allowed_fallback(guard::no_method)
        .layer(middleware::from_fn_with_state(SIDECAR_TIMEOUT, guard::guard));
    router.with_state(health)
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .merge(transforms::routes())
        .merge(versions::routes())
        .merge(check::routes())
        .merge(pipelines::routes())
        .merge(pipeline_actions::routes())
        .merge(pipeline_seek::routes())
        .merge(pipeline_status::routes())
        .merge(pipeline_logs::routes())
        .merge(schemas::routes())
        .merge(health::routes())
        .routes(routes!(document))
}

/// This document
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "documents", operation_id = "get_openapi",
    responses((status = 200, body = Object)),
)]
async fn document(
    axum::Extension(document): axum::Extension<Arc<utoipa::openapi::OpenApi>>,
) -> Json<Arc<utoipa::openapi::OpenApi>> {
    Json(document)
}
