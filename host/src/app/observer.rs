//! The core's figures as metrics.

use std::cell::Cell;
use std::time::Duration;

use crate::model::failure::Code;
use crate::model::ids::WorkerIndex;
use crate::pipeline::observer::BatchFigures;
use crate::pipeline::observer::Fate;
use crate::pipeline::observer::LateFate;
use crate::pipeline::observer::Observer;
use crate::pipeline::ports::GuestFigures;
use crate::telemetry::pipeline_metrics::PipelineMetrics;

/// Feeds a pipeline's metrics.
#[derive(Debug)]
pub struct MetricsObserver {
    pub metrics: PipelineMetrics,
    pub worker: WorkerIndex,
    /// Of the guest's instances, how many were counted.
    pub instances: Cell<u64>,
}

impl Observer for MetricsObserver {
    fn batch(&self, figures: &BatchFigures) {
        self.metrics.add_in(figures.records_in, figures.bytes_in);
        self.metrics.add_out(figures.records_out, figures.bytes_out);
        self.metrics.decoded(figures.decode);
        self.metrics.invoked(figures.invoke);
        self.metrics.encoded(figures.encode);
    }

    fn bad_record(&self, code: Code, fate: Fate) {
        match fate {
            Fate::DeadLetter => self.metrics.dead_letters(code, 1),
            Fate::Dropped => self.metrics.dropped(code, 1),
        }
    }

    fn late(&self, records: u64, fate: LateFate) {
        let fate = match fate {
            LateFate::Dropped => "dropped",
            LateFate::Copied => "copied",
        };
        self.metrics.late(fate, records);
    }

    fn fired(&self, timers: u64) {
        self.metrics.timers_fired(timers);
    }

    fn changelog(&self, records: u64, bytes: u64) {
        self.metrics.changelog(records, bytes);
    }

    fn invocation_failed(&self, _: Code) {
        self.metrics.retried();
    }

    fn guest(&self, figures: &GuestFigures) {
        self.metrics.set_guest_memory(self.worker, figures.memory_bytes);
        for _ in self.instances.replace(figures.instances_made)..figures.instances_made {
            self.metrics.instance_created();
        }
    }

    fn commit(&self, took: Duration) {
        self.metrics.committed(took);
    }

    fn abort(&self) {
        self.metrics.aborted();
    }

    fn rebalance(&self) {
        self.metrics.rebalanced();
    }

    fn waiting(&self, code: Code) {
        if code.0 != "schema-pending" {
            self.metrics.outage(code);
        }
    }
}
