//! `wasmill dev`: everything in one process, to learn and try.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use url::Url;
use wasmill_registry_client::memory::MemoryRegistry;

use crate::app::runner::BrokerKind;
use crate::app::serve::run;
use crate::app::serve::runtime;
use crate::config::settings::KafkaSettings;
use crate::config::settings::RegistrySettings;
use crate::config::settings::Settings;
use crate::kafka::admin::Admin;
use crate::kafka::dev_broker::DevBroker;
use crate::kafka::error::ErrorCode;
use crate::model::ids::HostId;

/// How long a question to the registry may take.
const REGISTRY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
const BROKER_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// A topic that `wasmill dev` creates at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevTopic {
    pub name: String,
    /// From 1.
    pub partitions: u32,
}

/// What `wasmill dev` adds to the settings.
#[derive(Debug, Clone, Default)]
pub struct DevOptions {
    pub topics: Vec<DevTopic>,
    /// Where to write the addresses, as JSON [`DevAddresses`], once everything is ready.
    pub ready_file: Option<PathBuf>,
}

/// Where the parts of `wasmill dev` are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DevAddresses {
    /// `http://127.0.0.1:8088`
    pub api: String,
    /// `127.0.0.1:33445`
    pub kafka: String,
    /// `http://127.0.0.1:33446`
    pub registry: String,
}

/// Runs everything in one process: an in-process broker and registry unless the settings name
/// real ones, the API, and a data folder of its own unless one is set. Creates the topics. Ends at
/// SIGTERM or SIGINT.
///
/// # Errors
/// When the host cannot start.
pub fn dev(mut settings: Settings, options: DevOptions) -> Result<ExitCode> {
    let runtime = runtime()?;
    // Nothing of the in-process broker survives, so that its pipelines must not either.
    let scratch = tempfile::tempdir().context("no temporary folder for the playground's data")?;
    let default_folder = settings.data_dir == Settings::default().data_dir;
    if settings.kafka.is_none() || default_folder {
        settings.data_dir = scratch.path().to_owned();
    }
    let broker = match &settings.kafka {
        Some(_) => BrokerKind::Real,
        None => {
            let broker = DevBroker::start().context("the in-process broker cannot start")?;
            settings.kafka =
                Some(KafkaSettings { brokers: vec![broker.brokers().to_owned()], tls: None, sasl: None });
            BrokerKind::InProcess(Arc::new(broker))
        }
    };
    if settings.registry.is_none() {
        let url = serve_registry(&runtime)?;
        settings.registry =
            Some(RegistrySettings { urls: vec![url], credentials: None, timeout: REGISTRY_TIMEOUT });
    }
    create_topics(&settings, &broker, &options.topics)?;
    let in_process = matches!(broker, BrokerKind::InProcess(_));
    let kafka = settings.kafka.as_ref().map(|kafka| kafka.brokers.join(",")).unwrap_or_default();
    let registry = settings.registry.as_ref().and_then(|registry| registry.urls.first());
    let registry = registry.map(|url| url.as_str().trim_end_matches('/').to_owned()).unwrap_or_default();
    let outcome = run(&runtime, settings, broker, |listen| {
        let addresses = DevAddresses { api: format!("http://{listen}"), kafka, registry };
        announce(&addresses, in_process);
        if let Some(file) = &options.ready_file {
            write_whole(file, &serde_json::to_vec(&addresses)?)?;
        }
        Ok(())
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}

/// A reader never sees half of it.
fn write_whole(file: &std::path::Path, bytes: &[u8]) -> Result<()> {
    let part = file.with_extension("part");
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, file))
        .with_context(|| format!("{} cannot be written; name another file with --ready-file", file.display()))
}

fn serve_registry(runtime: &Runtime) -> Result<Url> {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("no port for the registry")?;
    let address = listener.local_addr()?;
    let router = MemoryRegistry::new().router();
    // Lives as long as the runtime, which `dev` shuts down.
    runtime.spawn(async move { axum::serve(listener, router).await });
    Ok(Url::parse(&format!("http://{address}"))?)
}

fn create_topics(settings: &Settings, broker: &BrokerKind, topics: &[DevTopic]) -> Result<()> {
    for DevTopic { name, partitions } in topics {
        match broker {
            BrokerKind::InProcess(broker) => broker.create_topic(name, *partitions),
            BrokerKind::Real => {
                let kafka = settings.kafka.as_ref().context("no brokers are set")?;
                let client = super::client_settings::client_settings(kafka, &HostId::new("dev")?)?;
                let admin = Admin::start(&client, BROKER_WAIT)?;
                match admin.partition_count(name) {
                    Ok(_) => Ok(()),
                    Err(error) if !is_missing(error.code) => Err(error),
                    Err(_) => admin.create_topic(name, *partitions, None, &[]),
                }
            }
        }
        .with_context(|| format!("the topic `{name}` cannot be created"))?;
    }
    Ok(())
}

fn is_missing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC)
}

fn announce(addresses: &DevAddresses, in_process: bool) {
    let DevAddresses { api, kafka, registry } = addresses;
    println!("Wasmill playground");
    println!("  API       {api}/v1  (OpenAPI: {api}/v1/openapi.json)");
    println!("  Kafka     {kafka}");
    println!("  Registry  {registry}");
    if in_process {
        println!("The broker runs inside this process. It keeps at most 5 MiB or 100,000 message sets of a");
        println!("partition, forgets everything at exit, and knows no exactly-once: pipelines on it run");
        println!("at-least-once. For the real thing: wasmill dev --kafka HOST:PORT --registry URL");
    }
    println!("Ctrl-C ends it.");
}
