//! `/v1/tenants/default/transforms`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::parameters::InQuery;
use crate::api::parameters::ListView;
use crate::api::parameters::PageQuery;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::control::version_record::TransformSummary;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;

/// A transform in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransformView {
    #[schema(value_type = String, example = "payments-filter")]
    name: TransformName,
    /// How many versions there are.
    versions: usize,
    /// Number of the newest version.
    #[schema(value_type = u32)]
    newest_version: TransformVersion,
    /// Digest of the newest version.
    digest: String,
    /// What the newest version says of itself.
    description: String,
    /// When the newest version was uploaded, milliseconds since the epoch.
    uploaded_at_ms: i64,
}

impl From<TransformSummary> for TransformView {
    fn from(summary: TransformSummary) -> Self {
        Self {
            name: summary.name,
            versions: summary.versions,
            newest_version: summary.newest.version,
            digest: summary.newest.digest.clone(),
            description: summary.newest.manifest.description.clone(),
            uploaded_at_ms: summary.newest.uploaded_at_ms,
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List the transforms, by name
#[utoipa::path(
    get, path = "/v1/tenants/default/transforms", tag = "transforms", operation_id = "list_transforms",
    params(PageQuery),
    responses((status = 200, body = ListView<TransformView>)),
)]
async fn list(
    State(state): State<ApiState>,
    InQuery(page): InQuery<PageQuery>,
) -> Result<Json<ListView<TransformView>>, Problem> {
    let page = state.control.transforms(page.after()?.as_ref(), page.limit);
    Ok(Json(ListView::of(page.map(TransformView::from))))
}
