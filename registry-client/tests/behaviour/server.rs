//! The in-memory registry on a free loopback port, behind a layer that counts, records and fails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wasmill_registry_client::RegistryClient;
use wasmill_registry_client::RegistryClientBuilder;
use wasmill_registry_client::RetryPolicy;
use wasmill_registry_client::memory::MemoryRegistry;

/// What happens to a request instead of, or before, its answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Status(u16),
    StatusWithHeader(u16, &'static str, &'static str),
    /// The registry's answer, late.
    Delay(Duration),
    /// Half an answer, then the connection breaks.
    Reset,
    /// Status and body.
    Body(u16, String),
    Pass,
}

#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) requests: Vec<String>,
    pub(crate) headers: Vec<HeaderMap>,
    // Taken in order; the last one stays if `sticky`.
    faults: VecDeque<Fault>,
    sticky: Option<Fault>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) traffic: Arc<Mutex<Traffic>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(MemoryRegistry::new()).await
    }

    pub(crate) async fn with(registry: MemoryRegistry) -> Self {
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let layer = axum::middleware::from_fn_with_state(Arc::clone(&traffic), inject);
        let routes = registry.router().layer(layer);
        let routes = axum::Router::new().nest("/apis/ccompat/v7", routes.clone()).fallback_service(routes);
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.expect("serves") });
        Self { url, traffic, task }
    }

    pub(crate) fn client(&self) -> RegistryClient {
        quick().url(&self.url).build().expect("a client")
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.traffic.lock().expect("unpoisoned").faults.extend(faults);
    }

    pub(crate) fn fail_always(&self, fault: Option<Fault>) {
        self.traffic.lock().expect("unpoisoned").sticky = fault;
    }

    /// Method and path of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.traffic.lock().expect("unpoisoned").requests.clone()
    }

    pub(crate) fn forget(&self) {
        self.traffic.lock().expect("unpoisoned").requests.clear();
    }

    pub(crate) fn count(&self, request: &str) -> usize {
        self.requests().iter().filter(|seen| *seen == request).count()
    }
}

/// Waits and timeouts short enough for tests.
pub(crate) fn quick() -> RegistryClientBuilder {
    RegistryClient::builder().request_timeout(Duration::from_secs(5)).retry(quick_retry())
}

pub(crate) fn quick_retry() -> RetryPolicy {
    RetryPolicy {
        passes_max: 3,
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(4),
        retry_after_max: Duration::from_millis(300),
    }
}

/// An address where nobody listens.
pub(crate) async fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

async fn inject(State(traffic): State<Arc<Mutex<Traffic>>>, request: Request, next: Next) -> Response {
    let fault = {
        let mut traffic = traffic.lock().expect("unpoisoned");
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        traffic.requests.push(format!("{} {path}", request.method()));
        traffic.headers.push(request.headers().clone());
        traffic.faults.pop_front().or_else(|| traffic.sticky.clone()).unwrap_or(Fault::Pass)
    };
    let status = |status| axum::http::StatusCode::from_u16(status).expect("a status");
    match fault {
        Fault::Pass => next.run(request).await,
        Fault::Delay(by) => {
            tokio::time::sleep(by).await;
            next.run(request).await
        }
        Fault::Status(code) => (status(code), "upstream trouble").into_response(),
        Fault::StatusWithHeader(code, name, value) => {
            (status(code), [(name, value)], "trouble").into_response()
        }
        Fault::Body(code, body) => (status(code), body).into_response(),
        Fault::Reset => {
            let broken = std::io::Error::other("broken on purpose");
            let parts = [Ok("{\"schema\":"), Err(broken)];
            Response::new(Body::from_stream(futures_util::stream::iter(parts)))
        }
    }
}
