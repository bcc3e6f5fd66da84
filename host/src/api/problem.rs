//! Errors as problem documents (RFC 9457).

use axum::Json;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::failure::Refusal;

/// An error that is answered with a [`ProblemDocument`].
#[derive(Debug, Clone)]
pub struct Problem(Box<Answer>);

#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    document: ProblemDocument,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What went wrong, as a document.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `urn:wasmill:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every problem of this code.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What happened this time, and how to mend it.
    detail: String,
    /// Stable; documented.
    #[schema(example = "unknown-transform")]
    code: &'static str,
    /// What is wrong with single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
}

/// What is wrong with one field, or one part of the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    #[schema(example = "unknown-topic")]
    pub code: &'static str,
    /// Path of the field.
    #[schema(example = "inputs.payments.topic")]
    pub field: String,
    pub message: String,
    pub found: String,
    pub expected: String,
    /// How to mend it.
    pub remedy: String,
}

impl From<Refusal> for FieldProblem {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, field, message, found, expected, remedy } = refusal;
        Self { code: code.0, field, message, found, expected, remedy }
    }
}

/// Refusals that one answer tells.
const REFUSALS_MAX: usize = 200;

impl Problem {
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let document = ProblemDocument {
            kind: format!("urn:wasmill:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
        };
        Self(Box::new(Answer { status, document, header: None }))
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.0.document.errors = errors;
        self
    }

    pub(crate) fn set_status(&mut self, status: StatusCode) {
        self.0.status = status;
        self.0.document.status = status.as_u16();
    }

    /// 422. The code is that of the refusal when there is only one.
    #[must_use]
    pub fn refused(mut refusals: Vec<Refusal>) -> Self {
        let more = refusals.len().saturating_sub(REFUSALS_MAX);
        refusals.truncate(REFUSALS_MAX);
        let code = match refusals.as_slice() {
            [only] => only.code.0,
            _ => "refused",
        };
        let more = (more > 0).then(|| format!("There are {more} more."));
        let lines: Vec<String> = refusals.iter().map(ToString::to_string).chain(more).collect();
        let detail = lines.join("\n");
        let problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "A check failed; nothing changed", detail);
        problem.with_errors(refusals.into_iter().map(FieldProblem::from).collect())
    }

    /// 400.
    #[must_use]
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request is malformed", detail)
    }

    /// 500. What happened is in the host's log.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal-error",
            "The host failed",
            "This is a defect of Wasmill. The host's log says more; please report it.",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Answer { status, document, header: own } = *self.0;
        let mut response = (status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = own {
            headers.insert(name, value);
        }
        response
    }
}
