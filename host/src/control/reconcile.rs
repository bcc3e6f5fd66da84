//! Owns the tasks of all pipelines.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control::deployment::Deployment;
use crate::control::lifecycle::Generation;
use crate::control::lifecycle::Phase;
use crate::control::lifecycle::Wanted;
use crate::control::reconcile_task::PipelineTask;
use crate::control::reconcile_task::Shared;
use crate::model::ids::PipelineId;
use crate::model::ids::PipelineName;
use crate::model::ids::TenantName;

pub(crate) struct Reconciler {
    pub(crate) shared: Arc<Shared>,
    tenant: TenantName,
    tasks: Mutex<Tasks>,
    generation: AtomicU64,
}

#[derive(Default)]
struct Tasks {
    by_name: HashMap<PipelineName, Owned>,
    /// The host ends: nothing is started any more.
    closed: bool,
}

struct Owned {
    wanted: watch::Sender<Wanted>,
    phase: watch::Receiver<Phase>,
    task: JoinHandle<()>,
}

impl Reconciler {
    pub(crate) fn new(shared: Shared, tenant: TenantName) -> Self {
        Self { shared: Arc::new(shared), tenant, tasks: Mutex::default(), generation: AtomicU64::new(0) }
    }

    pub(crate) fn id(&self, name: &PipelineName) -> PipelineId {
        PipelineId { tenant: self.tenant.clone(), pipeline: name.clone() }
    }

    /// Starts a pipeline, or starts it anew.
    pub(crate) fn run(&self, name: &PipelineName, deployment: Arc<Deployment>) {
        let generation = Generation(self.generation.fetch_add(1, Ordering::Relaxed) + 1);
        self.want(name, Wanted::Run(generation, deployment));
    }

    pub(crate) fn rest(&self, name: &PipelineName) {
        self.want(name, Wanted::Rest);
    }

    pub(crate) fn remove(&self, name: &PipelineName) {
        self.want(name, Wanted::Gone);
    }

    fn want(&self, name: &PipelineName, wanted: Wanted) {
        let mut tasks = self.tasks.lock();
        if tasks.closed {
            return;
        }
        tasks.by_name.retain(|_, owned| !owned.ended());
        if let Some(owned) = tasks.by_name.get(name) {
            owned.wanted.send_replace(wanted);
            return;
        }
        let (wanted, receiver) = watch::channel(wanted);
        let (sender, phase) = watch::channel(Phase::Idle);
        let task = PipelineTask {
            shared: Arc::clone(&self.shared),
            id: self.id(name),
            wanted: receiver,
            phase: sender,
        };
        let task = tokio::spawn(task.run());
        tasks.by_name.insert(name.clone(), Owned { wanted, phase, task });
    }

    pub(crate) fn phase(&self, name: &PipelineName) -> Phase {
        self.tasks.lock().by_name.get(name).map_or(Phase::Idle, |owned| owned.phase.borrow().clone())
    }

    /// Waits until a pipeline is gone. Returns whether it was seen to go.
    pub(crate) async fn gone(&self, name: &PipelineName, patience: Duration) -> bool {
        let Some(mut phase) = self.tasks.lock().by_name.get(name).map(|owned| owned.phase.clone()) else {
            return false;
        };
        let gone = phase.wait_for(|phase| *phase == Phase::Gone);
        matches!(tokio::time::timeout(patience, gone).await, Ok(Ok(_)))
    }

    /// Drains every pipeline, all at once, and ends their tasks. What is wanted of them stays. Returns how
    /// many did not end within the deadline.
    pub(crate) async fn close(&self) -> usize {
        let before = self.shared.left_behind.load(Ordering::Relaxed);
        let owned: Vec<Owned> = {
            let mut tasks = self.tasks.lock();
            tasks.closed = true;
            tasks.by_name.drain().map(|(_, owned)| owned).collect()
        };
        for owned in &owned {
            owned.wanted.send_replace(Wanted::Leave);
        }
        for owned in owned {
            if let Err(error) = owned.task.await {
                tracing::error!(%error, "the task of a pipeline failed");
            }
        }
        self.shared.left_behind.load(Ordering::Relaxed).saturating_sub(before)
    }
}

impl Owned {
    /// A task that has announced its end takes no more wishes.
    fn ended(&self) -> bool {
        self.task.is_finished() || *self.phase.borrow() == Phase::Gone
    }
}
