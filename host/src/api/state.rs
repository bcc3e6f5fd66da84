//! What the handlers work with.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

use crate::api::auth::Tokens;
use crate::api::server::Closing;
use crate::control::service::Control;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::limits::COMPONENT_BYTES_MAX;
use crate::model::seek::Seek;

/// In which language a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFormat {
    Json,
    Yaml,
}

/// Reads the text of a document.
pub type ReadDocument = dyn Fn(&str, DocumentFormat) -> Result<Json, Vec<Refusal>> + Send + Sync;
/// Reads the text of a seek.
pub type ReadSeek = dyn Fn(&str, DocumentFormat) -> Result<Seek, Vec<Refusal>> + Send + Sync;
/// The figures of a pipeline for its status; none if it has none.
pub type Counters = dyn Fn(&PipelineId) -> Option<Json> + Send + Sync;
/// Metrics in the text format of Prometheus. May block.
pub type Metrics = dyn Fn() -> String + Send + Sync;
/// Why the host is not ready; empty when it is. May block.
pub type Readiness = dyn Fn() -> Vec<String> + Send + Sync;

/// How much one request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiLimits {
    /// Largest component in bytes. Default 50 MiB.
    pub upload_bytes_max: usize,
    /// Largest document of a pipeline in bytes. Default 1 MiB.
    pub document_bytes_max: usize,
    /// Uploads that are taken at once; others wait. Default 2. Each is held in memory until the work on it
    /// has ended, even if nobody waits for the answer any more.
    pub uploads_at_once_max: usize,
    /// Uploads that wait for their turn; more are turned away. Default 16.
    pub uploads_waiting_max: usize,
    /// Requests that are worked on at once, but for probes and metrics; more are turned away. Default 256.
    pub requests_at_once_max: usize,
    /// Streams of guest logs that are open at once; more are turned away. Default 64.
    pub log_streams_max: usize,
    /// How long a body may pause, and how long its rate is not looked at. Default 30 s.
    pub body_stall_max: Duration,
    /// Mean rate in bytes a second that a body must reach by then. Default 64 KiB.
    pub body_rate_min: usize,
    /// How long a whole body may take. Default 90 s: less than [`request_timeout`](Self::request_timeout).
    pub body_max: Duration,
    /// Until the answer begins. Default 120 s: compiling a component may take a minute.
    pub request_timeout: Duration,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            upload_bytes_max: COMPONENT_BYTES_MAX,
            document_bytes_max: 1 << 20,
            uploads_at_once_max: 2,
            uploads_waiting_max: 16,
            requests_at_once_max: 256,
            log_streams_max: 64,
            body_stall_max: Duration::from_secs(30),
            body_rate_min: 64 << 10,
            body_max: Duration::from_secs(90),
            request_timeout: Duration::from_secs(120),
        }
    }
}

/// What an [`ApiState`] is made of.
pub struct ApiParts {
    pub control: Control,
    /// Bearer tokens, any of which is let in. Empty: nobody is asked for one, and only requests to a
    /// loopback name are answered.
    pub tokens: Vec<String>,
    pub read_document: Arc<ReadDocument>,
    pub read_seek: Arc<ReadSeek>,
    /// The JSON Schema of pipeline documents.
    pub pipeline_schema: Json,
    pub counters: Option<Arc<Counters>>,
    pub health: HealthState,
    pub limits: ApiLimits,
    /// Ends streams when the host ends; give the same to [`crate::api::server::serve`].
    pub closing: Closing,
}

/// State of `/healthz`, `/readyz` and `/metrics`.
#[derive(Clone)]
pub struct HealthState {
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
}

/// State of the API. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

/// What the handlers share.
pub struct Shared {
    pub(crate) control: Control,
    pub(crate) tokens: Tokens,
    pub(crate) read_document: Arc<ReadDocument>,
    pub(crate) read_seek: Arc<ReadSeek>,
    pub(crate) pipeline_schema: Json,
    pub(crate) counters: Option<Arc<Counters>>,
    pub(crate) health: HealthState,
    pub(crate) limits: ApiLimits,
    pub(crate) uploads: Arc<Semaphore>,
    /// Places of uploads that are taken or wait.
    pub(crate) upload_places: Arc<Semaphore>,
    pub(crate) requests: Semaphore,
    pub(crate) log_streams: Arc<Semaphore>,
    pub(crate) closing: Closing,
}

impl ApiState {
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let uploads_at_once = parts.limits.uploads_at_once_max.max(1);
        Self(Arc::new(Shared {
            control: parts.control,
            tokens: Tokens::new(&parts.tokens),
            read_document: parts.read_document,
            read_seek: parts.read_seek,
            pipeline_schema: parts.pipeline_schema,
            counters: parts.counters,
            health: parts.health,
            limits: parts.limits,
            uploads: Arc::new(Semaphore::new(uploads_at_once)),
            upload_places: Arc::new(Semaphore::new(uploads_at_once + parts.limits.uploads_waiting_max)),
            requests: Semaphore::new(parts.limits.requests_at_once_max.max(1)),
            log_streams: Arc::new(Semaphore::new(parts.limits.log_streams_max)),
            closing: parts.closing,
        }))
    }
}

impl std::ops::Deref for ApiState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRef<ApiState> for HealthState {
    fn from_ref(state: &ApiState) -> Self {
        state.health.clone()
    }
}
