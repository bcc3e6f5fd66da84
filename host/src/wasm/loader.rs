//! From the bytes of an upload to a component that can run.

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Component;

use crate::model::failure::Refusal;
use crate::model::limits::COMPONENT_BYTES_MAX;
use crate::wasm::compile::cache::CompileCache;
use crate::wasm::compile::compatibility::compatibility_hash;
use crate::wasm::compile::compiler::CompileError;
use crate::wasm::compile::compiler::Compiler;
use crate::wasm::compile::compiler::NATIVE_BYTES_MAX;
use crate::wasm::compiled::CompiledComponent;
use crate::wasm::compiled::LinkError;
use crate::wasm::compiled::Program;
use crate::wasm::digest::ComponentDigest;
use crate::wasm::engine::HostEngine;
use crate::wasm::upload::allow_list;
use crate::wasm::upload::componentize::componentize;
use crate::wasm::upload::describe::DescribeError;
use crate::wasm::upload::describe::describe;
use crate::wasm::upload::manifest;
use crate::wasm::upload::refusal::refuse;
use crate::wasm::upload::refusal::too_large;
use crate::wasm::upload::structure;

/// Checks, compiles and describes components. One for the host.
#[derive(Debug)]
pub struct ComponentLoader {
    engine: Arc<HostEngine>,
    compiler: Compiler,
    cache: Option<CompileCache>,
    compatibility: [u8; 32],
}

/// Why a component cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The component is at fault.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// This host is: no compiler, no free instance.
    #[error("this host cannot load a component now: {0}")]
    Host(String),
}

impl From<Refusal> for LoadError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl ComponentLoader {
    /// A loader for an engine. Without a cache every load compiles anew.
    #[must_use]
    pub fn new(engine: Arc<HostEngine>, compiler: Compiler, cache: Option<CompileCache>) -> Self {
        let compatibility = compatibility_hash(engine.wasmtime());
        Self { engine, compiler, cache, compatibility }
    }

    /// Runs every check on a component (or a core module that carries component type information),
    /// compiles it, and asks it for its manifest. Blocks for as long as compiling takes.
    ///
    /// # Errors
    /// A refusal with a stable code, or that this host cannot do it now.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<CompiledComponent>, LoadError> {
        let digest = ComponentDigest::of(bytes);
        let wrapped = componentize(bytes)?;
        allow_list::check(&structure::read(&wrapped)?)?;
        let component = self.native(&wrapped)?;
        let program = Program::link(&self.engine, &component).map_err(link_refusal)?;
        let text = describe(&program).map_err(|error| match error {
            DescribeError::Refused(refusal) => refusal.into(),
            DescribeError::Busy(message) => LoadError::Host(message),
        })?;
        let manifest = manifest::parse(&text)?;
        manifest::check_timer_export(&manifest, program.on_timers.is_some())?;
        Ok(Arc::new(CompiledComponent::new(program, manifest, digest)))
    }

    /// Reads a file and loads it. A file over the size cap is refused unread.
    ///
    /// # Errors
    /// As [`ComponentLoader::load`], and when the file cannot be read.
    pub fn load_file(&self, path: &Path) -> Result<Arc<CompiledComponent>, LoadError> {
        self.load(&read_file(path)?)
    }

    /// Native code from the cache, else from the compiler.
    fn native(&self, wrapped: &[u8]) -> Result<Component, LoadError> {
        let digest = ComponentDigest::of(wrapped);
        let kept = self.cache.as_ref().and_then(|cache| cache.get(&digest, &self.compatibility));
        if let Some(native) = kept {
            match self.deserialize(&native) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!(%digest, error = %format!("{error:#}"), "compiled code from the cache does not load; compiling again");
                }
            }
        }
        let native = self.compiler.compile(self.engine.settings(), wrapped).map_err(compile_error)?;
        let component = self.deserialize(&native).map_err(|error| limits_refusal(&format!("{error:#}")))?;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.put(&digest, &self.compatibility, &native)
        {
            tracing::warn!(%digest, %error, "compiled code cannot be kept; the next start compiles again");
        }
        Ok(component)
    }

    #[expect(
        unsafe_code,
        reason = "wasmtime cannot check native code, so it asks the caller to vouch for it"
    )]
    fn deserialize(&self, native: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: the bytes are native code that `precompile_component` of this program wrote: they
        // come straight from the compiler, which only this host can start and whose answer lies in
        // a folder of its own (mode 0700), or from a cache file whose seal, made with a key that
        // only this host can read, was checked over these very bytes.
        unsafe { Component::deserialize(self.engine.wasmtime(), native) }
    }
}

/// Reads a component's file, unless it is larger than the cap.
///
/// # Errors
/// `component-too-large`, or `file-missing` when the file cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error: io::Error| {
        refuse(
            "file-missing",
            "transform.file",
            "the component's file cannot be read",
            format!("{}: {error}", path.display()),
            "a file that this process may read",
            "Build the component, or correct the path.",
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > COMPONENT_BYTES_MAX as u64 {
        return Err(too_large(size).into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // The file may grow meanwhile; one byte over the cap is enough to know.
    file.take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn link_refusal(error: LinkError) -> LoadError {
    match error {
        LinkError::Export(name) => refuse(
            "export-missing",
            "component.exports",
            "the component does not export what every transform exports",
            "no such export",
            format!("`{name}`"),
            "Build it with an SDK, or implement the world in `wit/world.wit`.",
        ),
        LinkError::Import(message) => refuse(
            "import-mismatch",
            "component.imports",
            "the component imports a function of ours with another type",
            message,
            "the types in `wit/`",
            "Build it with the WIT files and the SDK that belong to this host.",
        ),
    }
    .into()
}

fn limits_refusal(message: &str) -> LoadError {
    refuse(
        "component-too-complex",
        "component",
        "the component does not fit this host's engine",
        message,
        "a component within the engine's sizes",
        "Lower the initial memory, the tables or the number of modules of the component.",
    )
    .into()
}

fn compile_error(error: CompileError) -> LoadError {
    let (code, expected) = match &error {
        CompileError::Unavailable(_) => return LoadError::Host(error.to_string()),
        CompileError::Invalid(message) => return structure::invalid(message).into(),
        CompileError::Memory { limit_bytes } => ("compile-memory", format!("at most {limit_bytes} bytes")),
        CompileError::Cpu { limit_s } => ("compile-timeout", format!("at most {limit_s} s of CPU time")),
        CompileError::Native { .. } => {
            ("component-too-complex", format!("at most {NATIVE_BYTES_MAX} bytes of native code"))
        }
        CompileError::Wall { limit_ms } => ("compile-timeout", format!("at most {limit_ms} ms")),
        CompileError::Crashed(_) => ("compile-crashed", "a component that the compiler takes".to_owned()),
    };
    refuse(
        code,
        "component",
        "the component cannot be compiled within limits",
        error.to_string(),
        expected,
        "Split very large functions, leave unused code out, or raise the host's compile limits.",
    )
    .into()
}
