use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::routing::get;
use axum::routing::post;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;

use crate::compatibility::CompatibilityLevel;
use crate::compatibility::Mode;
use crate::compatibility::Scope;
use crate::memory::MemoryRegistry;
use crate::memory::problem::Problem;
use crate::schema::Deletion;
use crate::schema::Listing;
use crate::schema::Schema;
use crate::schema::SubjectVersion;
use crate::schema::Version;

type Answer<T> = Result<Json<T>, Problem>;

/// The switches of all routes; as in other registries, unknown ones are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Switches {
    deleted: bool,
    permanent: bool,
    verbose: bool,
    default_to_global: bool,
}

impl Switches {
    fn listing(&self) -> Listing {
        if self.deleted { Listing::WithDeleted } else { Listing::Live }
    }

    fn deletion(&self) -> Deletion {
        if self.permanent { Deletion::Permanent } else { Deletion::Soft }
    }
}

pub(super) fn router(registry: MemoryRegistry) -> Router {
    Router::new()
        .route("/", get(async || Json(json!({}))))
        .route("/contexts", get(async || Json(["."])))
        .route("/schemas/types", get(async || Json(["AVRO"])))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/ids/{id}/schema", get(schema_text))
        .route("/schemas/ids/{id}/subjects", get(schema_subjects))
        .route("/schemas/ids/{id}/versions", get(schema_versions))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(lookup).delete(delete_subject))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version).delete(delete_version))
        .route("/subjects/{subject}/versions/{version}/schema", get(version_text))
        .route("/subjects/{subject}/versions/{version}/referencedby", get(referenced_by))
        .route("/compatibility/subjects/{subject}/versions", post(check_configured))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(check_version))
        .route("/config", get(global_level).put(set_global_level))
        .route("/config/{subject}", get(level).put(set_level).delete(clear_level))
        .route("/mode", get(global_mode).put(set_global_mode))
        .route("/mode/{subject}", get(mode).put(set_mode))
        .fallback(async || Problem::no_route())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .with_state(registry)
}

// Content types are not looked at: clients send several.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed(&error.to_string()))
}

fn version_of(text: &str) -> Result<Version, Problem> {
    match text {
        "latest" | "-1" => Ok(Version::Latest),
        number => match number.parse::<u32>() {
            Ok(number) if (1..=i32::MAX.unsigned_abs()).contains(&number) => Ok(Version::Number(number)),
            _ => Err(Problem::invalid_version(text)),
        },
    }
}

fn id_of(text: &str) -> Result<u32, Problem> {
    text.parse().map_err(|_| Problem::no_schema(text))
}

async fn schema(State(registry): State<MemoryRegistry>, Path(id): Path<String>) -> Answer<Schema> {
    Ok(Json(registry.state().schema(id_of(&id)?)?.clone()))
}

async fn schema_text(
    State(registry): State<MemoryRegistry>,
    Path(id): Path<String>,
) -> Result<String, Problem> {
    Ok(registry.state().schema(id_of(&id)?)?.text.clone())
}

async fn schema_subjects(
    State(registry): State<MemoryRegistry>,
    Path(id): Path<String>,
    Query(switches): Query<Switches>,
) -> Answer<Vec<String>> {
    let mut subjects: Vec<String> = registry
        .state()
        .places(id_of(&id)?, switches.listing())?
        .into_iter()
        .map(|(subject, _)| subject)
        .collect();
    subjects.dedup();
    Ok(Json(subjects))
}

async fn schema_versions(
    State(registry): State<MemoryRegistry>,
    Path(id): Path<String>,
    Query(switches): Query<Switches>,
) -> Answer<Vec<Value>> {
    let places = registry.state().places(id_of(&id)?, switches.listing())?;
    Ok(Json(
        places
            .into_iter()
            .map(|(subject, version)| json!({ "subject": subject, "version": version }))
            .collect(),
    ))
}

async fn subjects(
    State(registry): State<MemoryRegistry>,
    Query(switches): Query<Switches>,
) -> Json<Vec<String>> {
    Json(registry.state().subjects(switches.listing()))
}

async fn lookup(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    Query(switches): Query<Switches>,
    bytes: Bytes,
) -> Answer<SubjectVersion> {
    Ok(Json(registry.state().lookup(&subject, &body(&bytes)?, switches.listing())?))
}

async fn delete_subject(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    Query(switches): Query<Switches>,
) -> Answer<Vec<u32>> {
    Ok(Json(registry.state().delete_subject(&subject, switches.deletion())?))
}

async fn versions(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    Query(switches): Query<Switches>,
) -> Answer<Vec<u32>> {
    Ok(Json(registry.state().versions(&subject, switches.listing())?))
}

async fn register(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    bytes: Bytes,
) -> Answer<Value> {
    let id = registry.state().register(&subject, &body(&bytes)?)?;
    Ok(Json(json!({ "id": id })))
}

async fn version(
    State(registry): State<MemoryRegistry>,
    Path((subject, version)): Path<(String, String)>,
    Query(switches): Query<Switches>,
) -> Answer<SubjectVersion> {
    Ok(Json(registry.state().version(&subject, version_of(&version)?, switches.listing())?))
}

async fn version_text(
    State(registry): State<MemoryRegistry>,
    Path((subject, version)): Path<(String, String)>,
    Query(switches): Query<Switches>,
) -> Result<String, Problem> {
    Ok(registry.state().version(&subject, version_of(&version)?, switches.listing())?.schema.text)
}

async fn delete_version(
    State(registry): State<MemoryRegistry>,
    Path((subject, version)): Path<(String, String)>,
    Query(switches): Query<Switches>,
) -> Answer<u32> {
    Ok(Json(registry.state().delete_version(&subject, version_of(&version)?, switches.deletion())?))
}

async fn referenced_by(
    State(registry): State<MemoryRegistry>,
    Path((subject, version)): Path<(String, String)>,
) -> Answer<Vec<u32>> {
    Ok(Json(registry.state().referenced_by(&subject, version_of(&version)?)?))
}

async fn check_configured(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    Query(switches): Query<Switches>,
    bytes: Bytes,
) -> Answer<Value> {
    Ok(report(registry.state().check(&subject, None, &body(&bytes)?)?, &switches))
}

async fn check_version(
    State(registry): State<MemoryRegistry>,
    Path((subject, version)): Path<(String, String)>,
    Query(switches): Query<Switches>,
    bytes: Bytes,
) -> Answer<Value> {
    let version = version_of(&version)?;
    Ok(report(registry.state().check(&subject, Some(version), &body(&bytes)?)?, &switches))
}

fn report(messages: Vec<String>, switches: &Switches) -> Json<Value> {
    let compatible = messages.is_empty();
    Json(if switches.verbose && !compatible {
        json!({ "is_compatible": compatible, "messages": messages })
    } else {
        json!({ "is_compatible": compatible })
    })
}

fn level_asked(bytes: &Bytes) -> Result<CompatibilityLevel, Problem> {
    let asked: Value = body(bytes)?;
    let name = asked.get("compatibility").and_then(Value::as_str).map(str::to_ascii_uppercase);
    serde_json::from_value(json!(name)).map_err(|_| Problem::invalid_level())
}

async fn global_level(State(registry): State<MemoryRegistry>) -> Answer<Value> {
    Ok(Json(json!({ "compatibilityLevel": registry.state().level(Scope::Global)? })))
}

async fn set_global_level(State(registry): State<MemoryRegistry>, bytes: Bytes) -> Answer<Value> {
    let level = level_asked(&bytes)?;
    registry.state().set_level(Scope::Global, level);
    Ok(Json(json!({ "compatibility": level })))
}

async fn level(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    Query(switches): Query<Switches>,
) -> Answer<Value> {
    let state = registry.state();
    let level = match state.level(Scope::Subject(&subject)) {
        Err(_) if switches.default_to_global => state.effective_level(&subject),
        own => own?,
    };
    Ok(Json(json!({ "compatibilityLevel": level })))
}

async fn set_level(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    bytes: Bytes,
) -> Answer<Value> {
    let level = level_asked(&bytes)?;
    registry.state().set_level(Scope::Subject(&subject), level);
    Ok(Json(json!({ "compatibility": level })))
}

async fn clear_level(State(registry): State<MemoryRegistry>, Path(subject): Path<String>) -> Answer<Value> {
    Ok(Json(json!({ "compatibilityLevel": registry.state().clear_level(&subject)? })))
}

fn mode_asked(bytes: &Bytes) -> Result<Mode, Problem> {
    let asked: Value = body(bytes)?;
    let name = asked.get("mode").and_then(Value::as_str).map(str::to_ascii_uppercase);
    match serde_json::from_value(json!(name)) {
        Ok(mode @ (Mode::ReadWrite | Mode::ReadOnly | Mode::ReadOnlyOverride)) => Ok(mode),
        _ => Err(Problem::invalid_mode()),
    }
}

async fn global_mode(State(registry): State<MemoryRegistry>) -> Answer<Value> {
    Ok(Json(json!({ "mode": registry.state().mode(Scope::Global)? })))
}

async fn set_global_mode(State(registry): State<MemoryRegistry>, bytes: Bytes) -> Answer<Value> {
    let mode = mode_asked(&bytes)?;
    registry.state().set_mode(Scope::Global, mode);
    Ok(Json(json!({ "mode": mode })))
}

async fn mode(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    Query(switches): Query<Switches>,
) -> Answer<Value> {
    let state = registry.state();
    let mode = match state.mode(Scope::Subject(&subject)) {
        Err(_) if switches.default_to_global => state.effective_mode(&subject),
        own => own?,
    };
    Ok(Json(json!({ "mode": mode })))
}

async fn set_mode(
    State(registry): State<MemoryRegistry>,
    Path(subject): Path<String>,
    bytes: Bytes,
) -> Answer<Value> {
    let mode = mode_asked(&bytes)?;
    registry.state().set_mode(Scope::Subject(&subject), mode);
    Ok(Json(json!({ "mode": mode })))
}
