//! User code behind the pipeline's port.

use std::sync::Arc;

use crate::model::avro_type::SchemaError;
use crate::model::limits::Limits;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RecordBatch;
use crate::model::schema_table::SchemaTable;
use crate::model::state::FiredTimers;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::GuestFigures;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::state_ports::StateSlot;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::compiled::CompiledComponent;
use crate::wasm::guest_log::GuestLog;
use crate::wasm::guest_log::GuestLogSink;
use crate::wasm::instance::Instance;
use crate::wasm::output_shape::OutputShape;
use crate::wasm::state::GuestContext;
use crate::wasm::state::StoreUse;

/// What a guest is made of.
#[derive(Clone)]
pub struct GuestSpec {
    /// From [`crate::wasm::loader::ComponentLoader`]. Its manifest fixes the shapes of the outputs.
    pub component: Arc<CompiledComponent>,
    /// Keys of the manifest with their values. Defaults of absent keys come from the manifest.
    pub config: Vec<(String, String)>,
    pub limits: Limits,
    /// Shared with the pipeline's decoder and encoder.
    pub schemas: Arc<SchemaTable>,
    /// Keeps the guest's log lines.
    pub logs: Arc<dyn GuestLogSink>,
}

/// What is known of a guest, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuestStats {
    /// Linear memory and tables of the live instance, in bytes; 0 without one.
    pub memory_bytes: usize,
    /// Instances made so far.
    pub instances_made: u64,
    /// Whether an instance is alive.
    pub is_live: bool,
}

/// A transform on a worker's thread. Its instance is made when it is needed.
pub struct WasmGuest {
    component: Arc<CompiledComponent>,
    context: Arc<GuestContext>,
    instance: Option<Instance>,
    /// Here while there is no instance.
    log: Option<GuestLog>,
    sink: Arc<dyn GuestLogSink>,
    instances_made: u64,
}

impl WasmGuest {
    /// A guest without an instance yet.
    ///
    /// # Errors
    /// When an output schema of the manifest cannot be carried as columns. Upload checks have
    /// ruled that out.
    pub fn new(spec: GuestSpec) -> Result<Self, SchemaError> {
        let manifest = spec.component.manifest();
        let mut config = spec.config;
        for key in &manifest.config {
            if let Some(default) = &key.default
                && !config.iter().any(|(known, _)| *known == key.key)
            {
                config.push((key.key.clone(), default.clone()));
            }
        }
        let context = GuestContext {
            outputs: OutputShape::of_manifest(manifest)?,
            stores: StoreUse::of_manifest(manifest),
            timers: manifest.timers.clone(),
            config,
            limits: spec.limits,
            schemas: spec.schemas,
            timestamp_shape: ColumnShape::timestamp(),
            headers_shape: ColumnShape::headers(),
        };
        Ok(Self {
            component: spec.component,
            context: Arc::new(context),
            instance: None,
            log: None,
            sink: spec.logs,
            instances_made: 0,
        })
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> GuestStats {
        GuestStats {
            memory_bytes: self.instance.as_ref().map_or(0, Instance::memory_bytes),
            instances_made: self.instances_made,
            is_live: self.instance.is_some(),
        }
    }

    fn live(&mut self) -> Result<&mut Instance, InvokeFailure> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => {
                let log = match self.log.take() {
                    Some(log) => log,
                    None => {
                        GuestLog::new(Arc::clone(&self.sink), self.context.limits.log_lines_per_second_max)
                    }
                };
                let instance = Instance::open(&self.component.program, &self.context, log)?;
                self.instances_made += 1;
                instance
            }
        };
        Ok(self.instance.insert(instance))
    }

    /// One call of the live instance, which a failure ends.
    fn call(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<Invoked, InvokeFailure>,
    ) -> Result<Invoked, InvokeFailure> {
        let outcome = self.live().and_then(call);
        // A guest that returned keeps its instance; after anything else its memory is not trusted.
        if !matches!(outcome, Ok(_) | Err(InvokeFailure::Retry(_))) {
            self.drop_instance();
        }
        outcome
    }

    fn drop_instance(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.log = Some(instance.into_log());
        }
    }
}

impl Guest for WasmGuest {
    fn figures(&self) -> GuestFigures {
        let stats = self.stats();
        GuestFigures { memory_bytes: stats.memory_bytes as u64, instances_made: stats.instances_made }
    }

    fn invoke(&mut self, batch: &RecordBatch, state: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        self.call(|instance| instance.process(batch, state))
    }

    fn fire(&mut self, fired: &FiredTimers, state: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        self.call(|instance| instance.fire(fired, state))
    }

    fn release(&mut self) {
        self.drop_instance();
        if let Some(log) = &mut self.log {
            log.report_dropped();
        }
    }
}

impl std::fmt::Debug for GuestSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestSpec")
            .field("component", &self.component)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WasmGuest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmGuest")
            .field("component", &self.component)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
