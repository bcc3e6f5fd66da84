//! `wasmill run`: pipelines from files, without a control plane.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;

use crate::api;
use crate::api::HealthState;
use crate::api::server::Closing;
use crate::app::assembly::Assembly;
use crate::app::serve::runtime;
use crate::app::signals;
use crate::config::settings::Settings;
use crate::control::runner::ComponentRef;
use crate::control::runner::Runner;
use crate::control::runner::StartFailure;
use crate::model::ids::PipelineId;
use crate::model::ids::TenantName;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::TransformRef;
use crate::pipeline::backoff::Backoff;

/// How often the state of the pipelines is looked at and published.
const LOOK_EVERY: Duration = Duration::from_millis(500);

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
/// When the host cannot start.
pub fn run_sidecar(settings: Settings, pipelines: Vec<SidecarPipeline>) -> Result<ExitCode> {
    let runtime = runtime()?;
    let listen = settings.listen;
    let deadline = settings.drain_deadline;
    let assembly = Assembly::new(settings, runtime.handle().clone())?;
    let host = assembly.host.clone();

    let mut started = Vec::new();
    for pipeline in pipelines {
        started.push(load(&assembly, pipeline)?);
    }
    let ids: Vec<PipelineId> = started.iter().map(|(id, ..)| id.clone()).collect();

    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(listen))
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let health = {
        let (metrics, ready_host, ready_ids) = (host.clone(), host.clone(), ids.clone());
        HealthState {
            metrics: Arc::new(move || metrics.render_metrics()),
            readiness: Arc::new(move || ready_host.not_ready(&ready_ids)),
        }
    };
    let closing = Closing::default();
    let server = runtime.spawn(api::serve(listener, api::sidecar_router(health), closing.clone()));
    tracing::info!(%listen, pipelines = ids.len(), host = %host.host, "sidecar started");

    let terminated = signals::terminated(&runtime)?;
    let mut code = ExitCode::SUCCESS;
    let mut waiting = started;
    let mut backoff = Backoff::for_outage();
    while !terminated.is_set() {
        waiting = start_all(&host, waiting)?;
        let wait = if waiting.is_empty() { LOOK_EVERY } else { backoff.next_wait() };
        terminated.wait(wait);
        host.publish();
        if let Some((id, stop)) = host.failures().into_iter().next() {
            tracing::error!(pipeline = %id, code = %stop.code, "a pipeline has stopped for good: {stop}");
            eprintln!("error: pipeline {id} stopped: {stop}");
            code = ExitCode::FAILURE;
            break;
        }
    }
    tracing::info!("draining");
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

fn load(assembly: &Assembly, pipeline: SidecarPipeline) -> Result<Loaded> {
    let SidecarPipeline { file, spec } = pipeline;
    let TransformRef::File(path) = &spec.transform else {
        anyhow::bail!(
            "{}: a sidecar takes its transform from a local file; write `transform: {{ file: ./my_transform.wasm }}`",
            file.display()
        );
    };
    let (component, _) = assembly
        .host
        .load_file(path)
        .with_context(|| format!("{}: the transform is refused", file.display()))?;
    let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: spec.name.clone() };
    Ok((id, spec, component))
}

/// Starts what can start now; gives back what waits for a broker or a registry.
fn start_all(host: &Arc<super::runner::PipelineHost>, pipelines: Vec<Loaded>) -> Result<Vec<Loaded>> {
    let mut waiting = Vec::new();
    for (id, spec, component) in pipelines {
        match host.start(&id, &spec, &component) {
            Ok(()) => tracing::info!(pipeline = %id, "pipeline started"),
            Err(StartFailure::Outage(outage)) => {
                tracing::warn!(pipeline = %id, error = %outage, "the pipeline cannot start yet; trying again");
                waiting.push((id, spec, component));
            }
            Err(StartFailure::Refused(refusals)) => {
                let mut text = format!("the pipeline {id} is refused:");
                for refusal in refusals {
                    text.push_str(&format!("\n  [{}] {refusal}", refusal.code));
                }
                host.drain_all(Duration::from_secs(10));
                anyhow::bail!(text);
            }
        }
    }
    Ok(waiting)
}
