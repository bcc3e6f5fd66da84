//! The API through its router, with a runner that does as it is told.

mod busy;
mod documents;
mod edge;
mod logs;
mod pipelines;
mod seek;
mod status;
mod transforms;
mod trial;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::Request;
use axum::http::StatusCode;
use serde_json::Value as Json;
use serde_json::json;
use tower::ServiceExt;

use crate::api::router;
use crate::api::server::Closing;
use crate::api::state::ApiLimits;
use crate::api::state::ApiParts;
use crate::api::state::ApiState;
use crate::api::state::DocumentFormat;
use crate::api::state::HealthState;
use crate::control::fake_runner;
use crate::control::fake_runner::FakeRunner;
use crate::control::fake_runner::refusal;
use crate::control::service::Control;
use crate::model::pipeline_spec::Start;
use crate::model::seek::Seek;
use crate::model::seek::SeekPartitions;

const PIPELINES: &str = "/v1/tenants/default/pipelines";
const VERSIONS: &str = "/v1/tenants/default/transforms/t/versions";

struct Host {
    router: Router,
    runner: Arc<FakeRunner>,
    control: Control,
    closing: Closing,
    state: ApiState,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Asserts that this is a problem, whole, and returns its status and code.
    fn problem(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json", "{body}");
        let code = body["code"].as_str().unwrap_or_else(|| panic!("no code: {body}"));
        assert_eq!(body["type"], format!("urn:wasmill:problem:{code}"));
        assert_eq!(body["status"], self.status.as_u16());
        assert!(!body["title"].as_str().expect("a title").is_empty());
        assert!(!body["detail"].as_str().expect("a detail").is_empty());
        (self.status.as_u16(), code.to_owned())
    }
}

async fn host(folder: &Path, tokens: &[&str]) -> Host {
    limited(folder, tokens, |_| {}).await
}

async fn limited(folder: &Path, tokens: &[&str], limit: impl FnOnce(&mut ApiLimits)) -> Host {
    let mut limits = ApiLimits {
        upload_bytes_max: 1000,
        document_bytes_max: 500,
        request_timeout: Duration::from_secs(60),
        ..ApiLimits::default()
    };
    limit(&mut limits);
    let runner = Arc::new(FakeRunner::default());
    let control =
        Control::open(folder, runner.clone(), Arc::new(fake_runner::read_spec), fake_runner::fast()).await;
    let control = control.expect("opened");
    let closing = Closing::default();
    let unready = runner.clone();
    let state = ApiState::new(ApiParts {
        control: control.clone(),
        tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
        read_document: Arc::new(|text, format| match format {
            DocumentFormat::Json => {
                serde_json::from_str(text).map_err(|_| vec![refusal("malformed-document")])
            }
            DocumentFormat::Yaml => {
                serde_saphyr::from_str(text).map_err(|_| vec![refusal("malformed-document")])
            }
        }),
        read_seek: Arc::new(|text, _| match text {
            "" => Err(vec![refusal("missing-key")]),
            _ => Ok(Seek { to: Start::Earliest, partitions: SeekPartitions::Gone }),
        }),
        pipeline_schema: json!({ "$schema": "x" }),
        counters: Some(Arc::new(|id| Some(json!({ "of": id.to_string() })))),
        health: HealthState {
            metrics: Arc::new(|| "wasmill_up 1\n".to_owned()),
            readiness: Arc::new(move || unready.tell().notices.clone()),
        },
        limits,
        closing: closing.clone(),
    });
    Host { router: router(state.clone()), runner, control, closing, state }
}

impl Host {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(body.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    fn uploads_free(&self) -> usize {
        self.state.uploads.available_permits()
    }

    async fn call(&self, method: &str, path: &str) -> Answer {
        self.send(request(method, path, &[], "")).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }

    async fn upload(&self, path: &str, component: &str) -> Answer {
        self.send(request("POST", path, &[("content-type", "application/octet-stream")], component)).await
    }

    async fn put(&self, name: &str, headers: &[(&str, &str)], document: &Json) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let path = format!("{PIPELINES}/{name}");
        self.send(request("PUT", &path, &all, &document.to_string())).await
    }

    /// Uploads `t` and creates a pipeline with it.
    async fn running(&self, name: &str) {
        assert!(self.upload(VERSIONS, "\0asm1").await.status.is_success());
        let answer = self.put(name, &[], &json!({ "name": name })).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        self.until(name, "running").await;
    }

    /// The log of a pipeline as a stream.
    async fn follow(&self, name: &str) -> axum::body::BodyDataStream {
        let headers = [("accept", "text/event-stream")];
        let request = request("GET", &format!("{PIPELINES}/{name}/logs"), &headers, "");
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().into_data_stream()
    }

    async fn until(&self, name: &str, state: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.get(&format!("{PIPELINES}/{name}")).await.json();
            if found["state"] == state {
                return;
            }
            assert!(Instant::now() < deadline, "expected {state}, found {found}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).expect("a request")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}
