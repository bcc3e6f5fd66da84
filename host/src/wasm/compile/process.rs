//! The child that compiles: the hidden subcommand `compile-component`.
//!
//! Standard input holds one line of JSON, the [`CompileRequest`], and then the component. The child
//! writes `native` or `error` into the folder that the request names and exits with 0 or 1.

use std::fs;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;
use serde::Deserialize;
use serde::Serialize;

use crate::model::limits::COMPONENT_BYTES_MAX;
use crate::wasm::engine::EngineSettings;
use crate::wasm::engine::compiling_engine;

/// The subcommand under which [`run`] must be reachable.
pub const SUBCOMMAND: &str = "compile-component";

/// A request may not be longer than this, in bytes. It holds a path and numbers.
const REQUEST_BYTES_MAX: u64 = 16 << 10;
/// Components grow a little when they are wrapped.
const INPUT_BYTES_MAX: u64 = COMPONENT_BYTES_MAX as u64 + (4 << 20);

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wasm) struct CompileRequest {
    pub(in crate::wasm) folder: PathBuf,
    pub(in crate::wasm) memory_bytes_max: u64,
    pub(in crate::wasm) cpu_s_max: u64,
    pub(in crate::wasm) engine_memory_bytes_max: u64,
    pub(in crate::wasm) engine_stack_bytes_max: u64,
}

/// Compiles what standard input holds. The whole of the hidden subcommand.
#[must_use]
pub fn run() -> ExitCode {
    match compile_stdin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent reports it; without a parent this is the place to look.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compile_stdin() -> io::Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut line = String::new();
    input.by_ref().take(REQUEST_BYTES_MAX).read_line(&mut line)?;
    let request: CompileRequest = serde_json::from_str(&line)?;
    limit_self(Resource::RLIMIT_AS, request.memory_bytes_max)?;
    limit_self(Resource::RLIMIT_CPU, request.cpu_s_max)?;
    // No dump of a compiler that ran into its limits.
    limit_self(Resource::RLIMIT_CORE, 0)?;
    let mut component = Vec::new();
    input.take(INPUT_BYTES_MAX).read_to_end(&mut component)?;
    let settings = EngineSettings {
        instances_max: 0,
        memory_bytes_max: request.engine_memory_bytes_max,
        stack_bytes_max: request.engine_stack_bytes_max,
    };
    match compile(&settings, &component) {
        Ok(native) => fs::write(request.folder.join("native"), native),
        Err(error) => fs::write(request.folder.join("error"), error),
    }
}

/// Compiles in this process. The error is the compiler's text.
pub(in crate::wasm) fn compile(settings: &EngineSettings, component: &[u8]) -> Result<Vec<u8>, String> {
    let engine = compiling_engine(settings).map_err(|error| error.to_string())?;
    engine.precompile_component(component).map_err(|error| format!("{error:#}"))
}

/// Both the limit and how far this process may raise it.
fn limit_self(resource: Resource, max: u64) -> io::Result<()> {
    Ok(setrlimit(resource, max, max)?)
}
