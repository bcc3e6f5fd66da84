//! A pipeline together with a component that was not uploaded, to be checked and not kept.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header;
use bytes::Bytes;
use serde_json::Value as Json;

use crate::api::body;
use crate::api::multipart;
use crate::api::multipart::Part;
use crate::api::problem::Problem;
use crate::api::state::ApiState;

const FORM: &str = "multipart/form-data";
const PIPELINE: &str = "pipeline";
const COMPONENT: &str = "component";
/// Bytes that boundaries and headers of two parts may add.
const FRAMING_BYTES_MAX: usize = 64 << 10;

pub(crate) struct Trial {
    pub(crate) document: Json,
    /// See [`body::upload`].
    pub(crate) component: Bytes,
}

/// Whether a request brings a component beside the document.
pub(crate) fn is_trial(headers: &HeaderMap) -> bool {
    body::media_type(headers).as_deref() == Some(FORM)
}

/// The document and the component of a request. Waits until there is room for the component.
pub(crate) async fn read(state: &ApiState, request: Request) -> Result<Trial, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(boundary) = content_type.and_then(multipart::boundary) else {
        let detail =
            "The header Content-Type names no boundary, expected `multipart/form-data; boundary=...`.";
        return Err(Problem::malformed("invalid-multipart", detail));
    };
    let limits = &state.limits;
    let bytes_max = limits.upload_bytes_max + limits.document_bytes_max + FRAMING_BYTES_MAX;
    let bytes = body::upload(state, request, bytes_max).await?;
    // A component takes a moment to be searched for the boundary.
    let read = body::off_async(move || multipart::parts(&bytes, &boundary, 2)).await?;
    let parts = read.map_err(|detail| Problem::malformed("invalid-multipart", detail))?;
    let (pipeline, component) = both(parts)?;
    for (part, part_max) in [(&pipeline, limits.document_bytes_max), (&component, limits.upload_bytes_max)] {
        if part.body.len() > part_max {
            return Err(body::too_large(u64::try_from(part.body.len()).ok(), part_max));
        }
    }
    let format = body::document_format(pipeline.media_type)?;
    let (text, read) = (body::utf8(pipeline.body.to_vec())?, Arc::clone(&state.read_document));
    let document = body::off_async(move || read(&text, format)).await?.map_err(body::unreadable)?;
    Ok(Trial { document, component: component.body })
}

fn both(parts: Vec<Part>) -> Result<(Part, Part), Problem> {
    let names: Vec<String> = parts.iter().map(|part| format!("`{}`", part.name)).collect();
    let (mut pipeline, mut component) = (None, None);
    for part in parts {
        match part.name.as_str() {
            PIPELINE => pipeline = Some(part),
            COMPONENT => component = Some(part),
            _ => {}
        }
    }
    match (pipeline, component) {
        (Some(pipeline), Some(component)) => Ok((pipeline, component)),
        _ => {
            let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let detail =
                format!("The parts of the body are {found}, expected `{PIPELINE}` and `{COMPONENT}`.");
            Err(Problem::malformed("invalid-multipart", detail))
        }
    }
}
