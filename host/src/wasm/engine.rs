//! The one wasmtime engine of a host.

use std::sync::Arc;

use wasmtime::Config;
use wasmtime::Engine;
use wasmtime::InstanceAllocationStrategy;
use wasmtime::PoolingAllocationConfig;

use crate::wasm::gate::Gate;
use crate::wasm::ticker::Ticker;

/// Most elements of one guest table. Large components (StarlingMonkey, CPython) use about 20 000.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Most core instances in one component. CPython's has about 40.
const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 128;
/// Most linear memories in one component: its own and one of an adapter.
const MEMORIES_PER_COMPONENT_MAX: u32 = 2;
/// Most tables in one component.
const TABLES_PER_COMPONENT_MAX: u32 = 16;
/// Throw-away instances that are asked for their manifest at once; others wait. They come on top of
/// those of the pipelines, so that neither keeps the other waiting.
const DESCRIBING_MAX: u32 = 8;
/// Instance data of one core instance, in bytes: grows with imports, globals and functions.
const CORE_INSTANCE_BYTES_MAX: usize = 4 << 20;
/// Linear memory that a dropped instance leaves resident for the next one, in bytes.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

/// Sizes of the engine. Fixed for the life of the process: they bound what any pipeline's limits
/// can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineSettings {
    /// Live guest instances of the pipelines of the whole host. Default 256. The engine has some more,
    /// for the throw-away ones that are asked for their manifest.
    ///
    /// Each reserves 8 GiB of address space (not of memory).
    pub instances_max: u32,
    /// Ceiling of `memory_bytes_max` of any pipeline, in bytes. Default 1 GiB, at most 4 GiB.
    pub memory_bytes_max: u64,
    /// Guest stack in bytes. Default 512 KiB. Threads that run guests need this much more stack.
    pub stack_bytes_max: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { instances_max: 256, memory_bytes_max: 1 << 30, stack_bytes_max: 512 << 10 }
    }
}

/// The host cannot run WebAssembly at all.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot be set up: {0}")]
pub struct EngineError(pub(in crate::wasm) String);

/// Where an engine's instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allocation {
    /// Slots reserved once: an instance is made in microseconds.
    Pooled,
    /// Nothing reserved: for a process that compiles and never runs.
    OnDemand,
}

/// The engine with its ticker. Share it: every component and instance of a host hangs on one.
#[derive(Debug)]
pub struct HostEngine {
    engine: Engine,
    ticker: Ticker,
    settings: EngineSettings,
    describing: Gate,
}

impl HostEngine {
    /// Reserves the address space for all instances and starts the ticker's thread.
    ///
    /// # Errors
    /// When the machine cannot reserve it, or a setting is out of range.
    pub fn new(settings: EngineSettings) -> Result<Arc<Self>, EngineError> {
        let engine = build(&settings, Allocation::Pooled)?;
        let ticker = Ticker::start(&engine).map_err(|error| EngineError(error.to_string()))?;
        Ok(Arc::new(Self { engine, ticker, settings, describing: Gate::new(DESCRIBING_MAX) }))
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    pub(in crate::wasm) fn wasmtime(&self) -> &Engine {
        &self.engine
    }

    /// To be passed by whoever makes a throw-away instance.
    pub(in crate::wasm) fn describing(&self) -> &Gate {
        &self.describing
    }

    pub(in crate::wasm) fn ticker(&self) -> &Ticker {
        &self.ticker
    }
}

/// An engine that compiles what [`HostEngine`] runs, and reserves nothing.
pub(in crate::wasm) fn compiling_engine(settings: &EngineSettings) -> Result<Engine, EngineError> {
    build(settings, Allocation::OnDemand)
}

fn build(settings: &EngineSettings, allocation: Allocation) -> Result<Engine, EngineError> {
    if settings.memory_bytes_max > 4 << 30 {
        return Err(EngineError(format!(
            "`memory_bytes_max` is {}; expected at most 4 GiB",
            settings.memory_bytes_max
        )));
    }
    let fail = |error: wasmtime::Error| EngineError(format!("{error:#}"));
    let mut config = Config::new();
    config
        // Calls are synchronous: no fibers, no concurrency state in each store.
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .max_wasm_stack(usize::try_from(settings.stack_bytes_max).unwrap_or(usize::MAX))
        // The same input gives the same output, bit for bit, on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        // What no SDK needs is attack surface.
        .wasm_memory64(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_custom_page_sizes(false)
        .wasm_component_model(true);
    if allocation == Allocation::Pooled {
        let instances = settings.instances_max.saturating_add(DESCRIBING_MAX);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT_MAX))
            .total_memories(instances.saturating_mul(MEMORIES_PER_COMPONENT_MAX))
            .total_tables(instances.saturating_mul(TABLES_PER_COMPONENT_MAX))
            .total_gc_heaps(0)
            .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
            .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
            .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
            .max_memories_per_module(MEMORIES_PER_COMPONENT_MAX)
            .max_tables_per_module(TABLES_PER_COMPONENT_MAX)
            .max_core_instance_size(CORE_INSTANCE_BYTES_MAX)
            .max_component_instance_size(CORE_INSTANCE_BYTES_MAX)
            .table_elements(TABLE_ELEMENTS_MAX)
            .max_memory_size(usize::try_from(settings.memory_bytes_max).unwrap_or(usize::MAX))
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Engine::new(&config).map_err(fail)
}
