//! The core's figures as metrics.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use crate::app::notices::Notices;
use crate::model::failure::Code;
use crate::model::ids::WorkerIndex;
use crate::pipeline::observer::BatchFigures;
use crate::pipeline::observer::Fate;
use crate::pipeline::observer::LateFate;
use crate::pipeline::observer::Observer;
use crate::pipeline::ports::GuestFigures;
use crate::telemetry::pipeline_metrics::PipelineMetrics;

/// What the failures of guests are called. Their waits are no outage: nothing is away.
const OF_GUESTS: &str = "guest-";

/// Feeds a pipeline's metrics, and tells the log of what is dropped and what is waited for.
///
/// Records are counted when the cycle that dealt with them is committed: work that is undone and done
/// again counts once.
#[derive(Debug)]
pub struct MetricsObserver {
    metrics: PipelineMetrics,
    worker: WorkerIndex,
    /// Of the guest's instances, how many were counted.
    instances: Cell<u64>,
    /// What the open cycle has done.
    open: RefCell<Cycle>,
    drops: RefCell<Notices>,
    outages: RefCell<Notices>,
}

#[derive(Debug, Default)]
struct Cycle {
    records_in: u64,
    bytes_in: u64,
    records_out: u64,
    bytes_out: u64,
    dead_letters: BTreeMap<&'static str, u64>,
    dropped: BTreeMap<&'static str, u64>,
}

impl MetricsObserver {
    #[must_use]
    pub fn new(metrics: PipelineMetrics, worker: WorkerIndex) -> Self {
        Self {
            metrics,
            worker,
            instances: Cell::default(),
            open: RefCell::default(),
            drops: RefCell::default(),
            outages: RefCell::default(),
        }
    }
}

fn tell_dropped(dropped: Vec<(Code, u64)>) {
    for (code, records) in dropped {
        tracing::warn!(%code, records, "bad records dropped, as on_bad_record says");
    }
}

fn tell_waits(waits: Vec<(Code, u64)>) {
    for (code, waits) in waits {
        tracing::warn!(%code, waits, "work waits and is tried again; the status has the reason");
    }
}

impl Observer for MetricsObserver {
    fn batch(&self, figures: &BatchFigures) {
        let mut open = self.open.borrow_mut();
        open.records_in += figures.records_in;
        open.bytes_in += figures.bytes_in;
        open.records_out += figures.records_out;
        open.bytes_out += figures.bytes_out;
        self.metrics.decoded(figures.decode);
        if let Some(took) = figures.invoke {
            self.metrics.invoked(took);
        }
        self.metrics.encoded(figures.encode);
    }

    fn bad_record(&self, code: Code, fate: Fate) {
        let mut open = self.open.borrow_mut();
        let counts = match fate {
            Fate::DeadLetter => &mut open.dead_letters,
            Fate::Dropped => &mut open.dropped,
        };
        *counts.entry(code.0).or_default() += 1;
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

    fn invocation_failed(&self, code: Code, took: Duration) {
        self.metrics.invoked(took);
        self.metrics.invocation_failed(code);
        if code.0 == "guest-retry" {
            self.metrics.retried();
        }
    }

    fn guest(&self, figures: &GuestFigures) {
        self.metrics.set_guest_memory(self.worker, figures.memory_bytes);
        for _ in self.instances.replace(figures.instances_made)..figures.instances_made {
            self.metrics.instance_created();
        }
        let now = Instant::now();
        tell_dropped(self.drops.borrow_mut().due(now));
        tell_waits(self.outages.borrow_mut().due(now));
    }

    fn commit(&self, took: Duration) {
        self.metrics.committed(took);
        let done = self.open.take();
        self.metrics.add_in(done.records_in, done.bytes_in);
        self.metrics.add_out(done.records_out, done.bytes_out);
        for (code, records) in done.dead_letters {
            self.metrics.dead_letters(Code(code), records);
        }
        let mut drops = self.drops.borrow_mut();
        for (code, records) in done.dropped {
            self.metrics.dropped(Code(code), records);
            drops.add(Code(code), records);
        }
        tell_dropped(drops.due(Instant::now()));
    }

    fn abort(&self) {
        self.open.take();
        self.metrics.aborted();
    }

    fn rebalance(&self) {
        self.metrics.rebalanced();
    }

    fn waiting(&self, code: Code) {
        if code.0 != "schema-pending" && !code.0.starts_with(OF_GUESTS) {
            self.metrics.outage(code);
            let mut outages = self.outages.borrow_mut();
            outages.add(code, 1);
            tell_waits(outages.due(Instant::now()));
        }
    }
}

impl Drop for MetricsObserver {
    fn drop(&mut self) {
        tell_dropped(self.drops.get_mut().rest());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PipelineId;
    use crate::model::ids::PipelineName;
    use crate::model::ids::TenantName;
    use crate::telemetry::captured_log::CapturedLog;
    use crate::telemetry::init::LogOutput;
    use crate::telemetry::metrics::Metrics;

    const TRAP: Code = Code("guest-trap");
    const MS: Duration = Duration::from_millis(1);

    fn observer(metrics: &Metrics) -> MetricsObserver {
        let pipeline = PipelineName::new("p").expect("a name");
        let id = PipelineId { tenant: TenantName::default_tenant(), pipeline };
        MetricsObserver::new(metrics.pipeline(&id), WorkerIndex(0))
    }

    fn batch(records: u64) -> BatchFigures {
        BatchFigures {
            records_in: records,
            bytes_in: records * 10,
            records_out: records,
            bytes_out: records * 20,
            invoke: Some(MS),
            ..BatchFigures::default()
        }
    }

    #[test]
    fn records_count_when_their_cycle_is_committed_and_once() {
        let metrics = Metrics::new().expect("metrics");
        let observer = observer(&metrics);
        let totals = || observer.metrics.totals();
        let work = || {
            observer.batch(&batch(5));
            observer.bad_record(TRAP, Fate::DeadLetter);
            observer.bad_record(Code("wire-magic"), Fate::Dropped);
        };
        work();
        assert_eq!((totals().records_in, totals().records_out), (0, 0), "nothing is committed yet");
        assert_eq!((totals().dead_letters.len(), totals().dropped.len()), (0, 0));
        observer.abort();
        work();
        observer.commit(MS);
        let totals = totals();
        assert_eq!((totals.records_in, totals.bytes_in), (5, 50));
        assert_eq!((totals.records_out, totals.bytes_out), (5, 100));
        assert_eq!((totals.dead_letters["guest-trap"], totals.dropped["wire-magic"]), (1, 1));
        assert_eq!((totals.batches, totals.commit_aborts), (2, 1), "calls count as they are made");
    }

    #[test]
    fn only_a_retry_that_the_guest_asked_for_is_one() {
        let metrics = Metrics::new().expect("metrics");
        let observer = observer(&metrics);
        for code in [TRAP, Code("guest-retry"), TRAP] {
            observer.invocation_failed(code, MS);
            observer.waiting(code);
        }
        observer.waiting(Code("registry-unavailable"));
        let totals = observer.metrics.totals();
        assert_eq!((totals.retries, totals.batches), (1, 3), "every call counts, and is timed");
        assert_eq!(totals.invocation_failures, [("guest-retry", 1), ("guest-trap", 2)].into());
        let text = metrics.render().expect("text");
        let of = "pipeline=\"p\",tenant=\"default\"";
        for line in [
            format!("wasmill_invocation_duration_seconds_count{{{of}}} 3"),
            format!("wasmill_invocation_failures_total{{code=\"guest-trap\",{of}}} 2"),
            format!("wasmill_outages_total{{code=\"registry-unavailable\",{of}}} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("wasmill_outages_total{code=\"guest-"), "nothing was away:\n{text}");
    }

    #[test]
    fn a_wait_is_logged_by_its_code_and_not_each_time() {
        let (metrics, log) = (Metrics::new().expect("metrics"), CapturedLog::default());
        log.during(LogOutput::Json, "info", || {
            let observer = observer(&metrics);
            for code in ["registry-unavailable", "schema-pending", "guest-retry", "registry-unavailable"] {
                observer.waiting(Code(code));
            }
        });
        let events = log.events();
        let [event] = events.as_slice() else { panic!("one event, got {events:?}") };
        assert_eq!((&event["code"], &event["waits"]), (&"registry-unavailable".into(), &1.into()));
    }

    #[test]
    fn dropped_records_are_logged_by_code_with_their_number() {
        let (metrics, log) = (Metrics::new().expect("metrics"), CapturedLog::default());
        log.during(LogOutput::Json, "info", || {
            let observer = observer(&metrics);
            for records in [3, 4, 5] {
                for _ in 0..records {
                    observer.bad_record(TRAP, Fate::Dropped);
                }
                observer.commit(MS);
            }
            // What is undone is not told, and a dead letter is its own notice.
            observer.bad_record(TRAP, Fate::Dropped);
            observer.abort();
            observer.bad_record(TRAP, Fate::DeadLetter);
            observer.commit(MS);
        });
        let told: Vec<_> = log
            .events()
            .iter()
            .map(|event| (event["level"].clone(), event["code"].clone(), event["records"].clone()))
            .collect();
        let expected = [3, 9].map(|records| ("WARN".into(), "guest-trap".into(), records.into()));
        assert_eq!(told, expected, "the first at once, the others when the worker ends");
    }
}
