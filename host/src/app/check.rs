//! `wasmill check`: every check, nothing changed.

use std::path::Path;

use anyhow::Result;

use crate::app::assembly::Assembly;
use crate::app::assembly::loader;
use crate::app::contract::Contract;
use crate::app::deploy::Mode;
use crate::config::secret::resolve_config;
use crate::config::settings::Settings;
use crate::kafka::overrides::Overrides;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::ids::TenantName;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::TransformRef;
use crate::wasm::loader::LoadError;
use crate::wasm::loader::read_file;
use crate::wasm::upload::componentize::componentize;

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
    let mut report = CheckReport::default();
    // A check leaves nothing behind, compiled code included.
    let scratch = tempfile::tempdir()?;
    let settings = Settings { data_dir: scratch.path().to_owned(), ..settings.clone() };
    let loader = loader(&settings)?;
    // As an upload does: what counts is the component, also when the file is a core module.
    let loaded = read_file(file)
        .and_then(|bytes| Ok(componentize(&bytes)?))
        .and_then(|component| loader.load(&component));
    match loaded {
        Ok(component) => {
            report.digest = Some(format!("sha256:{}", component.digest().hex()));
            report.manifest = Some(component.manifest().clone());
        }
        Err(LoadError::Refused(refusal)) => report.refusals.push(*refusal),
        Err(LoadError::Host(message)) => anyhow::bail!(message),
    }
    Ok(report)
}

/// Every check that a start of the pipeline would run, against the brokers and the registry of the
/// settings where they are set; nothing is changed.
///
/// # Errors
/// When the checks cannot be run.
pub fn check_pipeline(settings: &Settings, spec: &PipelineSpec) -> Result<CheckReport> {
    let TransformRef::File(file) = &spec.transform else {
        return Ok(CheckReport {
            notices: vec![
                "the transform is one of a running host, so only the file itself was checked; `wasmill apply --dry-run` checks the rest"
                    .to_owned(),
            ],
            ..CheckReport::default()
        });
    };
    let mut report = check_component(settings, file)?;
    let Some(manifest) = report.manifest.clone() else { return Ok(report) };
    let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: spec.name.clone() };
    if settings.kafka.is_none() {
        report.refusals.extend(settings.ceilings.check(spec).err().unwrap_or_default());
        report.refusals.extend(Overrides::new(&spec.kafka).err().unwrap_or_default());
        match resolve_config(spec, &settings.secrets) {
            Ok(config) => {
                let bound = Contract::bind(&id, spec, &config, &manifest);
                report.refusals.extend(bound.err().unwrap_or_default());
            }
            Err(refusals) => report.refusals.extend(refusals),
        }
        report
            .notices
            .push("no brokers are set, so topics and schemas were not checked; add --kafka".to_owned());
        return Ok(report);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let scratch = tempfile::tempdir()?;
    let mut settings = settings.clone();
    settings.data_dir = scratch.path().to_owned();
    let assembly = Assembly::new(settings, runtime.handle().clone())?;
    let (_, deployed) = assembly.host.checked(&id, spec, &manifest, Mode::DryRun)?;
    report.refusals.extend(deployed.refusals);
    report.notices.extend(deployed.notices);
    Ok(report)
}
