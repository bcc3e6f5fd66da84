//! `wasmill run`: pipelines from files, without a control plane.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use parking_lot::Mutex;

use crate::api;
use crate::api::HealthState;
use crate::api::server::Closing;
use crate::app::assembly::Assembly;
use crate::app::refused::Refused;
use crate::app::runner::BrokerKind;
use crate::app::runner::PipelineHost;
use crate::app::serve::bind;
use crate::app::serve::runtime;
use crate::app::signals;
use crate::app::steering::Steering;
use crate::config::settings::Settings;
use crate::control::runner::ComponentRef;
use crate::control::runner::RunState;
use crate::control::runner::Runner;
use crate::control::runner::StartFailure;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::ids::TenantName;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::TransformRef;
use crate::model::pipeline_state::PipelineState;
use crate::pipeline::backoff::Backoff;

/// How often the state of the pipelines is looked at and published.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the others may drain when one of the pipelines is refused.
const REFUSED_DRAIN: Duration = Duration::from_secs(10);

/// A pipeline file of a sidecar.
#[derive(Debug, Clone)]
pub struct SidecarPipeline {
    pub file: PathBuf,
    pub spec: PipelineSpec,
}

/// Runs pipelines from files until SIGTERM or SIGINT, then drains. Ends with an error as soon as a
/// pipeline has stopped for good; the others are drained first.
///
/// # Errors
/// When the host cannot start, or with [`Refused`] when a pipeline is refused.
pub fn run_sidecar(settings: Settings, pipelines: Vec<SidecarPipeline>) -> Result<ExitCode> {
    let runtime = runtime()?;
    let listen = settings.listen;
    let deadline = settings.drain_deadline;
    let assembly = Assembly::new(settings, runtime.handle().clone(), BrokerKind::Real, Steering::Files)?;
    let host = assembly.host.clone();

    let loaded = load_all(&host, pipelines)?;
    check_all(&host, &loaded)?;
    let phases = Phases::new(&host, loaded.iter().map(|(id, ..)| id.clone()));

    let listener = bind(&runtime, listen)?;
    let listen = listener.local_addr()?;
    let health = {
        let (metrics, shown, ready) = (host.clone(), phases.clone(), phases.clone());
        HealthState {
            metrics: Arc::new(move || metrics.render_metrics(&shown.states())),
            readiness: Arc::new(move || ready.not_ready()),
        }
    };
    let closing = Closing::default();
    let server = runtime.spawn(api::serve(listener, api::sidecar_router(health), closing.clone()));
    tracing::info!(%listen, pipelines = loaded.len(), host = %host.host, "sidecar started");

    let terminated = signals::terminated(&runtime)?;
    let mut code = ExitCode::SUCCESS;
    let mut waiting = loaded;
    let mut backoff = Backoff::for_outage();
    while !terminated.is_set() {
        waiting = start_all(&host, &phases, waiting)?;
        let wait = if waiting.is_empty() { LOOK_EVERY } else { backoff.next_wait() };
        terminated.wait(wait);
        host.publish(&phases.states());
        if let Some((id, stop)) = host.failures().into_iter().next() {
            tracing::error!(pipeline = %id, code = %stop.code, "a pipeline has stopped for good: {stop}");
            eprintln!("error: pipeline {id} stopped: {stop}");
            code = ExitCode::FAILURE;
            break;
        }
    }
    tracing::info!("draining");
    phases.drain();
    let late = host.drain_all(deadline);
    closing.close();
    runtime.block_on(async {
        let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
    });
    if late > 0 {
        // Threads that still hold a transaction must not outlive the answer: the end of the process
        // settles what they left.
        tracing::error!(pipelines = late, "not everything drained within {} ms", deadline.as_millis());
        std::process::exit(1);
    }
    tracing::info!("stopped");
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(code)
}

type Loaded = (PipelineId, PipelineSpec, ComponentRef);

/// The components of all pipelines; every one that is refused is told.
fn load_all(host: &PipelineHost, pipelines: Vec<SidecarPipeline>) -> Result<Vec<Loaded>, Refused> {
    let mut loaded = Vec::new();
    let mut refusals = Vec::new();
    for SidecarPipeline { file, spec } in pipelines {
        let component = match &spec.transform {
            TransformRef::File(path) => {
                // One that was compiled before is taken from the cache.
                tracing::info!(pipeline = %spec.name, file = %path.display(), "loading the transform");
                let begun = Instant::now();
                let loaded = host.load_file(path).map(|(component, _)| component);
                let took_ms = begun.elapsed().as_millis() as u64;
                tracing::info!(pipeline = %spec.name, is_taken = loaded.is_ok(), took_ms, "transform checked and compiled");
                loaded
            }
            TransformRef::Named { .. } | TransformRef::Digest(_) => Err(not_local()),
        };
        match component {
            Ok(component) => {
                let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: spec.name.clone() };
                loaded.push((id, spec, component));
            }
            Err(refusal) => {
                let field = format!("{}: {}", file.display(), refusal.field);
                refusals.push(Refusal { field, ..refusal });
            }
        }
    }
    if refusals.is_empty() {
        return Ok(loaded);
    }
    Err(Refused { what: "the transforms cannot be run".to_owned(), refusals })
}

/// With several pipelines, none starts before all of them have passed every check.
fn check_all(host: &PipelineHost, loaded: &[Loaded]) -> Result<(), Refused> {
    if loaded.len() < 2 {
        return Ok(());
    }
    let mut refusals = Vec::new();
    for (id, spec, component) in loaded {
        refusals.extend(host.check(id, spec, Some(component)).refusals.into_iter().map(|refusal| {
            let field = format!("{}: {}", id.pipeline, refusal.field);
            Refusal { field, ..refusal }
        }));
    }
    if refusals.is_empty() {
        return Ok(());
    }
    Err(Refused { what: "the pipelines are refused".to_owned(), refusals })
}

fn not_local() -> Refusal {
    Refusal {
        code: Code("transform-not-local"),
        field: "transform".to_owned(),
        message: "a sidecar has no uploads, so that it takes its transform from a local file".to_owned(),
        found: "a transform of a host".to_owned(),
        expected: "`{ file: ./my_transform.wasm }`".to_owned(),
        remedy: "Name the component's file, or apply the pipeline to a host (`wasmill serve`).".to_owned(),
    }
}

/// Starts what can start now; gives back what waits for a broker or a registry.
fn start_all(host: &PipelineHost, phases: &Phases, pipelines: Vec<Loaded>) -> Result<Vec<Loaded>, Refused> {
    let mut waiting = Vec::new();
    for (id, spec, component) in pipelines {
        match host.start(&id, &spec, &component) {
            Ok(()) => {
                phases.started(&id);
                tracing::info!(pipeline = %id, "pipeline started");
            }
            Err(StartFailure::Outage(outage)) => {
                tracing::warn!(pipeline = %id, error = %outage, "the pipeline cannot start yet; trying again");
                phases.waits(&id, outage);
                waiting.push((id, spec, component));
            }
            Err(StartFailure::Refused(refusals)) => {
                host.drain_all(REFUSED_DRAIN);
                return Err(Refused { what: format!("the pipeline {id} is refused"), refusals });
            }
        }
    }
    Ok(waiting)
}

/// Where each pipeline of a sidecar is.
#[derive(Clone)]
struct Phases {
    host: Arc<PipelineHost>,
    of: Arc<Mutex<HashMap<PipelineId, Phase>>>,
}

#[derive(Debug, Clone)]
enum Phase {
    Starting,
    /// The start failed by an outage.
    Waits(Outage),
    /// Its workers know more.
    Started,
    Draining,
}

impl Phases {
    fn new(host: &Arc<PipelineHost>, ids: impl Iterator<Item = PipelineId>) -> Self {
        let of = ids.map(|id| (id, Phase::Starting)).collect();
        Self { host: Arc::clone(host), of: Arc::new(Mutex::new(of)) }
    }

    fn started(&self, id: &PipelineId) {
        self.of.lock().insert(id.clone(), Phase::Started);
    }

    fn waits(&self, id: &PipelineId, outage: Outage) {
        self.of.lock().insert(id.clone(), Phase::Waits(outage));
    }

    fn drain(&self) {
        self.of.lock().values_mut().for_each(|phase| *phase = Phase::Draining);
    }

    fn states(&self) -> Vec<(PipelineId, PipelineState)> {
        let state = |(id, phase): (PipelineId, Phase)| {
            let state = match phase {
                Phase::Starting => PipelineState::Starting,
                Phase::Waits(_) => PipelineState::Retrying,
                Phase::Draining => PipelineState::Draining,
                Phase::Started => match self.host.status(&id).state {
                    RunState::NotRunning => PipelineState::Starting,
                    RunState::Running => PipelineState::Running,
                    RunState::Retrying { .. } => PipelineState::Retrying,
                    RunState::Stopped(_) => PipelineState::Stopped,
                },
            };
            (id, state)
        };
        self.of.lock().clone().into_iter().map(state).collect()
    }

    /// What keeps pipelines from being ready, as sentences.
    fn not_ready(&self) -> Vec<String> {
        let reason = |(id, phase): (PipelineId, Phase)| match phase {
            Phase::Starting => Some(format!("{id} has not started")),
            Phase::Waits(outage) => Some(format!("{id} waits: {outage}")),
            Phase::Draining => Some(format!("{id} drains")),
            Phase::Started => match self.host.status(&id).state {
                RunState::Running => None,
                RunState::NotRunning => Some(format!("{id} has not started")),
                RunState::Retrying { code, reason, .. } => Some(format!("{id} waits: {code}: {reason}")),
                RunState::Stopped(stop) => Some(format!("{id} has stopped: {stop}")),
            },
        };
        let mut reasons: Vec<String> = self.of.lock().clone().into_iter().filter_map(reason).collect();
        reasons.sort();
        reasons
    }
}
