//! The core's figures as metrics.

use std::time::Duration;

use crate::model::failure::Code;
use crate::pipeline::observer::BatchFigures;
use crate::pipeline::observer::Fate;
use crate::pipeline::observer::Observer;
use crate::telemetry::pipeline_metrics::PipelineMetrics;

/// Feeds a pipeline's metrics.
#[derive(Debug, Clone)]
pub struct MetricsObserver(pub PipelineMetrics);

impl Observer for MetricsObserver {
    fn batch(&self, figures: &BatchFigures) {
        self.0.add_in(figures.records_in, figures.bytes_in);
        self.0.add_out(figures.records_out, figures.bytes_out);
        self.0.decoded(figures.decode);
        self.0.invoked(figures.invoke);
        self.0.encoded(figures.encode);
    }

    fn bad_record(&self, code: Code, fate: Fate) {
        match fate {
            Fate::DeadLetter => self.0.dead_letters(code, 1),
            Fate::Dropped => self.0.dropped(code, 1),
        }
    }

    fn invocation_failed(&self, _: Code) {
        self.0.retried();
    }

    fn commit(&self, took: Duration) {
        self.0.committed(took);
    }

    fn abort(&self) {
        self.0.aborted();
    }

    fn rebalance(&self) {
        self.0.rebalanced();
    }

    fn waiting(&self, code: Code) {
        self.0.outage(code);
    }
}
