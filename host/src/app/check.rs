//! `wasmill check`: every check, nothing changed.

use std::path::Path;

use anyhow::Result;

use crate::app::assembly::loader;
use crate::app::client_settings::client_settings;
use crate::app::deploy::Mode;
use crate::app::deploy::Surroundings;
use crate::app::instances::Instances;
use crate::app::registry::Registry;
use crate::app::spec_check;
use crate::config::settings::Settings;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::ids::HostId;
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
    /// What is away, so that not everything could be checked.
    pub outages: Vec<Outage>,
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
/// settings where they are set; nothing is changed. What the checks find is told all at once.
///
/// # Errors
/// When the checks cannot be run.
pub fn check_pipeline(settings: &Settings, spec: &PipelineSpec) -> Result<CheckReport> {
    let mut report = match &spec.transform {
        TransformRef::File(file) => check_component(settings, file)?,
        TransformRef::Named { .. } | TransformRef::Digest(_) => CheckReport {
            notices: vec![
                "the transform is one of a running host, so the pipeline was not checked against it; `wasmill apply --dry-run` does that"
                    .to_owned(),
            ],
            ..CheckReport::default()
        },
    };
    let manifest = report.manifest.as_ref();
    let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: spec.name.clone() };
    let checked = spec_check::check(&id, spec, manifest, &settings.ceilings, &settings.secrets);
    report.refusals.extend(checked.refusals);
    let room = Instances::new(settings.ceilings.instances_max).room(&id, spec.workers);
    report.refusals.extend(room.err().map(|refusal| *refusal));

    let host = HostId::new("check")?;
    let kafka = settings.kafka.as_ref().map(|kafka| client_settings(kafka, &host)).transpose()?;
    // A host is one with brokers: only there a registry that is not set is missing.
    if kafka.is_none() && settings.registry.is_none() {
        let notice = "no brokers and no registry are set, so topics and schemas were not checked; add --kafka and --registry";
        report.notices.push(notice.to_owned());
        return Ok(report);
    }
    if kafka.is_none() {
        report.notices.push("no brokers are set, so topics were not checked; add --kafka".to_owned());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let registry = settings.registry.as_ref();
    let registry = registry.map(|set| Registry::new(set, runtime.handle().clone())).transpose()?;
    let surroundings = Surroundings {
        kafka: kafka.as_ref(),
        registry: registry.as_ref(),
        dev_broker: None,
        state_folder: None,
    };
    let deployed = surroundings.deploy(&id, spec, checked.contract.as_ref(), Mode::DryRun);
    report.refusals.extend(deployed.refusals);
    report.notices.extend(deployed.notices);
    report.outages.extend(deployed.outages);
    Ok(report)
}
