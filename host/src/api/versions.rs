//! `/v1/tenants/default/transforms/{name}/versions`

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body;
use crate::api::parameters::InPath;
use crate::api::parameters::InQuery;
use crate::api::parameters::ListView;
use crate::api::parameters::PageQuery;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::control::commands::Outcome;
use crate::control::version_record::VersionRecord;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;
use crate::model::manifest::Manifest;

/// A version of a transform. Never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionView {
    #[schema(value_type = String, example = "payments-filter")]
    name: TransformName,
    /// From 1.
    #[schema(value_type = u32, minimum = 1)]
    version: TransformVersion,
    /// `sha256:` and 64 hex digits.
    digest: String,
    /// Of the component in bytes.
    size_bytes: u64,
    /// What it was written in, as its SDK says.
    language: Option<String>,
    /// Milliseconds since the epoch.
    uploaded_at_ms: i64,
    /// What the checks of the upload found worth telling.
    warnings: Vec<String>,
    /// Ports, schemas and configuration keys, as the component describes itself.
    #[schema(value_type = Object)]
    manifest: Manifest,
}

impl From<VersionRecord> for VersionView {
    fn from(record: VersionRecord) -> Self {
        Self {
            name: record.name,
            version: record.version,
            digest: record.digest,
            size_bytes: record.size,
            language: record.manifest.sdk.as_ref().map(|sdk| sdk.language.clone()),
            uploaded_at_ms: record.uploaded_at_ms,
            warnings: record.warnings,
            manifest: record.manifest,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(upload, list)).routes(routes!(get))
}

/// Upload a component
///
/// Every check is made first; a component that fails one is not kept. The same component again is
/// the same version.
#[utoipa::path(
    post, path = "/v1/tenants/default/transforms/{name}/versions", tag = "transforms", operation_id = "upload_transform",
    params(("name" = String, Path, description = "Name of the transform: `[a-z0-9-]{1,63}`")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The component (.wasm)"),
    responses(
        (status = 201, body = VersionView, description = "A new version"),
        (status = 200, body = VersionView, description = "The version that this component already is"),
    ),
)]
async fn upload(
    State(state): State<ApiState>,
    InPath(name): InPath<TransformName>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let component = body::component(&state, request).await?;
    let (outcome, record) = state.control.upload(name, component).await?;
    let status = if outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/tenants/default/transforms/{}/versions/{}", record.name, record.version);
    Ok((status, [(header::LOCATION, location)], Json(VersionView::from(record))))
}

/// List the versions of a transform, oldest first
#[utoipa::path(
    get, path = "/v1/tenants/default/transforms/{name}/versions", tag = "transforms", operation_id = "list_versions",
    params(("name" = String, Path, description = "Name of the transform"), PageQuery),
    responses((status = 200, body = ListView<VersionView>)),
)]
async fn list(
    State(state): State<ApiState>,
    InPath(name): InPath<TransformName>,
    InQuery(page): InQuery<PageQuery>,
) -> Result<Json<ListView<VersionView>>, Problem> {
    let page = state.control.versions(&name, page.after()?.map(TransformVersion), page.limit)?;
    Ok(Json(ListView::of(page.map(VersionView::from))))
}

/// Show a version of a transform
#[utoipa::path(
    get, path = "/v1/tenants/default/transforms/{name}/versions/{version}", tag = "transforms", operation_id = "get_version",
    params(
        ("name" = String, Path, description = "Name of the transform"),
        ("version" = u32, Path, description = "Number of the version"),
    ),
    responses((status = 200, body = VersionView)),
)]
async fn get(
    State(state): State<ApiState>,
    InPath((name, version)): InPath<(TransformName, TransformVersion)>,
) -> Result<Json<VersionView>, Problem> {
    Ok(Json(state.control.version(&name, Some(version))?.into()))
}
