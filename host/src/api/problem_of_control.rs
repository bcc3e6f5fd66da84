//! What control answers, as problems.

use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;

use crate::api::problem::Problem;
use crate::control::error::ControlError;

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::NotFound(missing) => {
                let code = match missing.kind {
                    "transform" => "transform-not-found",
                    "version" => "version-not-found",
                    _ => "pipeline-not-found",
                };
                let detail = format!("{missing}. Check the name; the list of all is one path up.");
                Self::new(StatusCode::NOT_FOUND, code, "There is no such resource", detail)
            }
            ControlError::Conflict(conflict) => Self::new(
                StatusCode::CONFLICT,
                conflict.code.0,
                "The state of the resource does not allow this",
                format!("{conflict}."),
            ),
            ControlError::GroupInUse(in_use) => {
                let seconds = in_use.session.map_or(45, |session| session.as_secs().max(1));
                let detail = format!(
                    "The positions cannot be moved: {in_use}. Try again then; if there are still members, the pipeline runs on another host: pause it there, too."
                );
                let title = "The group of the pipeline has members";
                Self::new(StatusCode::CONFLICT, "group-in-use", title, detail)
                    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
            }
            ControlError::RevisionMismatch { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "revision-mismatch",
                "The pipeline is not as it was seen",
                format!("{error}. Read the pipeline again and repeat the change with its ETag."),
            ),
            ControlError::Refused(refusals) => Self::refused(refusals),
            ControlError::Outage(outage) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                outage.code.0,
                "Something that the host needs is away",
                format!("{}. Try again later.", outage.message),
            )
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5")),
            ControlError::Storage(error) => {
                tracing::error!(%error, "storage failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "storage-error",
                    "A file of the host cannot be used",
                    format!("{error}."),
                )
            }
            ControlError::Internal(reason) => {
                tracing::error!(%reason, "a defect");
                Self::internal()
            }
        }
    }
}
