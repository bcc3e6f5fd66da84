//! The states of one worker's tasks: restored beside the worker's thread, taken back from it.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;

use crate::app::restore;
use crate::app::restore::Restores;
use crate::app::restore_pool::JobId;
use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::pipeline::state_ports::RestoreProgress;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::StateKeeper;
use crate::pipeline::state_ports::StateSlot;
use crate::pipeline::state_ports::TaskState;
use crate::state::restore_meter::RestoreMeter;

/// Dropping it ends its restores and waits until every state that it took back is on the disk.
pub struct Keeper {
    restores: Arc<Restores>,
    running: HashMap<Partition, Running>,
    /// Every job holds the sender until it is over.
    told: Sender<Told>,
    heard: Receiver<Told>,
    next: u64,
}

struct Running {
    restore: u64,
    job: JobId,
    meter: Arc<RestoreMeter>,
}

/// How a restore ended.
struct Told {
    restore: u64,
    partition: Partition,
    outcome: Result<Box<dyn TaskState>, StateFailure>,
}

impl Keeper {
    #[must_use]
    pub fn new(restores: Arc<Restores>) -> Self {
        // One message a restore, and a task has one at a time.
        let (told, heard) = crossbeam_channel::unbounded();
        Self { restores, running: HashMap::new(), told, heard, next: 0 }
    }

    fn end_restore(&mut self, partition: Partition) {
        if let Some(running) = self.running.remove(&partition) {
            running.meter.cancel();
            self.restores.root.restores.take_back(running.job);
        }
    }

    fn let_go(&self, partition: Partition, state: Box<dyn TaskState>) {
        // Holds the sender, so that whoever drops the keeper waits for it.
        let (held, pipeline) = (self.told.clone(), self.restores.pipeline.clone());
        self.restores.root.closings.run(move || {
            // The changelogs have what the disk did not take.
            if let Err(error) = state.close() {
                tracing::warn!(%pipeline, %partition, %error, "a state was not flushed when it was given back");
            }
            drop(held);
        });
    }
}

impl StateKeeper for Keeper {
    fn open(&mut self, partition: Partition, _committed: &[(PortIndex, Offset)]) {
        self.end_restore(partition);
        let restore = self.next;
        self.next += 1;
        let meter = Arc::new(RestoreMeter::default());
        let (restores, told) = (Arc::clone(&self.restores), self.told.clone());
        let metered = Arc::clone(&meter);
        let job = self.restores.root.restores.run(move || {
            let mut ending = Ending { told, restore, partition, outcome: None };
            if !metered.is_cancelled() {
                ending.outcome = Some(restores.restore(partition, &metered));
            } else {
                ending.outcome = Some(Ok(None));
            }
        });
        self.running.insert(partition, Running { restore, job, meter });
    }

    fn restored(&mut self) -> Vec<(Partition, Result<Box<dyn TaskState>, StateFailure>)> {
        let mut ended = Vec::new();
        while let Ok(Told { restore, partition, outcome }) = self.heard.try_recv() {
            let is_wanted = self.running.get(&partition).is_some_and(|running| running.restore == restore);
            match outcome {
                _ if is_wanted => {
                    self.running.remove(&partition);
                    ended.push((partition, outcome));
                }
                // It was closed when it was nearly there.
                Ok(state) => self.let_go(partition, state),
                Err(_) => {}
            }
        }
        ended
    }

    fn progress(&self, partition: Partition) -> Option<RestoreProgress> {
        self.running.get(&partition).map(|running| running.meter.progress())
    }

    fn close(&mut self, partition: Partition, state: StateSlot) {
        self.end_restore(partition);
        if let Some(state) = state {
            self.let_go(partition, state);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let partitions: Vec<Partition> = self.running.keys().copied().collect();
        for partition in partitions {
            self.end_restore(partition);
        }
        // Ends when the last job has let go of its sender.
        self.told = crossbeam_channel::bounded(0).0;
        while let Ok(Told { partition, outcome, .. }) = self.heard.recv() {
            if let Ok(state) = outcome
                && let Err(error) = state.close()
            {
                tracing::warn!(%partition, %error, "a state was not flushed when its worker ended");
            }
        }
    }
}

/// Tells how a restore ended, also when it ends by a panic.
struct Ending {
    told: Sender<Told>,
    restore: u64,
    partition: Partition,
    /// None until it is over; none within for one that was called off.
    outcome: Option<Result<Option<Box<dyn TaskState>>, StateFailure>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let outcome = match self.outcome.take() {
            Some(Ok(None)) => return,
            Some(Ok(Some(state))) => Ok(state),
            Some(Err(failure)) => Err(failure),
            None => Err(restore::panicked()),
        };
        let (restore, partition) = (self.restore, self.partition);
        // Nobody hears it only when the keeper is gone, which it never is before its jobs.
        let _ = self.told.send(Told { restore, partition, outcome });
    }
}
