//! `wasmill serve`: the host with its API.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::api;
use crate::api::ApiParts;
use crate::api::ApiState;
use crate::api::HealthState;
use crate::api::server::Closing;
use crate::api::state::ApiLimits;
use crate::api::state::DocumentFormat;
use crate::app::assembly::Assembly;
use crate::app::runner::BrokerKind;
use crate::app::signals;
use crate::app::steering::Steering;
use crate::config::pipeline_document::to_document;
use crate::config::pipeline_file;
use crate::config::pipeline_file::FileFormat;
use crate::config::pipeline_schema::json_schema;
use crate::config::seek_document;
use crate::config::settings::Settings;
use crate::control::limits::Pace;
use crate::control::runner::Runner;
use crate::control::service::Control;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;
use crate::model::pipeline_spec::PipelineSpec;

/// How often states and lag are published as metrics.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Runs the host with its API until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// When the host cannot start.
pub fn serve(settings: Settings) -> Result<ExitCode> {
    let runtime = runtime()?;
    let outcome = run(&runtime, settings, BrokerKind::Real, |listen| {
        tracing::info!(%listen, "the API is ready");
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no threads for the async runtime")
}

/// # Errors
/// A [`Stop`] when the address cannot be had now.
pub(super) fn bind(runtime: &Runtime, listen: SocketAddr) -> Result<TcpListener, Stop> {
    runtime.block_on(TcpListener::bind(listen)).map_err(|error| {
        Stop::new(
            "listen-failed",
            format!("the host cannot listen on {listen}: {error}"),
            "Choose another address with --listen, or end the process that has this one.",
        )
    })
}

/// The host with its API over a broker. Calls `ready` once it listens.
pub(super) fn run(
    runtime: &Runtime,
    settings: Settings,
    broker: BrokerKind,
    ready: impl FnOnce(SocketAddr) -> Result<()>,
) -> Result<ExitCode> {
    api::check_listener(settings.listen, !settings.tokens.is_empty())?;
    let listen = settings.listen;
    let tokens = settings.tokens.iter().map(|token| token.expose().to_owned()).collect();
    let pace = Pace { drain_deadline: settings.drain_deadline, ..Pace::default() };
    let catalog = settings.data_dir.join("catalog");
    let limits = ApiLimits {
        upload_bytes_max: usize::try_from(settings.compile.component_bytes_max).unwrap_or(usize::MAX),
        ..ApiLimits::default()
    };
    let assembly = Assembly::new(settings, runtime.handle().clone(), broker, Steering::Api)?;
    let host = assembly.host.clone();
    let terminated = signals::terminated(runtime)?;

    let listener = bind(runtime, listen)?;
    let address = listener.local_addr()?;
    let runner: Arc<dyn Runner> = host.clone();
    let control = runtime.block_on(Control::open(&catalog, runner, Arc::new(read_spec), pace))?;
    let closing = Closing::default();
    let health = {
        let (metrics, readiness) = (host.clone(), control.clone());
        HealthState {
            metrics: Arc::new({
                let control = control.clone();
                move || metrics.render_metrics(&control.states())
            }),
            readiness: Arc::new(move || readiness.broken_wishes().iter().map(ToString::to_string).collect()),
        }
    };
    let counters = host.clone();
    let state = ApiState::new(ApiParts {
        control: control.clone(),
        tokens,
        read_document: Arc::new(read_document),
        read_seek: Arc::new(|text, format| seek_document::parse(text, file_format(format))),
        pipeline_schema: json_schema(),
        counters: Some(Arc::new(move |id| counters.counters(id))),
        health,
        limits,
        closing: closing.clone(),
    });
    let server = runtime.spawn(api::serve(listener, api::router(state), closing.clone()));
    ready(address)?;
    while !terminated.wait(PUBLISH_EVERY) {
        host.publish(&control.states());
        anyhow::ensure!(!server.is_finished(), "the listener on {address} failed");
    }
    tracing::info!("draining");
    let late = runtime.block_on(control.shutdown());
    closing.close();
    runtime.block_on(server)?.context("the API ended with an error")?;
    if late > 0 {
        // Their transactions are rolled back by the broker: nothing is lost, but it was no clean end.
        tracing::error!(pipelines = late, "not everything drained within the deadline");
        return Ok(ExitCode::FAILURE);
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn read_spec(document: &Json) -> Result<PipelineSpec, Vec<Refusal>> {
    pipeline_file::parse(&document.to_string(), FileFormat::Json, None)
}

fn read_document(text: &str, format: DocumentFormat) -> Result<Json, Vec<Refusal>> {
    pipeline_file::parse(text, file_format(format), None).map(|spec| to_document(&spec))
}

fn file_format(format: DocumentFormat) -> FileFormat {
    match format {
        DocumentFormat::Json => FileFormat::Json,
        DocumentFormat::Yaml => FileFormat::Yaml,
    }
}
