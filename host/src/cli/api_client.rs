//! The HTTP API as its command-line clients use it.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header;
use serde_json::Value as Json;
use url::Url;

use crate::cli::exit::Failure;
use crate::cli::show::Shown;
use crate::config::secret::Secret;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Which host to talk to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Host")]
pub(crate) struct HostArgs {
    /// Address of the host's API
    // As text, and hidden in the help: it may hold a password, which the parser would show.
    #[arg(
        long,
        value_name = "URL",
        env = "WASMILL_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8088"
    )]
    url: String,
    /// File with the token of the API; or the token itself in WASMILL_TOKEN
    #[arg(long, value_name = "FILE", env = "WASMILL_TOKEN_FILE")]
    token_file: Option<std::path::PathBuf>,
}

/// A client of one host. Calls wait.
pub(crate) struct ApiClient {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    /// Ends in a slash, so that paths are joined below it.
    base: Url,
    token: Option<Secret>,
}

/// What a successful call answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) etag: Option<String>,
    pub(crate) body: Json,
}

/// What a call sends.
pub(crate) enum Body {
    None,
    Json(Json),
    Bytes(Vec<u8>),
    /// A pipeline with a component that was not uploaded.
    Trial {
        pipeline: Json,
        component: Vec<u8>,
    },
}

impl HostArgs {
    pub(crate) fn client(&self) -> Result<ApiClient, Failure> {
        let token = match &self.token_file {
            Some(path) => Some(Secret::read(path).map_err(|reason| Failure::unreadable(path, &reason))?),
            None => std::env::var("WASMILL_TOKEN").ok().filter(|token| !token.is_empty()).map(Secret::new),
        };
        if token.as_ref().is_some_and(|token| !token.is_token()) {
            let field = self.token_file.as_ref().map(|path| path.display().to_string());
            let refusal = Refusal {
                code: Code("token-invalid"),
                field: field.unwrap_or_else(|| "WASMILL_TOKEN".to_owned()),
                message: "this is no token of an API".to_owned(),
                found: "blanks, control characters or letters beyond ASCII".to_owned(),
                expected: "one token, printable ASCII without blanks".to_owned(),
                remedy: "Name a file with one token of the host.".to_owned(),
            };
            return Err(Failure::refused("the token cannot be used", vec![refusal]));
        }
        ApiClient::new(self.base()?, token)
    }

    fn base(&self) -> Result<Url, Failure> {
        let found = match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => return Ok(url),
            Ok(_) => "another scheme than `http` or `https`".to_owned(),
            Err(error) => error.to_string(),
        };
        let refusal = Refusal {
            code: Code("url-invalid"),
            field: "--url".to_owned(),
            message: "this is no address of a host".to_owned(),
            found,
            expected: "`http://HOST:PORT`, with a path if the API is below one".to_owned(),
            remedy: "Correct --url, or WASMILL_URL.".to_owned(),
        };
        Err(Failure::refused("the host's address cannot be used", vec![refusal]))
    }
}

impl ApiClient {
    pub(crate) fn new(mut base: Url, token: Option<Secret>) -> Result<Self, Failure> {
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(120))
            .user_agent(concat!("wasmill/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("the HTTP client cannot be made")?;
        Ok(Self { runtime, http, base, token })
    }

    /// Calls `/v1/...`.
    ///
    /// # Errors
    /// When the host cannot be reached, or its answer is a problem.
    pub(crate) fn call(
        &self,
        method: Method,
        path: &str,
        body: Body,
        etag: Option<&str>,
    ) -> Result<Answer, Failure> {
        let answer = self.try_call(method, path, body, etag)?;
        if answer.status.is_success() { Ok(answer) } else { Err(problem(&answer)) }
    }

    /// As [`ApiClient::call`], but a missing resource is none.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Answer>, Failure> {
        let answer = self.try_call(Method::GET, path, Body::None, None)?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            _ => Err(problem(&answer)),
        }
    }

    fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Body,
        etag: Option<&str>,
    ) -> Result<Answer, Failure> {
        let url =
            self.base.join(path.trim_start_matches('/')).with_context(|| format!("`{path}` is no path"))?;
        let mut request = self.http.request(method, url).header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(etag) = etag {
            request = request.header(header::IF_MATCH, etag);
        }
        request = match body {
            Body::None => request,
            Body::Json(json) => request.json(&json),
            Body::Bytes(bytes) => request.header(header::CONTENT_TYPE, "application/wasm").body(bytes),
            Body::Trial { pipeline, component } => {
                let (kind, body) = form(&pipeline, &component);
                request.header(header::CONTENT_TYPE, kind).body(body)
            }
        };
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            let etag =
                response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
            let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
            let body = serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(&bytes).into_owned()));
            Ok(Answer { status, etag, body })
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause = String::new();
        let mut source = std::error::Error::source(error);
        while let Some(error) = source {
            cause = format!(": {error}");
            source = error.source();
        }
        Failure::Unreachable(format!(
            "no host answers at {}{cause}. Start one with `wasmill dev` or `wasmill serve`, or name it with --url",
            shown(&self.base)
        ))
    }
}

/// An address as it may be shown: without a user and a password.
fn shown(address: &Url) -> String {
    let mut shown = address.clone();
    // Only what has no host takes none, and then has none.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.as_str().trim_end_matches('/').to_owned()
}

/// A body of two parts, with its type.
fn form(pipeline: &Json, component: &[u8]) -> (String, Vec<u8>) {
    // Random, so that the component does not hold it.
    let boundary = format!("wasmill-{}", uuid::Uuid::new_v4().simple());
    let head = |name: &str, kind: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
        )
    };
    let mut body = head("pipeline", "application/json").into_bytes();
    body.extend_from_slice(pipeline.to_string().as_bytes());
    body.extend_from_slice(b"\r\n");
    body.extend_from_slice(head("component", "application/wasm").as_bytes());
    body.extend_from_slice(component);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A problem document (RFC 9457), with our members, as a failure.
fn problem(answer: &Answer) -> Failure {
    let body = &answer.body;
    let text = |value: &Json, key: &str| value.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let title = [text(body, "detail"), text(body, "title")].into_iter().find(|text| !text.is_empty());
    let title = title.unwrap_or_else(|| match body {
        Json::String(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "the host gives no reason".to_owned(),
    });
    if answer.status.is_server_error() {
        return Failure::Failed(anyhow::anyhow!("the host answers {}: {title}", answer.status));
    }
    let list =
        ["errors", "refusals", "problems"].iter().find_map(|key| body.get(key).and_then(Json::as_array));
    let entries = match list {
        Some(list) if !list.is_empty() => list.clone(),
        _ => vec![body.clone()],
    };
    let shown = entries.iter().map(|entry| {
        let message =
            ["message", "detail", "title"].iter().map(|key| text(entry, key)).find(|text| !text.is_empty());
        let code = text(entry, "code");
        Shown {
            code: if code.is_empty() { answer.status.as_str().to_owned() } else { code },
            field: text(entry, "field"),
            message: message.unwrap_or_else(|| title.clone()),
            found: text(entry, "found"),
            expected: text(entry, "expected"),
            remedy: text(entry, "remedy"),
        }
    });
    let mut problems: Vec<Shown> = shown.collect();
    if answer.status == StatusCode::UNAUTHORIZED
        && let Some(first) = problems.first_mut()
        && first.remedy.is_empty()
    {
        "Name the token with --token-file or in WASMILL_TOKEN.".clone_into(&mut first.remedy);
    }
    Failure::Problems { what: format!("the host refuses ({})", answer.status), problems }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use axum::Router;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;

    /// A host that answers with what the router says, for as long as the value lives.
    pub(crate) struct FakeHost {
        pub(crate) client: ApiClient,
        _server: tokio::runtime::Runtime,
    }

    pub(crate) fn fake_host(router: Router) -> FakeHost {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let listener = server.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("bound");
        server.spawn(async move { axum::serve(listener, router).await });
        let base = Url::parse(&format!("http://{address}")).expect("a URL");
        let client = ApiClient::new(base, Some(Secret::new("token"))).expect("a client");
        FakeHost { client, _server: server }
    }

    #[test]
    fn a_problem_document_becomes_its_refusals() {
        let problems = json!({
            "type": "about:blank", "title": "Invalid pipeline", "status": 422, "code": "invalid-pipeline",
            "errors": [
                {"code": "unknown-topic", "field": "inputs.a.topic", "message": "no such topic", "found": "`a`",
                 "expected": "a topic", "remedy": "Create it."},
                {"code": "x", "detail": "second"},
            ],
        });
        let router = Router::new().fallback(move || {
            let problems = problems.clone();
            async move { (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(problems)) }
        });
        let host = fake_host(router);
        let Err(Failure::Problems { what, problems }) =
            host.client.call(Method::GET, "/v1/x", Body::None, None)
        else {
            panic!("a problem")
        };
        assert!(what.contains("422"), "{what}");
        assert_eq!(
            (problems[0].code.as_str(), problems[0].field.as_str()),
            ("unknown-topic", "inputs.a.topic")
        );
        assert_eq!((problems[0].remedy.as_str(), problems[1].message.as_str()), ("Create it.", "second"));
    }

    #[test]
    fn other_answers_are_told_apart() {
        let router = Router::new()
            .route("/v1/broken", axum::routing::get(|| async { (StatusCode::BAD_GATEWAY, "no upstream") }))
            .route("/v1/auth", axum::routing::get(|| async { StatusCode::UNAUTHORIZED }));
        let host = fake_host(router);
        let get = |path: &str| host.client.call(Method::GET, path, Body::None, None);
        let Err(Failure::Failed(error)) = get("/v1/broken") else { panic!("failed") };
        assert!(error.to_string().contains("no upstream"), "{error}");
        let Err(Failure::Problems { problems, .. }) = get("/v1/auth") else { panic!("refused") };
        assert!(problems[0].remedy.contains("WASMILL_TOKEN"), "{problems:?}");
        assert!(host.client.find("/v1/none").expect("an answer").is_none());
    }

    #[test]
    fn no_host_is_said_with_the_address_and_what_to_do() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let client = ApiClient::new(Url::parse(&base).expect("a URL"), None).expect("a client");
        let Err(Failure::Unreachable(message)) = client.find("/v1/x") else { panic!("unreachable") };
        assert!(message.contains(&base) && message.contains("wasmill dev"), "{message}");
    }

    #[test]
    fn a_password_in_the_address_is_not_shown() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let base = Url::parse("http://me:hunter2@127.0.0.1:1/below").expect("a URL");
        let client = ApiClient::new(base, None).expect("a client");
        let Err(Failure::Unreachable(message)) = client.find("/v1/x") else { panic!("unreachable") };
        assert!(message.contains("http://127.0.0.1:1/below"), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("me:"), "{message}");
        let args = HostArgs { url: "http://me:hunter2@[".to_owned(), token_file: None };
        let Err(Failure::Refused { refusals, .. }) = args.client().map(|_| ()) else { panic!("no address") };
        assert!(!refusals[0].to_string().contains("hunter2"), "{}", refusals[0]);
        let args = HostArgs { url: "localhost:8088".to_owned(), token_file: None };
        let Err(Failure::Refused { refusals, .. }) = args.client().map(|_| ()) else { panic!("no scheme") };
        assert_eq!((refusals[0].code.0, refusals[0].field.as_str()), ("url-invalid", "--url"));
    }

    #[test]
    fn paths_are_joined_below_the_path_of_the_address() {
        let router = Router::new().fallback(|uri: axum::http::Uri| async move { uri.to_string() });
        let host = fake_host(router);
        for (below, asked) in [("", "/v1/x?y=z"), ("/a/b", "/a/b/v1/x?y=z"), ("/a/b/", "/a/b/v1/x?y=z")] {
            let mut base = host.client.base.clone();
            base.set_path(below);
            let client = ApiClient::new(base, None).expect("a client");
            let answer = client.call(Method::GET, "/v1/x?y=z", Body::None, None).expect("an answer");
            assert_eq!(answer.body, json!(asked));
        }
    }

    #[test]
    fn token_and_etag_are_sent() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let router = Router::new().fallback(move |headers: axum::http::HeaderMap| {
            let log = Arc::clone(&log);
            async move {
                for name in ["authorization", "if-match", "content-type"] {
                    let value =
                        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
                    log.lock().push(value);
                }
                ([("etag", "\"7\"")], axum::Json(json!({"ok": true})))
            }
        });
        let host = fake_host(router);
        let answer =
            host.client.call(Method::PUT, "/v1/x", Body::Bytes(vec![1]), Some("\"6\"")).expect("an answer");
        assert_eq!((answer.etag.as_deref(), &answer.body), (Some("\"7\""), &json!({"ok": true})));
        assert_eq!(*seen.lock(), ["Bearer token", "\"6\"", "application/wasm"]);
    }
}
