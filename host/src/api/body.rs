//! Bodies of requests: of a known type, and of a bounded size.

use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::api::admission;
use crate::api::admission::UploadTurn;
use crate::api::problem::Problem;
use crate::api::state::ApiLimits;
use crate::api::state::ApiState;
use crate::api::state::DocumentFormat;
use crate::model::failure::Refusal;

const COMPONENT_TYPES: [&str; 2] = ["application/octet-stream", "application/wasm"];

/// How much of a body that is refused is still read, and for how long.
const DISCARD_BYTES_MAX: usize = 256 << 20;
const DISCARD_MAX: Duration = Duration::from_secs(10);

/// The bytes of an upload with its turn, which ends with the last that holds them: also when the client
/// goes away while they are worked on, off the async threads.
struct Upload {
    bytes: Vec<u8>,
    _turn: UploadTurn,
}

impl AsRef<[u8]> for Upload {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A component. Waits until there is room for another one, unless it is refused for its headers.
pub(crate) async fn component(state: &ApiState, request: Request) -> Result<Bytes, Problem> {
    match media_type(request.headers()) {
        Some(found) if COMPONENT_TYPES.contains(&found.as_str()) => {}
        found => return Err(wrong_type(found, "`application/octet-stream` or `application/wasm`")),
    }
    let component = upload(state, request, state.limits.upload_bytes_max).await?;
    if component.is_empty() {
        let detail = "The body is empty, expected a component. With curl: --data-binary @transform.wasm";
        return Err(Problem::malformed("empty-body", detail));
    }
    Ok(component)
}

/// A large body. Waits until there is room for another one, unless it is refused for its headers. It has
/// its turn for as long as any of its bytes are held.
pub(crate) async fn upload(state: &ApiState, request: Request, bytes_max: usize) -> Result<Bytes, Problem> {
    let mut stream = open(request, bytes_max).await?;
    let turn = admission::upload(state).await?;
    match collect(&mut stream, bytes_max, &state.limits).await {
        Ok(bytes) => Ok(Bytes::from_owner(Upload { bytes, _turn: turn })),
        Err(failure) => {
            drop(turn);
            Err(failure.answer(stream, bytes_max).await)
        }
    }
}

/// A document of a pipeline.
pub(crate) async fn document(state: &ApiState, request: Request) -> Result<Json, Problem> {
    let (text, format) = document_text(state, request).await?;
    let read = Arc::clone(&state.read_document);
    off_async(move || read(&text, format)).await?.map_err(unreadable)
}

/// Work on a body that may take a while.
pub(crate) async fn off_async<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())
}

/// The text of a document, and how it is written.
pub(crate) async fn document_text(
    state: &ApiState,
    request: Request,
) -> Result<(String, DocumentFormat), Problem> {
    let format = document_format(media_type(request.headers()))?;
    let bytes_max = state.limits.document_bytes_max;
    let mut stream = open(request, bytes_max).await?;
    match collect(&mut stream, bytes_max, &state.limits).await {
        Ok(body) => Ok((utf8(body)?, format)),
        Err(failure) => Err(failure.answer(stream, bytes_max).await),
    }
}

pub(crate) fn document_format(media_type: Option<String>) -> Result<DocumentFormat, Problem> {
    match media_type.as_deref() {
        Some("application/json") => Ok(DocumentFormat::Json),
        Some("application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml") => {
            Ok(DocumentFormat::Yaml)
        }
        _ => Err(wrong_type(media_type, "`application/json` or `application/yaml`")),
    }
}

pub(crate) fn utf8(document: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(document).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::malformed("not-utf8", format!("The document is not UTF-8: byte {at} begins no character."))
    })
}

/// What cannot be read is malformed; what can be read and not be run is refused, later.
pub(crate) fn unreadable(refusals: Vec<Refusal>) -> Problem {
    let mut problem = Problem::refused(refusals);
    problem.set_status(StatusCode::BAD_REQUEST);
    problem
}

/// The body of a request that does not say that it is too large.
async fn open(request: Request, bytes_max: usize) -> Result<BodyDataStream, Problem> {
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // Such a client sends nothing before it is told to go on.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let mut stream = request.into_body().into_data_stream();
    if declared.is_some_and(|declared: u64| declared > bytes_max as u64) {
        if !asks_first {
            discard(&mut stream).await;
        }
        return Err(too_large(declared, bytes_max));
    }
    Ok(stream)
}

/// Why a body was not read to its end.
enum Failure {
    TooLarge,
    BrokeOff(axum::Error),
    Stalled(Duration),
    /// So many bytes came within so long.
    Slow(usize, Duration),
}

impl Failure {
    async fn answer(self, mut stream: BodyDataStream, bytes_max: usize) -> Problem {
        match self {
            Self::TooLarge => {
                discard(&mut stream).await;
                too_large(None, bytes_max)
            }
            Self::BrokeOff(error) => {
                Problem::malformed("body-incomplete", format!("The body broke off: {error}."))
            }
            Self::Stalled(stall_max) => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-stalled",
                "The body does not come",
                format!(
                    "Nothing of the body came for {} ms. Send it without pauses, or over a better connection.",
                    stall_max.as_millis()
                ),
            ),
            Self::Slow(bytes, within) => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body-too-slow",
                "The body comes too slowly",
                format!(
                    "{bytes} bytes of the body came within {} ms. Send it over a better connection.",
                    within.as_millis()
                ),
            ),
        }
    }
}

async fn collect(
    stream: &mut BodyDataStream,
    bytes_max: usize,
    limits: &ApiLimits,
) -> Result<Vec<u8>, Failure> {
    let stall_max = limits.body_stall_max;
    let mut body = Vec::new();
    let begun = Instant::now();
    loop {
        let stalled = Instant::now() + stall_max;
        let slow = begun + earned(body.len(), limits);
        let next = tokio::time::timeout_at(stalled.min(slow), stream.next()).await;
        let next = next.map_err(|_| match slow < stalled && !body.is_empty() {
            true => Failure::Slow(body.len(), begun.elapsed()),
            false => Failure::Stalled(stall_max),
        })?;
        let Some(chunk) = next else { return Ok(body) };
        let chunk = chunk.map_err(Failure::BrokeOff)?;
        if chunk.len() > bytes_max - body.len() {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
}

/// How long a body may take of which so much has come.
fn earned(bytes: usize, limits: &ApiLimits) -> Duration {
    let at_rate =
        Duration::from_millis((bytes as u64).saturating_mul(1000) / limits.body_rate_min.max(1) as u64);
    limits.body_stall_max.saturating_add(at_rate).min(limits.body_max)
}

/// Reads what is left of a body that is refused, and forgets it: a client that is still writing when
/// the connection is closed sees a broken pipe, and never the answer.
async fn discard(stream: &mut BodyDataStream) {
    let all = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(chunk)) = stream.next().await {
            let Some(less) = left.checked_sub(chunk.len()) else { return };
            left = less;
        }
    };
    // Whoever sends more, or slower, does without the answer.
    let _ = tokio::time::timeout(DISCARD_MAX, all).await;
}

pub(crate) fn too_large(declared: Option<u64>, bytes_max: usize) -> Problem {
    let found = declared.map_or_else(|| "more".to_owned(), |declared| format!("{declared} bytes"));
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        format!("The body has {found}, expected at most {bytes_max} bytes."),
    )
}

pub(crate) fn wrong_type(found: Option<String>, expected: &str) -> Problem {
    let found = found.map_or_else(|| "no Content-Type".to_owned(), |found| format!("`{found}`"));
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The type of the body is not understood",
        format!("Found {found}, expected the header `Content-Type` with {expected}."),
    )
}

/// In lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}
