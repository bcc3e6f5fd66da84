//! The guest instances of a host, and which pipeline has them.
//!
//! Every worker needs one. A pipeline keeps its instances from the moment it is to run until it is
//! stopped, also while it waits for a broker or has stopped by itself: otherwise another could take
//! them, and it could not go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;

/// How many pipelines a refusal names.
const NAMED_MAX: usize = 5;

/// Shared by everyone who starts pipelines.
#[derive(Debug, Clone)]
pub struct Instances {
    total: u32,
    places: Arc<Mutex<BTreeMap<PipelineId, Places>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Places {
    /// For the workers that are to run.
    kept: u32,
    /// Of threads that are alive: more than are kept if some of them were left behind.
    alive: u32,
}

impl Places {
    fn taken(self) -> u32 {
        self.kept.max(self.alive)
    }
}

/// Why a pipeline gets no instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoInstances {
    Refused(Box<Refusal>),
    /// Threads of the pipeline itself, which did not end in time, still have some.
    NotYet(Outage),
}

/// Held by the threads of a pipeline: its instances are not another's before the last thread has ended.
#[derive(Debug)]
pub struct Lease {
    id: PipelineId,
    count: u32,
    places: Arc<Mutex<BTreeMap<PipelineId, Places>>>,
}

impl Instances {
    #[must_use]
    pub fn new(total: u32) -> Self {
        Self { total, places: Arc::default() }
    }

    /// Whether a pipeline would get so many, beside the others.
    ///
    /// # Errors
    /// Why not: who has them, and what to do.
    pub fn room(&self, id: &PipelineId, workers: u32) -> Result<(), Box<Refusal>> {
        self.room_beside(&self.places.lock(), id, workers).map(drop)
    }

    /// Keeps so many for a pipeline, in place of those it has.
    ///
    /// # Errors
    /// See [`NoInstances`]. The pipeline keeps what it had.
    pub fn keep(&self, id: &PipelineId, workers: u32) -> Result<(), NoInstances> {
        let mut places = self.places.lock();
        let others = self.room_beside(&places, id, workers).map_err(NoInstances::Refused)?;
        let own = places.entry(id.clone()).or_default();
        if u64::from(others) + u64::from(own.alive) + u64::from(workers) > u64::from(self.total) {
            let late = own.alive;
            return Err(NoInstances::NotYet(Outage::new(
                "instances-draining",
                format!(
                    "{late} workers of the pipeline have not ended yet, and the host has no other instances"
                ),
            )));
        }
        own.kept = workers;
        Ok(())
    }

    /// The pipeline is not to run: its instances are free once its threads have ended.
    pub fn release(&self, id: &PipelineId) {
        let mut places = self.places.lock();
        if let Some(own) = places.get_mut(id) {
            own.kept = 0;
            if own.alive == 0 {
                places.remove(id);
            }
        }
    }

    /// For the threads that are about to start.
    #[must_use]
    pub fn lease(&self, id: &PipelineId, count: u32) -> Lease {
        self.places.lock().entry(id.clone()).or_default().alive += count;
        Lease { id: id.clone(), count, places: Arc::clone(&self.places) }
    }

    /// What the other pipelines have.
    fn room_beside(
        &self,
        places: &BTreeMap<PipelineId, Places>,
        id: &PipelineId,
        workers: u32,
    ) -> Result<u32, Box<Refusal>> {
        let others = places.iter().filter(|(other, places)| *other != id && places.taken() > 0);
        let mut others: Vec<(&PipelineId, u32)> =
            others.map(|(other, places)| (other, places.taken())).collect();
        let taken: u32 = others.iter().map(|(_, taken)| taken).sum();
        let free = self.total.saturating_sub(taken);
        if workers <= free {
            return Ok(taken);
        }
        others.sort_by_key(|(other, taken)| (std::cmp::Reverse(*taken), *other));
        let named =
            others.iter().take(NAMED_MAX).map(|(other, taken)| format!("`{}` {taken}", other.pipeline));
        let mut named = named.collect::<Vec<_>>().join(", ");
        if others.len() > NAMED_MAX {
            named.push_str(", ...");
        }
        let total = self.total;
        Err(Box::new(Refusal {
            code: Code("instances-exhausted"),
            field: "workers".to_owned(),
            message: "the host has too few guest instances left, of which every worker needs one".to_owned(),
            found: match others.len() {
                0 => format!("{workers} workers, and {total} instances in all"),
                _ => format!("{workers} workers; {taken} of {total} instances are taken: {named}"),
            },
            expected: format!("at most {free} workers"),
            remedy: "Lower `workers`, pause or delete another pipeline, raise `limits.instances_max` in the settings of the host, or use another host.".to_owned(),
        }))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut places = self.places.lock();
        if let Some(own) = places.get_mut(&self.id) {
            own.alive = own.alive.saturating_sub(self.count);
            if own.taken() == 0 {
                places.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PipelineName;
    use crate::model::ids::TenantName;

    fn id(name: &str) -> PipelineId {
        PipelineId {
            tenant: TenantName::default_tenant(),
            pipeline: PipelineName::new(name).expect("a name"),
        }
    }

    #[test]
    fn what_one_pipeline_keeps_is_not_anothers() {
        let instances = Instances::new(10);
        instances.keep(&id("a"), 6).expect("room");
        let refusal = instances.room(&id("b"), 5).expect_err("too many");
        assert_eq!((refusal.code.0, refusal.field.as_str()), ("instances-exhausted", "workers"));
        assert_eq!(refusal.found, "5 workers; 6 of 10 instances are taken: `a` 6");
        assert_eq!(refusal.expected, "at most 4 workers");
        assert!(matches!(instances.keep(&id("b"), 5), Err(NoInstances::Refused(_))));
        instances.keep(&id("b"), 4).expect("room");
        // Its own do not stand in its way.
        instances.keep(&id("a"), 6).expect("the same");
        instances.keep(&id("a"), 2).expect("fewer");
        instances.keep(&id("b"), 8).expect("more");
        instances.release(&id("b"));
        instances.keep(&id("c"), 8).expect("what `b` had");
    }

    #[test]
    fn a_thread_that_was_left_behind_has_its_instance_until_it_ends() {
        let instances = Instances::new(4);
        instances.keep(&id("a"), 3).expect("room");
        let late = instances.lease(&id("a"), 3);
        instances.release(&id("a"));
        instances.room(&id("b"), 2).expect_err("the threads are alive");
        let outcome = instances.keep(&id("a"), 3);
        assert!(
            matches!(&outcome, Err(NoInstances::NotYet(outage)) if outage.code.0 == "instances-draining"),
            "{outcome:?}"
        );
        drop(late);
        instances.keep(&id("a"), 3).expect("they have ended");
        instances.release(&id("a"));
        instances.room(&id("b"), 4).expect("all are free");
    }

    #[test]
    fn a_refusal_names_the_largest_and_not_all() {
        let instances = Instances::new(30);
        for n in 1..=7 {
            instances.keep(&id(&format!("p{n}")), n).expect("room");
        }
        let refusal = instances.room(&id("x"), 3).expect_err("too many");
        assert!(refusal.found.ends_with("taken: `p7` 7, `p6` 6, `p5` 5, `p4` 4, `p3` 3, ..."), "{refusal}");
        let alone = Instances::new(2).room(&id("x"), 3).expect_err("too many").found;
        assert_eq!(alone, "3 workers, and 2 instances in all");
    }
}
