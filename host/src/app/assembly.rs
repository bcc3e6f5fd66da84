//! Settings become the parts that every way to run shares.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::app::client_settings::client_settings;
use crate::app::host_id;
use crate::app::host_id::HeldHostId;
use crate::app::instances::Instances;
use crate::app::object_store::object_store;
use crate::app::refused::Refused;
use crate::app::registry::Registry;
use crate::app::runner::BrokerKind;
use crate::app::runner::PipelineHost;
use crate::app::state_root::StateCell;
use crate::app::steering::Steering;
use crate::codec::registry::NoRegistry;
use crate::codec::writer_schemas::WriterSchemas;
use crate::config::settings::Settings;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::state::checkpoint::CheckpointStore;
use crate::telemetry::metrics::Metrics;
use crate::wasm::compile::cache::CompileCache;
use crate::wasm::compile::compiler::CompileLimits;
use crate::wasm::compile::compiler::Compiler;
use crate::wasm::engine::EngineSettings;
use crate::wasm::engine::HostEngine;
use crate::wasm::loader::ComponentLoader;

/// Compiled code that is kept on disk, in bytes.
const COMPILE_CACHE_BYTES_MAX: u64 = 1 << 30;

/// The parts of a running host.
pub struct Assembly {
    pub host: Arc<PipelineHost>,
    /// Holds the data folder.
    _held: HeldHostId,
}

impl Assembly {
    /// # Errors
    /// When a setting is missing or cannot be used.
    pub fn new(settings: Settings, runtime: Handle, broker: BrokerKind, steering: Steering) -> Result<Self> {
        let kafka = settings.kafka.as_ref().ok_or_else(no_brokers)?;
        let in_process = matches!(broker, BrokerKind::InProcess(_));
        let checkpoints = match &settings.state.object_store {
            // What the broker within this process holds ends with it.
            Some(_) if in_process => None,
            Some(place) => {
                let refused = |refusal| Refused::one("the settings cannot be used", refusal);
                let objects = object_store(place).map_err(refused)?;
                Some(Arc::new(CheckpointStore::new(objects, &place.prefix, runtime.clone())))
            }
            None => None,
        };
        let held = host_id::hold(&settings.data_dir, settings.host_id.as_ref())?;
        let client = client_settings(kafka, &held.id)?;
        let registry =
            settings.registry.as_ref().map(|registry| Registry::new(registry, runtime)).transpose()?;
        let writer_schemas: Arc<dyn WriterSchemas> = match &registry {
            Some(registry) => registry.cache().clone(),
            None => Arc::new(NoRegistry),
        };
        let folder = settings.data_dir.join("state");
        let host = PipelineHost {
            host: held.id.clone(),
            loader: loader(&settings)?,
            state: StateCell::new(settings.state.clone(), folder, client.clone(), in_process, checkpoints),
            kafka: client,
            broker,
            steering,
            registry,
            writer_schemas,
            secrets: settings.secrets.clone(),
            ceilings: settings.ceilings,
            metrics: Metrics::new()?,
            instances: Instances::new(settings.ceilings.instances_max),
            running: Mutex::new(HashMap::new()),
            published: Mutex::new(HashMap::new()),
        };
        Ok(Self { host: Arc::new(host), _held: held })
    }
}

fn no_brokers() -> Refusal {
    Refusal {
        code: Code("missing-key"),
        field: "kafka.brokers".to_owned(),
        message: "no Kafka brokers are set".to_owned(),
        found: "nothing".to_owned(),
        expected: "the addresses of brokers, `host:9092,other:9092`".to_owned(),
        remedy: "Name them with --kafka, WASMILL_KAFKA_BROKERS or `kafka.brokers` in the settings file."
            .to_owned(),
    }
}

/// A loader that compiles in a limited child process and keeps the outcome.
///
/// # Errors
/// When the engine or the folder of compiled code cannot be set up.
pub fn loader(settings: &Settings) -> Result<ComponentLoader> {
    let engine = HostEngine::new(EngineSettings {
        instances_max: settings.ceilings.instances_max,
        memory_bytes_max: settings.ceilings.memory_bytes_max,
        stack_bytes_max: settings.ceilings.stack_bytes_max,
    })?;
    let wall_ms_max = u64::try_from(settings.compile.deadline.as_millis()).unwrap_or(u64::MAX);
    let limits = CompileLimits {
        memory_bytes_max: settings.compile.memory_bytes_max,
        wall_ms_max,
        ..CompileLimits::default()
    };
    let compiler = Compiler::child_of_this_program(limits).context("this program's own path is not known")?;
    let folder = settings.data_dir.join("compiled");
    let cache = CompileCache::open(&folder, COMPILE_CACHE_BYTES_MAX)
        .map_err(|error| host_id::unusable(&folder, &error))?;
    Ok(ComponentLoader::new(engine, compiler, Some(cache)))
}
