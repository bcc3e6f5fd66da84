//! A runner that runs nothing and does as it is told.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::Digest;
use sha2::Sha256;

use crate::control::commands::Mode;
use crate::control::limits::Pace;
use crate::control::runner::CheckReport;
use crate::control::runner::ComponentRef;
use crate::control::runner::Inspected;
use crate::control::runner::RunState;
use crate::control::runner::RunStatus;
use crate::control::runner::Runner;
use crate::control::runner::StartFailure;
use crate::control::runner::StateFate;
use crate::control::seek::SeekFailure;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;
use crate::model::ids::PipelineId;
use crate::model::ids::PipelineName;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::TransformRef;
use crate::model::seek::Seek;
use crate::model::seek::SeekMove;
use crate::model::status::WorkerStatus;
use crate::telemetry::guest_logs::GuestLogs;
use crate::worker::supervisor::DrainTimeout;

#[derive(Default)]
pub(crate) struct FakeRunner(Mutex<Told>);

#[derive(Default)]
pub(crate) struct Told {
    /// Label of the component of each pipeline that runs.
    pub(crate) running: HashMap<String, String>,
    pub(crate) stopped: HashMap<String, Stop>,
    pub(crate) calls: Vec<String>,
    /// What the checks refuse.
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) notices: Vec<String>,
    /// How many starts, and how many deletions at the broker, fail from now on.
    pub(crate) start_outages: u32,
    pub(crate) forget_outages: u32,
    pub(crate) start_refusals: Vec<Refusal>,
    pub(crate) panic_at_start: bool,
    pub(crate) workers: Vec<WorkerStatus>,
    pub(crate) logs: HashMap<String, Arc<GuestLogs>>,
    pub(crate) forgotten: HashSet<String>,
    pub(crate) resting: HashSet<String>,
    pub(crate) moves: Vec<SeekMove>,
    /// The next one is the last.
    pub(crate) seek_failures: Vec<SeekFailure>,
    gate: Option<Gate>,
    /// No pipeline ends within its deadline.
    pub(crate) drains_late: bool,
}

/// Where an inspection waits.
struct Gate {
    began: mpsc::Sender<()>,
    open: mpsc::Receiver<()>,
}

impl FakeRunner {
    pub(crate) fn tell(&self) -> parking_lot::MutexGuard<'_, Told> {
        self.0.lock()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.lock().calls.clone()
    }

    /// The next inspection waits until the first of these is dropped; the second hears that it began.
    pub(crate) fn hold_inspection(&self) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
        let ((began, heard), (hold, open)) = (mpsc::channel(), mpsc::channel());
        self.0.lock().gate = Some(Gate { began, open });
        (hold, heard)
    }

    pub(crate) fn runs(&self, name: &str) -> Option<String> {
        self.0.lock().running.get(name).cloned()
    }
}

pub(crate) fn refusal(code: &'static str) -> Refusal {
    Refusal {
        code: Code(code),
        field: "inputs.in.topic".to_owned(),
        message: "there is no such topic".to_owned(),
        found: "`t`".to_owned(),
        expected: "a topic".to_owned(),
        remedy: "Create it.".to_owned(),
    }
}

pub(crate) fn manifest() -> Manifest {
    let document = serde_json::json!({
        "manifest_version": 1,
        "name": "fake",
        "sdk": { "language": "rust", "version": "0.1.0" },
        "inputs": [{ "name": "in", "value": { "kind": "raw" } }],
    });
    serde_json::from_value(document).expect("a manifest")
}

/// Paces at which tests do not wait.
pub(crate) fn fast() -> Pace {
    Pace {
        poll: Duration::from_millis(10),
        backoff_initial: Duration::from_millis(5),
        backoff_max: Duration::from_millis(20),
        drain_deadline: Duration::from_secs(5),
    }
}

/// Reads `{name, transform, version?, digest?, file?}`.
pub(crate) fn read_spec(document: &serde_json::Value) -> Result<PipelineSpec, Vec<Refusal>> {
    let text = |key: &str| document.get(key).and_then(serde_json::Value::as_str);
    let Some(name) = text("name").and_then(|name| PipelineName::new(name).ok()) else {
        return Err(vec![refusal("missing-name"), refusal("another")]);
    };
    let transform = if let Some(digest) = text("digest") {
        TransformRef::Digest(digest.to_owned())
    } else if let Some(file) = text("file") {
        TransformRef::File(file.into())
    } else {
        let version = document.get("version").and_then(serde_json::Value::as_u64);
        TransformRef::Named {
            name: TransformName::new(text("transform").unwrap_or("t")).expect("a name"),
            version: version.map(|version| TransformVersion(u32::try_from(version).expect("small"))),
        }
    };
    Ok(PipelineSpec {
        name,
        transform,
        inputs: Default::default(),
        outputs: Default::default(),
        delivery: Default::default(),
        accept_duplicate_updates: false,
        start: Default::default(),
        commit: Default::default(),
        checkpoint: Default::default(),
        batch: Default::default(),
        on_bad_record: Default::default(),
        retry: Default::default(),
        schemas: Default::default(),
        limits: Default::default(),
        workers: 1,
        config: Default::default(),
        secrets: Default::default(),
        kafka: Default::default(),
    })
}

impl Runner for FakeRunner {
    fn inspect(&self, upload: &[u8]) -> Result<Inspected, Refusal> {
        assert!(upload != b"panic", "told to");
        let gate = self.0.lock().gate.take();
        if let Some(Gate { began, open }) = gate {
            began.send(()).expect("someone listens");
            // Nothing is ever sent: it ends with the sender.
            let _ = open.recv();
        }
        if !upload.starts_with(b"\0asm") {
            return Err(refusal("not-wasm"));
        }
        let hex: String = Sha256::digest(upload).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Inspected {
            manifest: manifest(),
            component: Arc::from(upload),
            digest: format!("sha256:{hex}"),
            warnings: vec!["a warning".to_owned()],
        })
    }

    fn check(&self, id: &PipelineId, _: &PipelineSpec, component: Option<&ComponentRef>) -> CheckReport {
        let mut told = self.0.lock();
        let label = component.map_or("nothing", |component| component.label.as_str());
        told.calls.push(format!("check {} {label}", id.pipeline));
        CheckReport { refusals: told.refusals.clone(), notices: told.notices.clone() }
    }

    fn start(&self, id: &PipelineId, _: &PipelineSpec, component: &ComponentRef) -> Result<(), StartFailure> {
        let mut told = self.0.lock();
        told.calls.push(format!("start {} {}", id.pipeline, component.label));
        told.resting.remove(id.pipeline.as_str());
        assert!(!told.panic_at_start, "told to");
        assert!(component.component.starts_with(b"\0asm"));
        if told.start_outages > 0 {
            told.start_outages -= 1;
            return Err(Outage::new("broker-away", "no broker answers").into());
        }
        if !told.start_refusals.is_empty() {
            return Err(StartFailure::Refused(told.start_refusals.clone()));
        }
        let name = id.pipeline.to_string();
        assert!(told.running.insert(name.clone(), component.label.clone()).is_none(), "it runs already");
        told.logs.entry(name).or_insert_with(|| Arc::new(GuestLogs::new(1000)));
        Ok(())
    }

    fn stop(&self, id: &PipelineId, deadline: Duration) -> Result<(), DrainTimeout> {
        let mut told = self.0.lock();
        told.calls.push(format!("stop {}", id.pipeline));
        told.running.remove(id.pipeline.as_str());
        told.stopped.remove(id.pipeline.as_str());
        if told.drains_late { Err(DrainTimeout { count: 1, deadline }) } else { Ok(()) }
    }

    fn seek(
        &self,
        id: &PipelineId,
        _: &PipelineSpec,
        seek: &Seek,
        mode: Mode,
    ) -> Result<Vec<SeekMove>, SeekFailure> {
        let mut told = self.0.lock();
        told.calls.push(format!("seek {} {seek:?} {mode:?}", id.pipeline));
        match told.seek_failures.pop() {
            Some(failure) => Err(failure),
            None => Ok(told.moves.clone()),
        }
    }

    fn rest(&self, id: &PipelineId) {
        self.0.lock().resting.insert(id.pipeline.to_string());
    }

    fn forget(&self, id: &PipelineId, state: StateFate) -> Result<(), Outage> {
        let mut told = self.0.lock();
        told.calls.push(match state {
            StateFate::Delete => format!("forget {}", id.pipeline),
            StateFate::Keep => format!("forget {} but its state", id.pipeline),
        });
        assert!(!told.running.contains_key(id.pipeline.as_str()), "it still runs");
        if told.forget_outages > 0 {
            told.forget_outages -= 1;
            return Err(Outage::new("broker-away", "no broker answers"));
        }
        told.forgotten.insert(id.pipeline.to_string());
        told.logs.remove(id.pipeline.as_str());
        Ok(())
    }

    fn status(&self, id: &PipelineId) -> RunStatus {
        let told = self.0.lock();
        let state = if let Some(stop) = told.stopped.get(id.pipeline.as_str()) {
            RunState::Stopped(stop.clone())
        } else if told.running.contains_key(id.pipeline.as_str()) {
            RunState::Running
        } else {
            RunState::NotRunning
        };
        RunStatus { state, workers: told.workers.clone() }
    }

    fn logs(&self, id: &PipelineId) -> Option<Arc<GuestLogs>> {
        self.0.lock().logs.get(id.pipeline.as_str()).cloned()
    }
}
