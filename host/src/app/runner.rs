//! Pipelines that run, for control and the command line.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::app::changelogs::ChangelogTopics;
use crate::app::contract::Contract;
use crate::app::contract_state::META;
use crate::app::deploy::Deployed;
use crate::app::deploy::Mode;
use crate::app::deploy::OutputIds;
use crate::app::deploy::Surroundings;
use crate::app::factory::PipelineFactory;
use crate::app::group;
use crate::app::instances::Instances;
use crate::app::instances::NoInstances;
use crate::app::registry::Registry;
use crate::app::restore::Restores;
use crate::app::seek;
use crate::app::spec_check;
use crate::app::state_figures::state_gauges;
use crate::app::state_root::StateCell;
use crate::app::steering::Steering;
use crate::codec::state_values::StateValues;
use crate::codec::writer_schemas::WriterSchemas;
use crate::config::secret::SecretSources;
use crate::config::settings::LimitCeilings;
use crate::control::commands::Mode as ChangeMode;
use crate::control::runner::CheckReport;
use crate::control::runner::ComponentRef;
use crate::control::runner::Inspected;
use crate::control::runner::RunState;
use crate::control::runner::RunStatus;
use crate::control::runner::Runner;
use crate::control::runner::StartFailure;
use crate::control::runner::StateFate;
use crate::control::seek::SeekFailure;
use crate::kafka::admin::Admin;
use crate::kafka::dev_broker::DevBroker;
use crate::kafka::overrides::Overrides;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::ids::HostId;
use crate::model::ids::PipelineId;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::CheckpointPolicy;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_state::PipelineState;
use crate::model::seek::Seek;
use crate::model::seek::SeekMove;
use crate::model::status::TaskStatus;
use crate::telemetry::guest_logs::GuestLogs;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::pipeline_metrics::Lag;
use crate::telemetry::pipeline_metrics::PipelineMetrics;
use crate::wasm::compiled::CompiledComponent;
use crate::wasm::digest::ComponentDigest;
use crate::wasm::loader::ComponentLoader;
use crate::wasm::loader::LoadError;
use crate::wasm::upload::componentize::componentize;
use crate::worker::supervisor::DrainTimeout;
use crate::worker::supervisor::Workers;

/// How long a question to the broker about groups may take.
const BROKER_WAIT: Duration = Duration::from_secs(10);

/// What the in-process broker takes, which cannot be asked for it.
const TOPIC_BYTES_MAX: usize = 1_000_000;

/// Whether the broker keeps the promises of transactions.
#[derive(Debug, Clone)]
pub enum BrokerKind {
    Real,
    /// librdkafka's in-process broker: it drops the offsets of transactions, so that pipelines on
    /// it run at least once. Topics are made through its handle.
    InProcess(Arc<DevBroker>),
}

impl BrokerKind {
    pub(in crate::app) fn is_in_process(&self) -> bool {
        matches!(self, Self::InProcess(_))
    }
}

/// What the pipelines of a host share.
pub struct PipelineHost {
    pub host: HostId,
    pub loader: ComponentLoader,
    pub kafka: ClientSettings,
    pub broker: BrokerKind,
    pub steering: Steering,
    pub registry: Option<Registry>,
    pub writer_schemas: Arc<dyn WriterSchemas>,
    pub secrets: SecretSources,
    pub ceilings: LimitCeilings,
    pub state: StateCell,
    pub metrics: Metrics,
    pub instances: Instances,
    pub running: Mutex<HashMap<PipelineId, Running>>,
    /// Of every pipeline that is told of, whether it runs or not.
    pub published: Mutex<HashMap<PipelineId, PipelineMetrics>>,
}

/// What the checks of a start found.
#[derive(Debug)]
pub struct Checked {
    pub refusals: Vec<Refusal>,
    pub notices: Vec<String>,
    /// What is away, so that not everything could be checked.
    pub outages: Vec<Outage>,
    /// Only if nothing is refused and nothing is away.
    pub plan: Option<Plan>,
}

/// What workers are made of, beside the spec.
#[derive(Debug)]
pub struct Plan {
    pub contract: Contract,
    pub overrides: Overrides,
    /// Complete only after [`Mode::Apply`].
    pub ids: Vec<OutputIds>,
}

/// A pipeline that was started and not stopped since.
pub struct Running {
    workers: Option<Workers>,
    metrics: PipelineMetrics,
    logs: Arc<GuestLogs>,
}

impl PipelineHost {
    /// Loads a component: every upload check, native code, manifest.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load(&self, component: &[u8]) -> Result<Arc<CompiledComponent>, Refusal> {
        self.loader.load(component).map_err(load_refusal)
    }

    /// The component of a sidecar's pipeline.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn load_file(&self, path: &Path) -> Result<(ComponentRef, Arc<CompiledComponent>), Refusal> {
        let bytes = crate::wasm::loader::read_file(path).map_err(load_refusal)?;
        let compiled = self.load(&bytes)?;
        let label = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let component = ComponentRef {
            label,
            digest: format!("sha256:{}", compiled.digest().hex()),
            manifest: compiled.manifest().clone(),
            component: bytes.into(),
        };
        Ok((component, compiled))
    }

    /// Every check of a start; under [`Mode::Apply`] what the pipeline needs is made, unless something is
    /// refused or away.
    pub fn checked(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        manifest: Option<&Manifest>,
        mode: Mode,
    ) -> Checked {
        let checked = spec_check::check(id, spec, manifest, &self.ceilings, &self.secrets);
        let mode = if checked.refusals.is_empty() { mode } else { Mode::DryRun };
        let dev_broker = match &self.broker {
            BrokerKind::Real => None,
            BrokerKind::InProcess(broker) => Some(&**broker),
        };
        let surroundings = Surroundings {
            kafka: Some(&self.kafka),
            registry: self.registry.as_ref(),
            dev_broker,
            state_folder: (!self.broker.is_in_process()).then(|| self.state.folder()),
        };
        let deployed = surroundings.deploy(id, spec, checked.contract.as_ref(), mode);
        let Deployed { refusals, mut notices, outages, ids } = deployed;
        if self.broker.is_in_process() && spec.delivery == Delivery::ExactlyOnce {
            notices.push(
                "the in-process broker keeps no offsets of transactions, so this pipeline runs at least once; use --kafka for exactly once"
                    .to_owned(),
            );
        }
        if spec.checkpoint != CheckpointPolicy::default() && !self.state.makes_checkpoints() {
            notices.push(
                "this host has no object store (`state.object_store.url`), so that `checkpoint` has no effect here"
                    .to_owned(),
            );
        }
        let refusals: Vec<Refusal> = checked.refusals.into_iter().chain(refusals).collect();
        let fits = refusals.is_empty() && outages.is_empty();
        let overrides = checked.overrides;
        let plan = checked.contract.filter(|_| fits).map(|contract| Plan { contract, overrides, ids });
        Checked { refusals, notices, outages, plan }
    }

    fn start_workers(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        component: &ComponentRef,
    ) -> Result<(), StartFailure> {
        let compiled = self.loader.load(&component.component).map_err(|error| match error {
            LoadError::Refused(refusal) => StartFailure::Refused(vec![*refusal]),
            LoadError::Host(message) => Outage::new("component-not-loaded", message).into(),
        })?;
        let checked = self.checked(id, spec, Some(&component.manifest), Mode::Apply);
        let Some(Plan { contract, overrides, ids }) = checked.plan else {
            return Err(match checked.outages.into_iter().next() {
                Some(outage) if checked.refusals.is_empty() => outage.into(),
                _ => StartFailure::Refused(checked.refusals),
            });
        };
        for notice in &checked.notices {
            tracing::warn!(pipeline = %id, notice, "pipeline starts with a notice");
        }
        let mut spec = spec.clone();
        if self.broker.is_in_process() {
            spec.delivery = Delivery::AtLeastOnce;
        }
        let metrics = self.metrics.pipeline(id);
        let logs = self.running.lock().get(id).map(|running| running.logs.clone());
        let log_lines_max = spec.limits.log_lines_per_second_max;
        let logs = logs.unwrap_or_else(|| Arc::new(GuestLogs::new(log_lines_max)));
        // Those of an earlier start know the limit of then.
        logs.limit(log_lines_max);
        let workers = spec.workers;
        let state = self.restores(id, &spec, &contract, component)?;
        let factory = PipelineFactory {
            id: id.clone(),
            host: self.host.clone(),
            spec,
            contract,
            ids,
            version: component.label.clone(),
            component: compiled,
            kafka: self.kafka.clone(),
            overrides,
            writer_schemas: self.writer_schemas.clone(),
            registry: self.registry.clone(),
            metrics: metrics.clone(),
            logs: logs.clone(),
            topic_bytes_max: self.broker.is_in_process().then_some(TOPIC_BYTES_MAX),
            gap_remedy: self.steering.gap_remedy(&self.broker, id),
            instances: self.instances.lease(id, workers),
            state,
            overlay_bytes_max: self.state.settings().overlay_bytes_max,
        };
        let workers = Workers::start(id, workers, factory)
            .map_err(|error| Outage::new("threads-exhausted", format!("no thread for a worker: {error}")))?;
        self.running.lock().insert(id.clone(), Running { workers: Some(workers), metrics, logs });
        Ok(())
    }

    /// How states of a pipeline are restored; none for one that keeps nothing.
    fn restores(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        contract: &Contract,
        component: &ComponentRef,
    ) -> Result<Option<Arc<Restores>>, Outage> {
        if contract.changelogs.is_empty() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Restores {
            root: self.state.get()?,
            pipeline: id.clone(),
            manifest: Arc::new(component.manifest.clone()),
            delivery: spec.delivery,
            checkpoint_interval: spec.checkpoint.interval,
            schemas: Arc::new(StateValues),
            changelogs: contract.changelogs.clone(),
        })))
    }

    /// Publishes the state of these pipelines, which are all there are, and the lag of those that run.
    /// To be called about once a second.
    pub fn publish(&self, states: &[(PipelineId, PipelineState)]) {
        let mut published = self.published.lock();
        published.retain(|id, _| states.iter().any(|(known, _)| known == id));
        for (id, state) in states {
            published.entry(id.clone()).or_insert_with(|| self.metrics.pipeline(id)).set_state(*state);
        }
        drop(published);
        for running in self.running.lock().values() {
            let Some(workers) = &running.workers else { continue };
            let now_ms = epoch_ms();
            let tasks: Vec<TaskStatus> =
                workers.status().into_iter().flat_map(|worker| worker.tasks).collect();
            running.metrics.set_states(state_gauges(&tasks));
            let lags = tasks.into_iter().filter_map(|task| {
                let seconds = task.lag_age_ms(now_ms).map(|age_ms| age_ms as f64 / 1000.0);
                Some((task.partition, Lag { records: task.lag?, seconds }))
            });
            running.metrics.set_lags(lags.collect());
        }
    }

    /// The figures of a pipeline since it was first started here.
    #[must_use]
    pub fn counters(&self, id: &PipelineId) -> Option<serde_json::Value> {
        let running = self.running.lock();
        serde_json::to_value(running.get(id)?.metrics.totals()).ok()
    }

    /// Everything in the text form of Prometheus; see [`PipelineHost::publish`].
    #[must_use]
    pub fn render_metrics(&self, states: &[(PipelineId, PipelineState)]) -> String {
        self.publish(states);
        self.metrics.render().unwrap_or_else(|error| format!("# {error}\n"))
    }

    /// Drains every pipeline at once. Returns how many did not end within the deadline.
    pub fn drain_all(&self, deadline: Duration) -> usize {
        let taken: Vec<Workers> =
            self.running.lock().values_mut().filter_map(|running| running.workers.take()).collect();
        for workers in &taken {
            workers.signal();
        }
        let until = std::time::Instant::now() + deadline;
        let left = || until.saturating_duration_since(std::time::Instant::now());
        taken.into_iter().filter_map(|workers| workers.drain(left()).err()).count()
    }

    /// Why a pipeline stopped by itself, of those that did.
    #[must_use]
    pub fn failures(&self) -> Vec<(PipelineId, crate::model::failure::Stop)> {
        let running = self.running.lock();
        let failure =
            |(id, running): (&PipelineId, &Running)| Some((id.clone(), running.workers.as_ref()?.failure()?));
        running.iter().filter_map(failure).collect()
    }
}

impl Runner for PipelineHost {
    fn inspect(&self, upload: &[u8]) -> Result<Inspected, Refusal> {
        let component = componentize(upload)?;
        let compiled = self.load(&component)?;
        let mut warnings = Vec::new();
        if component != upload {
            warnings.push("the upload was a core module; it was wrapped into a component".to_owned());
        }
        Ok(Inspected {
            manifest: compiled.manifest().clone(),
            digest: format!("sha256:{}", ComponentDigest::of(&component).hex()),
            component: component.into(),
            warnings,
        })
    }

    fn check(&self, id: &PipelineId, spec: &PipelineSpec, component: Option<&ComponentRef>) -> CheckReport {
        let manifest = component.map(|component| &component.manifest);
        let Checked { mut refusals, mut notices, outages, .. } =
            self.checked(id, spec, manifest, Mode::DryRun);
        refusals.extend(self.instances.room(id, spec.workers).err().map(|refusal| *refusal));
        notices.extend(outages.iter().map(|outage| format!("not everything could be checked: {outage}")));
        CheckReport { refusals, notices }
    }

    fn start(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        component: &ComponentRef,
    ) -> Result<(), StartFailure> {
        if self.running.lock().get(id).is_some_and(|running| running.workers.is_some()) {
            return Ok(());
        }
        self.instances.keep(id, spec.workers).map_err(|reason| match reason {
            NoInstances::Refused(refusal) => StartFailure::Refused(vec![*refusal]),
            NoInstances::NotYet(outage) => outage.into(),
        })?;
        // They stay its own until it is to rest, whatever comes of this start.
        self.start_workers(id, spec, component)
    }

    fn stop(&self, id: &PipelineId, deadline: Duration) -> Result<(), DrainTimeout> {
        // The lock is not held while the workers drain: status answers meanwhile.
        let workers = self.running.lock().get_mut(id).and_then(|running| running.workers.take());
        let outcome = workers.map_or(Ok(()), |workers| workers.drain(deadline));
        if let Some(running) = self.running.lock().get(id) {
            running.metrics.at_rest();
        }
        outcome
    }

    fn seek(
        &self,
        id: &PipelineId,
        spec: &PipelineSpec,
        to: &Seek,
        mode: ChangeMode,
    ) -> Result<Vec<SeekMove>, SeekFailure> {
        seek::seek(&self.kafka, self.broker.is_in_process(), &self.host, id, spec, to, mode)
    }

    fn rest(&self, id: &PipelineId) {
        self.instances.release(id);
    }

    fn forget(&self, id: &PipelineId, state: StateFate) -> Result<(), Outage> {
        self.running.lock().remove(id);
        self.published.lock().remove(id);
        self.instances.release(id);
        if state == StateFate::Keep {
            return Ok(());
        }
        let admin = Admin::start(&self.kafka, BROKER_WAIT).map_err(|error| error.outage())?;
        group::delete(&admin, id, &self.broker)?;
        // Only now: as long as the group had members, some worker could still write to them.
        let changelogs =
            ChangelogTopics { id, admin: &admin, kafka: &self.kafka, dev_broker: None, folder: None };
        let meta = admin.topic_id(&id.changelog(META));
        if let Ok(incarnation) = meta {
            let incarnation = incarnation.map_or_else(String::new, |id| id.to_string());
            self.state.forget_checkpoints(id, &incarnation);
        }
        // Without the right to it the pipeline stays in deletion: nobody would find them otherwise.
        changelogs.delete().map_err(|error| Outage::new("changelog-not-deleted", error.to_string()))?;
        self.state.forget(id);
        Ok(())
    }

    fn status(&self, id: &PipelineId) -> RunStatus {
        let running = self.running.lock();
        match running.get(id).and_then(|running| running.workers.as_ref()) {
            Some(workers) => RunStatus { state: state_of(workers), workers: workers.status() },
            None => RunStatus { state: RunState::NotRunning, workers: Vec::new() },
        }
    }

    fn logs(&self, id: &PipelineId) -> Option<Arc<GuestLogs>> {
        self.running.lock().get(id).map(|running| running.logs.clone())
    }
}

fn state_of(workers: &Workers) -> RunState {
    if let Some(stop) = workers.failure() {
        return RunState::Stopped(stop);
    }
    if workers.ended() {
        return RunState::NotRunning;
    }
    let statuses = workers.status();
    match statuses.iter().map(|worker| worker.waiting.as_ref()).collect::<Option<Vec<_>>>() {
        Some(waiting) if !waiting.is_empty() => {
            let first = waiting.iter().min_by_key(|waiting| waiting.since);
            first.map_or(RunState::Running, |first| RunState::Retrying {
                since: first.since,
                code: first.code,
                reason: first.reason.clone(),
            })
        }
        _ => RunState::Running,
    }
}

fn load_refusal(error: LoadError) -> Refusal {
    match error {
        LoadError::Refused(refusal) => *refusal,
        LoadError::Host(message) => Refusal {
            code: Code("component-not-loaded"),
            field: "component".to_owned(),
            message: "this host cannot load the component now".to_owned(),
            found: message,
            expected: "a file that can be read and a free compiler".to_owned(),
            remedy: "Try again; if it persists, look at the host's log.".to_owned(),
        },
    }
}

fn epoch_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
