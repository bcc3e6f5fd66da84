//! `If-Match` and `If-None-Match` of changes, and `ETag` of answers.

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header;
use axum::http::request::Parts;

use crate::api::problem::Problem;
use crate::control::pipeline_record::Precondition;

/// What must hold for the change to be made.
pub(crate) struct Expected(pub(crate) Precondition);

impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = |name| {
            let values = parts.headers.get_all(name).iter();
            let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (!values.is_empty()).then(|| values.join(","))
        };
        let precondition = match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
            (None, None) => Precondition::None,
            (None, Some(none)) if none.trim() == "*" => Precondition::Absent,
            (None, Some(none)) => return Err(malformed("If-None-Match", &none, "`*`")),
            (Some(tags), None) if tags.trim() == "*" => Precondition::Present,
            (Some(tags), None) => match tags.split(',').map(revision).collect() {
                Some(revisions) => Precondition::Revision(revisions),
                None => {
                    return Err(malformed(
                        "If-Match",
                        &tags,
                        "`*`, or the ETag of the pipeline, like `\"7\"`",
                    ));
                }
            },
            (Some(tags), Some(_)) => {
                return Err(malformed("If-Match", &tags, "one of If-Match and If-None-Match"));
            }
        };
        Ok(Self(precondition))
    }
}

fn malformed(header: &str, found: &str, expected: &str) -> Problem {
    let found: String = found.chars().take(80).collect();
    Problem::malformed(
        "invalid-precondition",
        format!("The header {header} is `{found}`, expected {expected}."),
    )
}

fn revision(tag: &str) -> Option<u64> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

pub(crate) fn etag(revision: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}
