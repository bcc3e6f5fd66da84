//! What every request passes through.

use std::panic::AssertUnwindSafe;
use std::time::Duration;
use std::time::Instant;

use axum::extract::Request;
use axum::extract::State;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::FutureExt;

use crate::api::problem::Problem;

/// A handler that panics, or takes too long, is answered for; the host goes on.
pub(crate) async fn guard(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = Instant::now();
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let response = match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(%method, path, "the handler of a request panicked");
            Problem::internal().into_response()
        }
        Err(_) => {
            let detail = format!(
                "The host did not answer within {} ms. What was under way may still be done: look before trying again.",
                timeout.as_millis()
            );
            let title = "The request took too long";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "request-timeout", title, detail).into_response()
        }
    };
    let (status, elapsed_ms) = (response.status().as_u16(), began.elapsed().as_millis());
    tracing::debug!(%method, path, status, elapsed_ms, "request answered");
    response
}

pub(crate) async fn no_route(uri: Uri) -> Problem {
    let detail = format!("There is nothing at `{}`. The paths are listed at /v1/openapi.json.", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "route-not-found", "There is no such path", detail)
}

pub(crate) async fn no_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take {method}. The header `Allow` has what it takes.", uri.path());
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "The path does not take this method",
        detail,
    )
}
