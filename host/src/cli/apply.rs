//! `wasmill apply`

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;

use crate::cli::api_client::ApiClient;
use crate::cli::api_client::Body;
use crate::cli::api_client::HostArgs;
use crate::cli::exit::Failure;
use crate::cli::pipeline_files;
use crate::cli::show;
use crate::config::pipeline_file;
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
under the name of the file (`my-transform`).")]
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
        let specs =
            self.files.iter().map(|file| pipeline_files::read(file)).collect::<Result<Vec<_>, _>>()?;
        let client = self.host.client()?;
        for spec in specs {
            apply(&client, spec, self.dry_run)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn apply(client: &ApiClient, mut spec: PipelineSpec, dry_run: bool) -> Result<(), Failure> {
    let name = spec.name.clone();
    if let TransformRef::File(file) = &spec.transform {
        if dry_run {
            check_component(client, file)?;
            show::notice(&format!(
                "`{}` passes the checks of an upload; the pipeline itself is checked once it is uploaded",
                file.display()
            ));
            return Ok(());
        }
        spec.transform = upload(client, file)?;
    }
    let path = format!("/v1/tenants/default/pipelines/{name}");
    let etag = client.find(&path)?.and_then(|answer| answer.etag);
    let target = if dry_run { format!("{path}?dry_run=true") } else { path };
    let document = pipeline_file::to_document(&spec);
    let answer = client.call(Method::PUT, &target, Body::Json(document), etag.as_deref())?;
    show_notices(&answer.body, "notices");
    let outcome = answer.body.get("outcome").and_then(Json::as_str).unwrap_or("changed");
    let what = if dry_run {
        format!("passes every check; it would be {outcome}, and nothing is changed now")
    } else {
        format!("is {outcome}")
    };
    show::done(&format!("pipeline `{name}` {what}"));
    Ok(())
}

/// What a host found worth telling.
fn show_notices(body: &Json, key: &str) {
    for notice in body.get(key).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        show::notice(notice);
    }
}

fn check_component(client: &ApiClient, file: &Path) -> Result<(), Failure> {
    let answer = client.call(Method::POST, "/v1/check", Body::Bytes(read_component(file)?), None)?;
    show_notices(&answer.body, "warnings");
    Ok(())
}

/// Uploads a component under the name of its file.
fn upload(client: &ApiClient, file: &Path) -> Result<TransformRef, Failure> {
    let name = transform_name(file)?;
    let path = format!("/v1/tenants/default/transforms/{name}/versions");
    let answer = client.call(Method::POST, &path, Body::Bytes(read_component(file)?), None)?;
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

fn read_component(file: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(file).with_context(|| format!("the component `{}` cannot be read", file.display()))?)
}

/// `big_spender.wasm` -> `big-spender`.
fn transform_name(file: &Path) -> Result<TransformName, Failure> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if matches!(c, '_' | '.' | ' ') { '-' } else { c }).collect();
    Ok(TransformName::new(name).with_context(|| {
        format!(
            "`{}` gives no name for its transform; rename the file, or upload it yourself",
            file.display()
        )
    })?)
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
                    let (status, body) = match method.as_str() {
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

    #[test]
    fn a_local_transform_is_uploaded_and_the_pipeline_names_its_version() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("big_spender.wasm");
        std::fs::write(&file, b"\0asm").expect("written");
        let (host, calls) = host();
        apply(&host.client, spec("new", &format!("{{ file: {} }}", file.display())), false).expect("applied");
        let calls = calls.lock();
        let upload = &calls[0];
        assert_eq!(
            (upload.0.as_str(), upload.1.as_str()),
            ("POST", "/v1/tenants/default/transforms/big-spender/versions")
        );
        assert_eq!(&upload.3[..], b"\0asm");
        let put = &calls[2];
        assert_eq!(
            (put.0.as_str(), put.1.as_str(), &put.2),
            ("PUT", "/v1/tenants/default/pipelines/new", &None)
        );
        let body: Json = serde_json::from_slice(&put.3).expect("JSON");
        assert_eq!(body["transform"], json!({ "name": "big-spender", "version": 4 }));
    }

    #[test]
    fn a_pipeline_that_is_there_is_changed_only_as_it_was_seen() {
        let (host, calls) = host();
        apply(&host.client, spec("old", "{ name: t }"), false).expect("applied");
        assert_eq!(calls.lock()[1].2.as_deref(), Some("\"9\""));
    }

    #[test]
    fn a_dry_run_changes_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("t.wasm");
        std::fs::write(&file, b"\0asm").expect("written");
        let (host, calls) = host();
        apply(&host.client, spec("old", "{ name: t }"), true).expect("checked");
        apply(&host.client, spec("new", &format!("{{ file: {} }}", file.display())), true).expect("checked");
        let paths: Vec<_> = calls.lock().iter().map(|call| format!("{} {}", call.0, call.1)).collect();
        let pipeline = "/v1/tenants/default/pipelines/old";
        assert_eq!(
            paths,
            [format!("GET {pipeline}"), format!("PUT {pipeline}?dry_run=true"), "POST /v1/check".to_owned()]
        );
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
