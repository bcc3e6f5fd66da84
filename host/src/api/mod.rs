//! (in work)
use std::sync::Arc;
pub fn sidecar_router(ready: Arc<dyn Fn() -> Vec<String> + Send + Sync>, metrics: Arc<dyn Fn() -> String + Send + Sync>) -> axum::Router {
    axum::Router::new()
        .route("/healthz", axum::routing::get(|| async { "ok" }))
        .route("/readyz", axum::routing::get(move || { let r = ready(); async move { if r.is_empty() { Ok("ok".to_owned()) } else { Err((axum::http::StatusCode::SERVICE_UNAVAILABLE, r.join("\n"))) } } }))
        .route("/metrics", axum::routing::get(move || { let m = metrics(); async move { m } }))
}
pub fn openapi_json() -> serde_json::Result<String> { Ok(String::new()) }
