use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;

/// An error as a Confluent registry answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: u32,
    pub(super) message: String,
}

impl Problem {
    fn new(status: StatusCode, code: u32, message: String) -> Self {
        Self { status, code, message }
    }

    pub(super) fn no_subject(subject: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 40401, format!("Subject '{subject}' not found."))
    }

    pub(super) fn no_version(version: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 40402, format!("Version {version} not found."))
    }

    pub(super) fn no_schema(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 40403, format!("Schema {detail} not found"))
    }

    pub(super) fn subject_not_soft_deleted(subject: &str) -> Self {
        let message = format!("Subject '{subject}' was not deleted first before being permanently deleted");
        Self::new(StatusCode::NOT_FOUND, 40405, message)
    }

    pub(super) fn version_not_soft_deleted(subject: &str, version: u32) -> Self {
        let message = format!(
            "Subject '{subject}' Version {version} was not deleted first before being permanently deleted"
        );
        Self::new(StatusCode::NOT_FOUND, 40407, message)
    }

    pub(super) fn no_level(subject: &str) -> Self {
        let message = format!("Subject '{subject}' does not have subject-level compatibility configured");
        Self::new(StatusCode::NOT_FOUND, 40408, message)
    }

    pub(super) fn no_mode(subject: &str) -> Self {
        let message = format!("Subject '{subject}' does not have subject-level mode configured");
        Self::new(StatusCode::NOT_FOUND, 40409, message)
    }

    pub(super) fn incompatible(subject: &str, messages: &[String]) -> Self {
        let message = format!(
            "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{}]",
            messages.join(", ")
        );
        Self::new(StatusCode::CONFLICT, 409, message)
    }

    pub(super) fn invalid_schema(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42201, format!("Invalid schema: {detail}"))
    }

    pub(super) fn invalid_version(version: &str) -> Self {
        let message = format!(
            "The specified version '{version}' is not a valid version id. \
             Allowed values are between [1, 2^31-1] and the string \"latest\""
        );
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42202, message)
    }

    pub(super) fn invalid_level() -> Self {
        let message = "Invalid compatibility level. Valid values are none, backward, forward, full, \
                       backward_transitive, forward_transitive, and full_transitive";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42203, message.to_owned())
    }

    pub(super) fn invalid_mode() -> Self {
        let message = "Invalid mode. Valid values here are READWRITE, READONLY and READONLY_OVERRIDE";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42204, message.to_owned())
    }

    pub(super) fn read_only(subject: &str) -> Self {
        let message = format!("Subject '{subject}' is in read-only mode");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42205, message)
    }

    pub(super) fn referenced(subject: &str, version: u32) -> Self {
        let message =
            format!("One or more references exist to the schema {{subject={subject},version={version}}}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42206, message)
    }

    pub(super) fn malformed(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 400, format!("Malformed request: {detail}"))
    }

    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, 404, "HTTP 404 Not Found".to_owned())
    }

    pub(super) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, 405, "HTTP 405 Method Not Allowed".to_owned())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error_code": self.code, "message": self.message }))).into_response()
    }
}
