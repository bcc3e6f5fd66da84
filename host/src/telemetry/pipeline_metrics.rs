//! The metrics of one pipeline: cheap to record, once a batch or rarer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use parking_lot::Mutex;
use serde::Serialize;

use crate::model::failure::Code;
use crate::model::ids::PipelineId;
use crate::model::ids::WorkerIndex;
use crate::model::pipeline_state::PipelineState;
use crate::model::position::TopicPartition;
use crate::telemetry::metric_names;
use crate::telemetry::state_metrics::StateGauges;
use crate::telemetry::state_metrics::StatesByPartition;

/// Distance of a partition from its end.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Lag {
    /// Records up to the last stable offset.
    pub records: u64,
    /// Age of the last record dealt with, while there is lag; else 0. None while no record was.
    pub seconds: Option<f64>,
}

/// Sums since the start of the host, for the status of a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Totals {
    pub records_in: u64,
    pub records_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub batches: u64,
    /// By code.
    pub dead_letters: BTreeMap<&'static str, u64>,
    /// By code.
    pub dropped: BTreeMap<&'static str, u64>,
    pub commit_aborts: u64,
    /// By code.
    pub invocation_failures: BTreeMap<&'static str, u64>,
    pub retries: u64,
    pub rebalances: u64,
    /// By fate.
    pub late: BTreeMap<&'static str, u64>,
    pub timers_fired: u64,
    pub changelog_records: u64,
    pub changelog_bytes: u64,
    pub checkpoints: u64,
    pub checkpoint_failures: u64,
    /// Records of all partitions of this host.
    pub lag_records: u64,
    /// Of the partition furthest behind.
    pub lag_seconds: f64,
}

/// The histograms that all pipelines share; attributes tell them apart.
#[derive(Debug)]
pub(crate) struct Histograms {
    pub(crate) invocation: Histogram<f64>,
    pub(crate) decode: Histogram<f64>,
    pub(crate) encode: Histogram<f64>,
    pub(crate) commit: Histogram<f64>,
}

/// Numbers that a scrape reads.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) records_in: AtomicU64,
    pub(crate) records_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) aborts: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) rebalances: AtomicU64,
    pub(crate) instances: AtomicU64,
    pub(crate) log_lines_dropped: AtomicU64,
    pub(crate) timers_fired: AtomicU64,
    pub(crate) changelog_records: AtomicU64,
    pub(crate) changelog_bytes: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    /// By fate.
    pub(crate) late: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) states: StatesByPartition,
    pub(crate) state: AtomicU8,
    pub(crate) dead_letters: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) dropped: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) outages: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) invocation_failures: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) lag: Mutex<BTreeMap<TopicPartition, Lag>>,
    pub(crate) memory: Mutex<BTreeMap<u32, u64>>,
}

impl Numbers {
    pub(crate) fn new(id: &PipelineId) -> Self {
        Self {
            attributes: vec![
                KeyValue::new(metric_names::TENANT, id.tenant.as_str().to_owned()),
                KeyValue::new(metric_names::PIPELINE, id.pipeline.as_str().to_owned()),
            ],
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            aborts: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            rebalances: AtomicU64::new(0),
            instances: AtomicU64::new(0),
            log_lines_dropped: AtomicU64::new(0),
            timers_fired: AtomicU64::new(0),
            changelog_records: AtomicU64::new(0),
            changelog_bytes: AtomicU64::new(0),
            checkpoints: AtomicU64::new(0),
            checkpoint_failures: AtomicU64::new(0),
            late: Mutex::default(),
            states: Mutex::default(),
            state: AtomicU8::new(PipelineState::Starting as u8),
            dead_letters: Mutex::default(),
            dropped: Mutex::default(),
            outages: Mutex::default(),
            invocation_failures: Mutex::default(),
            lag: Mutex::default(),
            memory: Mutex::default(),
        }
    }
}

/// Records what one pipeline does. All clones, of all its workers, add to the same numbers; they
/// leave the scrape when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) histograms: Arc<Histograms>,
}

impl PipelineMetrics {
    /// Records were read, decided on and committed: their number and the bytes of keys and values.
    pub fn add_in(&self, records: u64, bytes: u64) {
        self.numbers.records_in.fetch_add(records, Relaxed);
        self.numbers.bytes_in.fetch_add(bytes, Relaxed);
    }

    /// Records were written and committed: their number and the bytes of keys and values.
    pub fn add_out(&self, records: u64, bytes: u64) {
        self.numbers.records_out.fetch_add(records, Relaxed);
        self.numbers.bytes_out.fetch_add(bytes, Relaxed);
    }

    /// One call into the transform, successful or not, and how long it took.
    pub fn invoked(&self, took: Duration) {
        self.numbers.batches.fetch_add(1, Relaxed);
        self.histograms.invocation.record(took.as_secs_f64(), &self.numbers.attributes);
    }

    /// One batch was decoded.
    pub fn decoded(&self, took: Duration) {
        self.histograms.decode.record(took.as_secs_f64(), &self.numbers.attributes);
    }

    /// The output of one batch was encoded.
    pub fn encoded(&self, took: Duration) {
        self.histograms.encode.record(took.as_secs_f64(), &self.numbers.attributes);
    }

    /// One commit succeeded.
    pub fn committed(&self, took: Duration) {
        self.histograms.commit.record(took.as_secs_f64(), &self.numbers.attributes);
    }

    /// A commit cycle was undone and will run again.
    pub fn aborted(&self) {
        self.numbers.aborts.fetch_add(1, Relaxed);
    }

    /// Records became dead letters, and are committed.
    pub fn dead_letters(&self, code: Code, records: u64) {
        *self.numbers.dead_letters.lock().entry(code.0).or_default() += records;
    }

    /// Bad records were dropped by policy, and are committed.
    pub fn dropped(&self, code: Code, records: u64) {
        *self.numbers.dropped.lock().entry(code.0).or_default() += records;
    }

    /// A call into the transform failed, whatever became of its records.
    pub fn invocation_failed(&self, code: Code) {
        *self.numbers.invocation_failures.lock().entry(code.0).or_default() += 1;
    }

    /// The transform asked for a retry.
    pub fn retried(&self) {
        self.numbers.retries.fetch_add(1, Relaxed);
    }

    /// A broker or registry is away and is waited for.
    pub fn outage(&self, code: Code) {
        *self.numbers.outages.lock().entry(code.0).or_default() += 1;
    }

    /// Partitions came or went.
    pub fn rebalanced(&self) {
        self.numbers.rebalances.fetch_add(1, Relaxed);
    }

    /// An instance of the transform was created.
    pub fn instance_created(&self) {
        self.numbers.instances.fetch_add(1, Relaxed);
    }

    /// Log lines of the transform were dropped.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.numbers.log_lines_dropped.fetch_add(lines, Relaxed);
    }

    /// Records were behind the watermark; `fate` is what became of them.
    pub fn late(&self, fate: &'static str, records: u64) {
        *self.numbers.late.lock().entry(fate).or_default() += records;
    }

    /// Timers were given to the transform.
    pub fn timers_fired(&self, timers: u64) {
        self.numbers.timers_fired.fetch_add(timers, Relaxed);
    }

    /// A commit wrote to changelogs.
    pub fn changelog(&self, records: u64, bytes: u64) {
        self.numbers.changelog_records.fetch_add(records, Relaxed);
        self.numbers.changelog_bytes.fetch_add(bytes, Relaxed);
    }

    /// The states of the partitions of this host now, by partition number.
    pub fn set_states(&self, states: BTreeMap<i32, StateGauges>) {
        let mut known = self.numbers.states.lock();
        for (partition, state) in &states {
            let before = known.get(partition).copied().unwrap_or_default();
            // A state that was opened anew counts from 0.
            let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
            let written = more(state.checkpoints_written, before.checkpoints_written);
            let failed = more(state.checkpoints_failed, before.checkpoints_failed);
            self.numbers.checkpoints.fetch_add(written, Relaxed);
            self.numbers.checkpoint_failures.fetch_add(failed, Relaxed);
        }
        *known = states;
    }

    /// What the partitions of this host lag behind now; those that are not named are others' now.
    pub fn set_lags(&self, lags: BTreeMap<TopicPartition, Lag>) {
        *self.numbers.lag.lock() = lags;
    }

    /// No worker runs: there are no partitions of this host, and no instances.
    pub fn at_rest(&self) {
        self.numbers.lag.lock().clear();
        self.numbers.states.lock().clear();
        self.numbers.memory.lock().clear();
    }

    /// Memory of a worker's instance in bytes; 0 when it has none.
    pub fn set_guest_memory(&self, worker: WorkerIndex, bytes: u64) {
        self.numbers.memory.lock().insert(worker.0, bytes);
    }

    pub fn set_state(&self, state: PipelineState) {
        self.numbers.state.store(state as u8, Relaxed);
    }

    #[must_use]
    pub fn state(&self) -> PipelineState {
        let state = self.numbers.state.load(Relaxed);
        PipelineState::ALL.into_iter().find(|known| *known as u8 == state).unwrap_or(PipelineState::Starting)
    }

    /// The lag of each partition that this host owns.
    #[must_use]
    pub fn lags(&self) -> BTreeMap<TopicPartition, Lag> {
        self.numbers.lag.lock().clone()
    }

    #[must_use]
    pub fn totals(&self) -> Totals {
        let numbers = &self.numbers;
        let lags = numbers.lag.lock();
        Totals {
            records_in: numbers.records_in.load(Relaxed),
            records_out: numbers.records_out.load(Relaxed),
            bytes_in: numbers.bytes_in.load(Relaxed),
            bytes_out: numbers.bytes_out.load(Relaxed),
            batches: numbers.batches.load(Relaxed),
            dead_letters: numbers.dead_letters.lock().clone(),
            dropped: numbers.dropped.lock().clone(),
            commit_aborts: numbers.aborts.load(Relaxed),
            invocation_failures: numbers.invocation_failures.lock().clone(),
            retries: numbers.retries.load(Relaxed),
            rebalances: numbers.rebalances.load(Relaxed),
            late: numbers.late.lock().clone(),
            timers_fired: numbers.timers_fired.load(Relaxed),
            changelog_records: numbers.changelog_records.load(Relaxed),
            changelog_bytes: numbers.changelog_bytes.load(Relaxed),
            checkpoints: numbers.checkpoints.load(Relaxed),
            checkpoint_failures: numbers.checkpoint_failures.load(Relaxed),
            lag_records: lags.values().map(|lag| lag.records).sum(),
            lag_seconds: lags.values().filter_map(|lag| lag.seconds).fold(0.0, f64::max),
        }
    }
}
