//! The task of one pipeline: brings it to where it should be, and keeps it there.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::control::artifacts::Artifacts;
use crate::control::catalog::Catalog;
use crate::control::deployment::Deployment;
use crate::control::lifecycle::Delay;
use crate::control::lifecycle::Generation;
use crate::control::lifecycle::Phase;
use crate::control::lifecycle::Step;
use crate::control::lifecycle::StopReason;
use crate::control::lifecycle::Wanted;
use crate::control::limits::Pace;
use crate::control::runner::ComponentRef;
use crate::control::runner::RunState;
use crate::control::runner::Runner;
use crate::control::runner::StartFailure;
use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::ids::PipelineId;

/// What the tasks of all pipelines share.
pub(crate) struct Shared {
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) artifacts: Artifacts,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) pace: Pace,
    /// How often a pipeline did not end within its deadline.
    pub(crate) left_behind: AtomicUsize,
}

pub(crate) struct PipelineTask {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: PipelineId,
    pub(crate) wanted: watch::Receiver<Wanted>,
    pub(crate) phase: watch::Sender<Phase>,
}

impl PipelineTask {
    /// Ends when the pipeline is gone, when the host ends, or when its owner is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            let phase = self.phase.borrow().clone();
            match phase.next(&wanted, Instant::now()) {
                Step::Start(generation, deployment) => self.start(&phase, generation, deployment).await,
                Step::Drain => self.drain(&phase).await,
                Step::Forget => self.forget(&phase).await,
                Step::End => return,
                Step::Wait(until) => {
                    if matches!(wanted, Wanted::Rest) {
                        self.rest().await;
                    }
                    let until = until.map(tokio::time::Instant::from_std);
                    let passed = async {
                        match until {
                            Some(until) => tokio::time::sleep_until(until).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        changed = self.wanted.changed() => if changed.is_err() { return },
                        () = passed => {}
                    }
                }
                Step::Watch => {
                    tokio::select! {
                        changed = self.wanted.changed() => if changed.is_err() { return },
                        () = tokio::time::sleep(self.shared.pace.poll) => self.watch(&phase).await,
                    }
                }
            }
        }
    }

    async fn start(&self, before: &Phase, generation: Generation, deployment: Arc<Deployment>) {
        let before = match before {
            Phase::Delayed(current, delay) if *current == generation => Some(delay),
            _ => None,
        };
        self.phase.send_replace(Phase::Starting(before.cloned()));
        let phase = match self.try_start(&deployment).await {
            Ok(()) => {
                tracing::info!(pipeline = %self.id, "pipeline started");
                Phase::Running(generation)
            }
            Err(Failed::Stop(reason)) => {
                tracing::error!(pipeline = %self.id, ?reason, "pipeline cannot start");
                Phase::Stopped(generation, reason)
            }
            Err(Failed::Outage(outage)) => {
                let delay = self.delay(before, outage);
                tracing::warn!(pipeline = %self.id, error = %delay.outage, "pipeline cannot start yet");
                Phase::Delayed(generation, delay)
            }
        };
        self.phase.send_replace(phase);
    }

    async fn try_start(&self, deployment: &Deployment) -> Result<(), Failed> {
        let ready = match deployment {
            Deployment::Ready(ready) => ready,
            Deployment::Refused(refusals) => return Err(Failed::Stop(StopReason::Refused(refusals.clone()))),
        };
        let component = self.shared.artifacts.get(&ready.transform.digest).await.map_err(|error| {
            let remedy = "Upload the component again, then restart the pipeline.";
            Failed::Stop(StopReason::Failed(Stop::new("artifact-unreadable", error.to_string(), remedy)))
        })?;
        let component = ComponentRef {
            label: ready.transform.label.clone(),
            digest: ready.transform.digest.clone(),
            manifest: ready.manifest.clone(),
            component,
        };
        let spec = ready.spec.clone();
        let started = self.blocking(move |runner, id| runner.start(id, &spec, &component)).await;
        match started.map_err(|stop| Failed::Stop(StopReason::Failed(stop)))? {
            Ok(()) => Ok(()),
            Err(StartFailure::Refused(refusals)) => Err(Failed::Stop(StopReason::Refused(refusals))),
            Err(StartFailure::Outage(outage)) => Err(Failed::Outage(outage)),
        }
    }

    async fn drain(&self, before: &Phase) {
        // It may have stopped by itself since it was last looked at: that reason must not get lost.
        self.watch(before).await;
        if *self.phase.borrow() != *before {
            return;
        }
        self.phase.send_replace(Phase::Draining);
        let deadline = self.shared.pace.drain_deadline;
        match self.blocking(move |runner, id| runner.stop(id, deadline)).await {
            Ok(Ok(())) => tracing::info!(pipeline = %self.id, "pipeline drained"),
            // What it had not committed is rolled back by the broker: nothing is lost or doubled.
            Ok(Err(late)) => self.left_behind(&late),
            Err(stop) => self.left_behind(&stop),
        }
        self.phase.send_replace(Phase::Idle);
    }

    fn left_behind(&self, error: &dyn std::fmt::Display) {
        tracing::error!(pipeline = %self.id, %error, "pipeline was left behind");
        self.shared.left_behind.fetch_add(1, Ordering::Relaxed);
    }

    async fn rest(&self) {
        if let Err(stop) = self.blocking(<dyn Runner>::rest).await {
            tracing::error!(pipeline = %self.id, error = %stop, "what the pipeline has is not given back");
        }
    }

    async fn forget(&self, before: &Phase) {
        let before = match before {
            Phase::Forgetting(delay) => delay.clone(),
            _ => None,
        };
        if before.is_none() {
            self.phase.send_replace(Phase::Forgetting(None));
        }
        if let Err(outage) = self.try_forget().await {
            tracing::warn!(pipeline = %self.id, error = %outage, "pipeline cannot be deleted yet");
            self.phase.send_replace(Phase::Forgetting(Some(self.delay(before.as_ref(), outage))));
        }
    }

    async fn try_forget(&self) -> Result<(), Outage> {
        let record = self.shared.catalog.find_pipeline(&self.id.pipeline);
        let record = record.map_err(|error| Outage::new("storage-error", error.to_string()))?;
        let state = record.map(|record| record.state).unwrap_or_default();
        let forgotten = self.blocking(move |runner, id| runner.forget(id, state)).await;
        forgotten.map_err(|stop| Outage { code: stop.code, message: stop.message })??;
        let _writing = self.shared.catalog.writing.lock().await;
        let removed = self.shared.catalog.remove_pipeline(&self.id.pipeline).await;
        removed.map_err(|error| Outage::new("storage-error", error.to_string()))?;
        // Before the lock is given back: a pipeline put under this name from then on gets a new task.
        self.phase.send_replace(Phase::Gone);
        tracing::info!(pipeline = %self.id, "pipeline deleted");
        Ok(())
    }

    async fn watch(&self, phase: &Phase) {
        let Phase::Running(generation) = phase else { return };
        match self.blocking(<dyn Runner>::status).await {
            Ok(status) => {
                if let RunState::Stopped(stop) = status.state {
                    self.phase.send_replace(Phase::Stopped(*generation, StopReason::Failed(stop)));
                }
            }
            Err(stop) => tracing::error!(pipeline = %self.id, error = %stop, "pipeline cannot be looked at"),
        }
    }

    fn delay(&self, before: Option<&Delay>, outage: Outage) -> Delay {
        let failures = before.map_or(0, |delay| delay.failures).saturating_add(1);
        let since = before.map_or_else(SystemTime::now, |delay| delay.since);
        Delay { failures, since, until: Instant::now() + self.shared.pace.backoff(failures), outage }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Runner, &PipelineId) -> T + Send + 'static,
    ) -> Result<T, Stop> {
        let (runner, id) = (Arc::clone(&self.shared.runner), self.id.clone());
        off_async(move || call(&*runner, &id)).await
    }
}

enum Failed {
    Stop(StopReason),
    Outage(Outage),
}

/// Runs a call that may block. A panic inside is a defect of ours: it stops what asked for it, and
/// nothing else.
pub(crate) async fn off_async<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stop> {
    let remedy = "This is a defect of Wasmill: please report it with the host's log.";
    let ended = tokio::task::spawn_blocking(move || catch_unwind(AssertUnwindSafe(call))).await;
    match ended {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Stop::new("internal-error", format!("the host panicked: {text}"), remedy))
        }
        Err(error) => Err(Stop::new("internal-error", error.to_string(), remedy)),
    }
}
