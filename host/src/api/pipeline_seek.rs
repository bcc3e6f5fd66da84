//! `/v1/tenants/default/pipelines/{name}/seek`

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use serde::Deserialize;
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body;
use crate::api::parameters::InPath;
use crate::api::parameters::InQuery;
use crate::api::precondition::Expected;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::control::commands::Mode;
use crate::model::ids::PipelineName;
use crate::model::pipeline_state::PipelineState;
use crate::model::seek::SeekMove;

/// Where a pipeline is to go on.
#[derive(Debug, ToSchema)]
#[schema(as = Seek)]
#[expect(dead_code, reason = "says what the document is; the configuration reads it")]
struct SeekDocument {
    /// As `start` of a pipeline file: `earliest`, `latest`, `{"timestamp": ...}` or
    /// `{"offsets": {"<topic>": {"<partition>": <offset>}}}`. With offsets, only the partitions that are
    /// named move.
    #[schema(value_type = Object, example = "earliest")]
    to: serde_json::Value,
    /// `all`, or `gone`: those alone whose committed offset is gone, because its records were deleted
    /// before they were read. Default `all`.
    #[schema(example = "gone")]
    partitions: Option<String>,
}

/// A partition that moves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoveView {
    topic: String,
    partition: i32,
    /// The committed offset before; null where nothing was committed.
    from: Option<i64>,
    /// The committed offset now, or, in a dry run, after the seek.
    to: i64,
    /// Whether the offset before was gone.
    gone: bool,
    /// The first offset that is still there.
    first: i64,
    /// The offset after the last.
    end: i64,
}

impl From<SeekMove> for MoveView {
    fn from(seek_move: SeekMove) -> Self {
        Self {
            gone: seek_move.was_gone(),
            topic: seek_move.partition.topic.to_string(),
            partition: seek_move.partition.partition.0,
            from: seek_move.from.map(|from| from.0),
            to: seek_move.to.0,
            first: seek_move.bounds.start.0,
            end: seek_move.bounds.end.0,
        }
    }
}

/// What a seek moved, or would move.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeekView {
    #[schema(value_type = String)]
    name: PipelineName,
    dry_run: bool,
    state: PipelineState,
    /// By topic and partition.
    partitions: Vec<MoveView>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SeekQuery {
    /// Make every check, tell what would move, and change nothing. Default false.
    #[serde(default)]
    dry_run: bool,
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(seek))
}

/// Move the positions of a pipeline that is paused or has stopped
///
/// The committed offsets of its group are set; it goes on there when it is resumed. The brokers take
/// this only while the group has no members: a worker that has ended keeps its place for a session
/// timeout, until when the answer is 409, `group-in-use`.
#[utoipa::path(
    post, path = "/v1/tenants/default/pipelines/{name}/seek", tag = "pipelines", operation_id = "seek_pipeline",
    params(
        ("name" = String, Path, description = "Name of the pipeline"),
        SeekQuery,
        ("If-Match" = Option<String>, Header, description = "The ETag that the pipeline must have"),
    ),
    request_body(content(
        (SeekDocument = "application/json", example = json!({ "to": "earliest", "partitions": "gone" })),
        (String = "application/yaml"),
    ), description = "Where to go on"),
    responses((status = 200, body = SeekView, description = "Moved, or only checked")),
)]
async fn seek(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
    InQuery(query): InQuery<SeekQuery>,
    Expected(precondition): Expected,
    request: Request,
) -> Result<Json<SeekView>, Problem> {
    let (text, format) = body::document_text(&state, request).await?;
    let read = Arc::clone(&state.read_seek);
    let seek = body::off_async(move || read(&text, format)).await?.map_err(body::unreadable)?;
    let mode = if query.dry_run { Mode::DryRun } else { Mode::Apply };
    let (status, moves) = state.control.seek(&name, &precondition, seek, mode).await?;
    Ok(Json(SeekView {
        name,
        dry_run: query.dry_run,
        state: status.state,
        partitions: moves.into_iter().map(MoveView::from).collect(),
    }))
}
