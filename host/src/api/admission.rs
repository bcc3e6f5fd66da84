//! How much is worked on at once.

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::problem::Problem;
use crate::api::state::ApiState;

/// Answered however much there is to do: an overloaded host must not look like a dead one.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Turns a request away while too many are worked on. Comes after the token: whoever has none takes
/// no place.
pub(crate) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if ALWAYS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Ok(_permit) = state.requests.try_acquire() else {
        let most = state.limits.requests_at_once_max;
        let detail = format!("The host works on {most} requests, the most at once. Try again shortly.");
        return busy("too-many-requests", detail).into_response();
    };
    next.run(request).await
}

/// The turn of an upload, and its place among those that are taken or wait.
pub(crate) struct UploadTurn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

/// Waits for the turn of an upload.
///
/// # Errors
/// When too many wait already.
pub(crate) async fn upload(state: &ApiState) -> Result<UploadTurn, Problem> {
    let place = state.upload_places.clone().try_acquire_owned().map_err(|_| {
        let most = state.limits.uploads_waiting_max;
        let detail = format!("{most} uploads wait for their turn, the most at once. Try again shortly.");
        busy("too-many-uploads", detail)
    })?;
    let turn = state.uploads.clone().acquire_owned().await.map_err(|_| Problem::internal())?;
    Ok(UploadTurn { _turn: turn, _place: place })
}

/// A place for a stream of guest logs, until it is dropped.
///
/// # Errors
/// When all are taken.
pub(crate) fn log_stream(state: &ApiState) -> Result<OwnedSemaphorePermit, Problem> {
    state.log_streams.clone().try_acquire_owned().map_err(|_| {
        let most = state.limits.log_streams_max;
        let detail = format!("{most} log streams are open, the most at once. Close one, or read by pages.");
        busy("too-many-log-streams", detail)
    })
}

fn busy(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, "The host is busy", detail)
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}
