//! Composition root: settings -> running host.
//!
//! SIGNATURES ONLY: the command line calls these functions; their bodies are written with the
//! adapters that they compose.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use anyhow::bail;

use crate::config::settings::Settings;
use crate::model::failure::Refusal;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::PipelineSpec;

/// Runs the host with its API until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// When the host cannot start.
pub fn serve(settings: Settings) -> Result<ExitCode> {
    bail!("signature only: {settings:?}")
}

/// A pipeline file of a sidecar.
#[derive(Debug, Clone)]
pub struct SidecarPipeline {
    pub file: PathBuf,
    pub spec: PipelineSpec,
}

/// Runs pipelines from files, without a control plane, until SIGTERM or SIGINT, then drains. Fails
/// as soon as a pipeline has stopped for good.
///
/// # Errors
/// When the host cannot start.
pub fn run_sidecar(settings: Settings, pipelines: Vec<SidecarPipeline>) -> Result<ExitCode> {
    bail!("signature only: {settings:?} {pipelines:?}")
}

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
/// real ones, the API, and a data folder of its own unless one is set. Creates the topics.
///
/// # Errors
/// When the host cannot start.
pub fn dev(settings: Settings, options: DevOptions) -> Result<ExitCode> {
    bail!("signature only: {settings:?} {options:?}")
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Empty when every check passed.
    pub refusals: Vec<Refusal>,
    /// What is worth knowing all the same, as sentences.
    pub notices: Vec<String>,
    /// Of the component, when it could be read.
    pub manifest: Option<Manifest>,
    /// `sha256:...` of the component.
    pub digest: Option<String>,
}

/// Every check of an upload on a local component; nothing is stored.
///
/// # Errors
/// When the file cannot be read or the checks cannot be run.
pub fn check_component(settings: &Settings, file: &Path) -> Result<CheckReport> {
    bail!("signature only: {settings:?} {file:?}")
}

/// Every check that a start of the pipeline would run, against the brokers and the registry of the
/// settings where they are set; nothing is changed.
///
/// # Errors
/// When the checks cannot be run.
pub fn check_pipeline(settings: &Settings, spec: &PipelineSpec) -> Result<CheckReport> {
    bail!("signature only: {settings:?} {spec:?}")
}

/// A core module with component type information as a component.
///
/// # Errors
/// When the module has no such information, or it does not fit.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, Box<Refusal>> {
    Err(Box::new(Refusal {
        code: crate::model::failure::Code("signature-only"),
        field: "component".to_owned(),
        message: format!("{} bytes", module.len()),
        found: String::new(),
        expected: String::new(),
        remedy: String::new(),
    }))
}

/// Compiles a component in this process, which its parent limits and may kill.
///
/// # Errors
/// When the component cannot be compiled.
pub fn compile_component(arguments: &[std::ffi::OsString]) -> Result<ExitCode> {
    bail!("signature only: {arguments:?}")
}

/// The OpenAPI document of the HTTP API, as JSON.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn openapi() -> Result<String> {
    bail!("signature only")
}
