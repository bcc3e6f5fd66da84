//! `wasmill apply`

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;

use crate::cli::api_client::ApiClient;
use crate::cli::api_client::Body;
use crate::cli::api_client::HostArgs;
use crate::cli::exit::Failure;
use crate::cli::pipeline_files;
use crate::cli::progress::during;
use crate::cli::show;
use crate::cli::show::Shown;
use crate::config::pipeline_file;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::TransformRef;

/// Create or change pipelines on a host, from files
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill apply -f pipeline.yaml
  wasmill apply -f a.yaml -f b.yaml --url http://wasmill:8088 --token-file token
  wasmill apply -f pipeline.yaml --dry-run      every check, nothing changed

A transform that is a local file, `transform: { file: ./my_transform.wasm }`, is uploaded first,
under the name of the file (`my-transform`). With several files, or a local transform, everything is
checked before anything is uploaded or changed.")]
pub(crate) struct Apply {
    /// Pipeline file; may be repeated
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Run every check and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    host: HostArgs,
}

impl Apply {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        // All files are read before anything is sent: a wrong one changes nothing.
        let plans = self.files.iter().map(|file| Plan::read(file)).collect::<Result<Vec<_>, _>>()?;
        let client = self.host.client()?;
        apply_all(&client, plans, self.dry_run)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A pipeline that is to be applied.
struct Plan {
    spec: PipelineSpec,
    /// What is to be uploaded first.
    component: Option<Component>,
}

/// A local component.
struct Component {
    file: PathBuf,
    name: TransformName,
    bytes: Vec<u8>,
}

impl Plan {
    fn read(file: &Path) -> Result<Self, Failure> {
        Self::new(pipeline_files::read(file)?)
    }

    fn new(spec: PipelineSpec) -> Result<Self, Failure> {
        let component = match &spec.transform {
            TransformRef::File(file) => {
                let bytes = std::fs::read(file).map_err(|error| Failure::unreadable(file, &error))?;
                Some(Component { file: file.clone(), name: transform_name(file)?, bytes })
            }
            TransformRef::Named { .. } | TransformRef::Digest(_) => None,
        };
        Ok(Self { spec, component })
    }

    fn path(&self) -> String {
        format!("/v1/tenants/default/pipelines/{}", self.spec.name)
    }
}

/// Nothing is uploaded, and no pipeline changed, before all of them have passed every check.
fn apply_all(client: &ApiClient, plans: Vec<Plan>, dry_run: bool) -> Result<(), Failure> {
    // The host checks one pipeline whose transform it has by itself, before it changes it.
    let one = matches!(plans.as_slice(), [Plan { component: None, .. }]);
    if dry_run || !one {
        check_all(client, &plans, dry_run)?;
    }
    if !dry_run {
        for plan in plans {
            apply(client, plan)?;
        }
    }
    Ok(())
}

/// Every check of every pipeline; all that is refused is told at once.
fn check_all(client: &ApiClient, plans: &[Plan], tell: bool) -> Result<(), Failure> {
    let mut refused = Vec::new();
    let mut heading = String::new();
    for plan in plans {
        match during(&format!("checking pipeline `{}`", plan.spec.name), || check(client, plan)) {
            Ok(answer) if tell => {
                show_notices(&answer, "notices");
                let (name, outcome) = (&plan.spec.name, outcome(&answer));
                show::done(&format!(
                    "pipeline `{name}` passes every check; it would be {outcome}, and nothing is changed now"
                ));
            }
            Ok(_) => {}
            Err(Failure::Problems { what, problems }) => {
                heading = what;
                refused.extend(problems.into_iter().map(|problem| match plans.len() {
                    1 => problem,
                    _ => Shown { field: format!("{}: {}", plan.spec.name, problem.field), ..problem },
                }));
            }
            Err(failure) => return Err(failure),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::Problems { what: heading, problems: refused }) }
}

/// What would become of a pipeline, with its component if it is a local one.
fn check(client: &ApiClient, plan: &Plan) -> Result<Json, Failure> {
    let path = plan.path();
    let etag = client.find(&path)?.and_then(|answer| answer.etag);
    let body = match &plan.component {
        None => Body::Json(pipeline_file::to_document(&plan.spec)),
        Some(Component { name, bytes, .. }) => {
            let transform = TransformRef::Named { name: name.clone(), version: None };
            let pipeline = pipeline_file::to_document(&PipelineSpec { transform, ..plan.spec.clone() });
            Body::Trial { pipeline, component: bytes.clone() }
        }
    };
    Ok(client.call(Method::PUT, &format!("{path}?dry_run=true"), body, etag.as_deref())?.body)
}

fn apply(client: &ApiClient, mut plan: Plan) -> Result<(), Failure> {
    if let Some(component) = plan.component.take() {
        plan.spec.transform = upload(client, component)?;
    }
    let path = plan.path();
    let etag = client.find(&path)?.and_then(|answer| answer.etag);
    let document = pipeline_file::to_document(&plan.spec);
    let call = || client.call(Method::PUT, &path, Body::Json(document), etag.as_deref());
    let answer = during(&format!("applying pipeline `{}`", plan.spec.name), call)?;
    show_notices(&answer.body, "notices");
    show::done(&format!("pipeline `{}` is {}", plan.spec.name, outcome(&answer.body)));
    Ok(())
}

fn outcome(answer: &Json) -> &str {
    answer.get("outcome").and_then(Json::as_str).unwrap_or("changed")
}

/// What a host found worth telling.
fn show_notices(body: &Json, key: &str) {
    for notice in body.get(key).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        show::notice(notice);
    }
}

/// Uploads a component under the name of its file.
fn upload(client: &ApiClient, component: Component) -> Result<TransformRef, Failure> {
    let Component { file, name, bytes } = component;
    let path = format!("/v1/tenants/default/transforms/{name}/versions");
    // The host compiles it before it answers.
    let what = format!("uploading {} ({})", file.display(), bytesize::ByteSize(bytes.len() as u64));
    let answer = during(&what, || client.call(Method::POST, &path, Body::Bytes(bytes), None))?;
    show_notices(&answer.body, "warnings");
    let version =
        answer.body.get("version").and_then(Json::as_u64).and_then(|version| u32::try_from(version).ok());
    let Some(version) = version else {
        return Err(
            anyhow::anyhow!("the host's answer to the upload names no version: {}", answer.body).into()
        );
    };
    show::done(&format!("transform `{name}` version {version} is uploaded from {}", file.display()));
    Ok(TransformRef::Named { name, version: Some(TransformVersion(version)) })
}

/// `big_spender.wasm` -> `big-spender`.
fn transform_name(file: &Path) -> Result<TransformName, Failure> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if matches!(c, '_' | '.' | ' ') { '-' } else { c }).collect();
    TransformName::new(name).map_err(|error| {
        let refusal = Refusal {
            code: Code("invalid-name"),
            field: "transform.file".to_owned(),
            message: "the name of the file gives no name for its transform".to_owned(),
            found: format!("`{}`: {error}", file.display()),
            expected: "a file named like a transform, `my_transform.wasm`".to_owned(),
            remedy: "Rename the file, or upload it yourself and name the transform.".to_owned(),
        };
        Failure::refused("a transform has no name", vec![refusal])
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::HeaderMap;
    use axum::http::StatusCode;
    use axum::http::Uri;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::cli::api_client::tests::fake_host;
    use crate::config::pipeline_file::FileFormat;

    /// Method, path, If-Match and body of each call, against a host that has pipeline `old` only.
    type Calls = Arc<Mutex<Vec<(String, String, Option<String>, Bytes)>>>;

    fn host() -> (crate::cli::api_client::tests::FakeHost, Calls) {
        let calls = Calls::default();
        let log = Arc::clone(&calls);
        let router = Router::new().fallback(
            move |method: axum::http::Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let etag = headers.get("if-match").and_then(|value| value.to_str().ok()).map(str::to_owned);
                log.lock().push((method.to_string(), uri.to_string(), etag, body));
                async move {
                    let old = uri.path().ends_with("/old");
                    let refused = json!({ "code": "x", "errors": [{ "code": "x", "field": "workers" }] });
                    let (status, body) = match method.as_str() {
                        "PUT" if uri.path().contains("/bad") => (StatusCode::UNPROCESSABLE_ENTITY, refused),
                        "GET" if !old => (StatusCode::NOT_FOUND, json!({})),
                        "POST" => (StatusCode::CREATED, json!({ "version": 4 })),
                        "PUT" if !old => (StatusCode::CREATED, json!({})),
                        _ => (StatusCode::OK, json!({})),
                    };
                    (status, [("etag", "\"9\"")], axum::Json(body))
                }
            },
        );
        (fake_host(router), calls)
    }

    fn spec(name: &str, transform: &str) -> PipelineSpec {
        let text = format!(
            "version: 1\nname: {name}\ntransform: {transform}\ninputs: {{ in: {{ topic: t, value: raw }} }}\n"
        );
        pipeline_file::parse(&text, FileFormat::Yaml, None).expect("valid")
    }

    fn paths(calls: &Calls) -> Vec<String> {
        calls.lock().iter().map(|call| format!("{} {}", call.0, call.1)).collect()
    }

    fn plan(name: &str, transform: &str) -> Plan {
        Plan::new(spec(name, transform)).expect("the component is there")
    }

    fn component(dir: &tempfile::TempDir) -> String {
        let file = dir.path().join("big_spender.wasm");
        std::fs::write(&file, b"\0asm").expect("written");
        format!("{{ file: {} }}", file.display())
    }

    const PIPELINES: &str = "/v1/tenants/default/pipelines";

    #[test]
    fn a_local_transform_is_checked_then_uploaded_and_the_pipeline_names_its_version() {
        let dir = tempfile::tempdir().expect("a folder");
        let (host, calls) = host();
        apply_all(&host.client, vec![plan("new", &component(&dir))], false).expect("applied");
        let expected = [
            format!("GET {PIPELINES}/new"),
            format!("PUT {PIPELINES}/new?dry_run=true"),
            "POST /v1/tenants/default/transforms/big-spender/versions".to_owned(),
            format!("GET {PIPELINES}/new"),
            format!("PUT {PIPELINES}/new"),
        ];
        assert_eq!(paths(&calls), expected);
        let calls = calls.lock();
        let tried = String::from_utf8_lossy(&calls[1].3).into_owned();
        assert!(
            tried.contains("\"transform\":{\"name\":\"big-spender\"}") && tried.contains("\0asm"),
            "{tried}"
        );
        assert_eq!(&calls[2].3[..], b"\0asm");
        let body: Json = serde_json::from_slice(&calls[4].3).expect("JSON");
        assert_eq!(
            (&body["transform"], &calls[4].2),
            (&json!({ "name": "big-spender", "version": 4 }), &None)
        );
    }

    #[test]
    fn a_pipeline_that_is_there_is_changed_only_as_it_was_seen() {
        let (host, calls) = host();
        apply_all(&host.client, vec![plan("old", "{ name: t }")], false).expect("applied");
        assert_eq!(paths(&calls), [format!("GET {PIPELINES}/old"), format!("PUT {PIPELINES}/old")]);
        assert_eq!(calls.lock()[1].2.as_deref(), Some("\"9\""));
    }

    #[test]
    fn a_dry_run_checks_all_of_it_and_changes_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let (host, calls) = host();
        let plans = vec![plan("old", "{ name: t }"), plan("new", &component(&dir))];
        apply_all(&host.client, plans, true).expect("checked");
        let expected = [
            format!("GET {PIPELINES}/old"),
            format!("PUT {PIPELINES}/old?dry_run=true"),
            format!("GET {PIPELINES}/new"),
            format!("PUT {PIPELINES}/new?dry_run=true"),
        ];
        assert_eq!(paths(&calls), expected);
    }

    #[test]
    fn nothing_is_changed_when_one_of_several_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let (host, calls) = host();
        let plans =
            vec![plan("bad-1", "{ name: t }"), plan("old", &component(&dir)), plan("bad-2", "{ name: t }")];
        let Err(Failure::Problems { problems, .. }) = apply_all(&host.client, plans, false) else {
            panic!("refused")
        };
        let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["bad-1: workers", "bad-2: workers"]);
        let changes = paths(&calls)
            .into_iter()
            .filter(|call| !call.starts_with("GET") && !call.ends_with("?dry_run=true"));
        assert_eq!(changes.count(), 0);
    }

    #[test]
    fn the_name_of_a_transform_is_that_of_its_file() {
        assert_eq!(
            transform_name(Path::new("a/Big_Spender.v2.wasm")).expect("a name").as_str(),
            "big-spender-v2"
        );
        assert!(transform_name(Path::new("ä.wasm")).is_err());
    }
}
