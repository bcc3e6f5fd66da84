//! A component that is ready to be instantiated.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::component::ComponentExportIndex;
use wasmtime::component::InstancePre;

use crate::model::manifest::Manifest;
use crate::wasm::digest::ComponentDigest;
use crate::wasm::engine::HostEngine;
use crate::wasm::imports::interface;
use crate::wasm::imports::linker;
use crate::wasm::state::GuestState;

/// Native code of a component, with every import linked, and what it says of itself.
pub struct CompiledComponent {
    pub(in crate::wasm) program: Program,
    manifest: Manifest,
    digest: ComponentDigest,
}

/// The part of a [`CompiledComponent`] that is known before `describe` has run.
#[derive(Clone)]
pub(in crate::wasm) struct Program {
    pub(in crate::wasm) engine: Arc<HostEngine>,
    pub(in crate::wasm) pre: InstancePre<GuestState>,
    pub(in crate::wasm) describe: ComponentExportIndex,
    pub(in crate::wasm) open: ComponentExportIndex,
    pub(in crate::wasm) process: ComponentExportIndex,
    /// Of a transform with timers.
    pub(in crate::wasm) on_timers: Option<ComponentExportIndex>,
}

/// Why a component cannot be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::wasm) enum LinkError {
    /// It has no such export.
    Export(String),
    /// An import has another type than the host's.
    Import(String),
}

impl Program {
    /// Links a component's imports and finds its exports.
    pub(in crate::wasm) fn link(engine: &Arc<HostEngine>, component: &Component) -> Result<Self, LinkError> {
        let import = |error: wasmtime::Error| LinkError::Import(format!("{error:#}"));
        let pre =
            linker(engine.wasmtime()).and_then(|linker| linker.instantiate_pre(component)).map_err(import)?;
        let handler = interface("handler");
        let (_, instance) =
            component.get_export(None, &handler).ok_or_else(|| LinkError::Export(handler.clone()))?;
        let find = |interface: &str, instance: &ComponentExportIndex, name: &str| {
            component
                .get_export_index(Some(instance), name)
                .ok_or_else(|| LinkError::Export(format!("{interface}#{name}")))
        };
        let timer_handler = interface("timer-handler");
        let on_timers = component
            .get_export(None, &timer_handler)
            .map(|(_, instance)| find(&timer_handler, &instance, "on-timers"));
        Ok(Self {
            engine: Arc::clone(engine),
            describe: find(&handler, &instance, "describe")?,
            open: find(&handler, &instance, "open")?,
            process: find(&handler, &instance, "process")?,
            on_timers: on_timers.transpose()?,
            pre,
        })
    }
}

impl CompiledComponent {
    pub(in crate::wasm) fn new(program: Program, manifest: Manifest, digest: ComponentDigest) -> Self {
        Self { program, manifest, digest }
    }

    /// What the component says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The identity of the uploaded bytes.
    #[must_use]
    pub fn digest(&self) -> &ComponentDigest {
        &self.digest
    }
}

impl fmt::Debug for CompiledComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledComponent")
            .field("digest", &self.digest)
            .field("manifest", &self.manifest.name)
            .finish_non_exhaustive()
    }
}
