//! Small commands that need no running host.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::api;
use crate::model::failure::Refusal;
use crate::wasm;

/// A core module with component type information as a component.
///
/// # Errors
/// When the module has no such information, or it does not fit.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    wasm::upload::componentize::componentize(module)
}

/// Compiles a component in this process, which its parent limits and may kill.
///
/// # Errors
/// When it is not called as the host calls it.
pub fn compile_component(arguments: &[OsString]) -> Result<ExitCode> {
    anyhow::ensure!(arguments.is_empty(), "this command is for the host itself and takes no arguments");
    Ok(wasm::compile::process::run())
}

/// The OpenAPI document of the HTTP API, as JSON.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn openapi() -> Result<String> {
    Ok(serde_json::to_string_pretty(&api::openapi())?)
}
