//! All metrics of the host: OpenTelemetry instruments, read by Prometheus.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use opentelemetry::KeyValue;
use opentelemetry::metrics::AsyncInstrument;
use opentelemetry::metrics::Histogram;
use opentelemetry::metrics::Meter;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::metrics::Stream;
use parking_lot::Mutex;
use prometheus::TextEncoder;

use crate::model::ids::PipelineId;
use crate::model::pipeline_state::PipelineState;
use crate::telemetry::metric_names;
use crate::telemetry::metric_names::MetricName;
use crate::telemetry::pipeline_metrics::Histograms;
use crate::telemetry::pipeline_metrics::Numbers;
use crate::telemetry::pipeline_metrics::PipelineMetrics;
use crate::telemetry::state_metrics;

/// Bounds of the buckets of times, in seconds: from a batch of one record to a stuck commit.
const SECONDS: [f64; 19] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Attribute sets of one metric; those beyond are summed into one. Partitions are the most of them.
const ATTRIBUTE_SETS_MAX: usize = 50_000;

type Number = fn(&Numbers) -> &AtomicU64;
type ByCode = fn(&Numbers) -> &Mutex<BTreeMap<&'static str, u64>>;
type Pipelines = Arc<Mutex<BTreeMap<PipelineId, Weak<Numbers>>>>;

/// The metrics of this host. Clones are handles to the same.
#[derive(Clone)]
pub struct Metrics {
    registry: prometheus::Registry,
    // Keeps the instruments and their callbacks alive.
    provider: SdkMeterProvider,
    pipelines: Pipelines,
    histograms: Arc<Histograms>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("pipelines", &self.pipelines.lock().len()).finish_non_exhaustive()
    }
}

/// Why metrics cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("metrics failed: {0}")]
pub struct MetricsError(String);

impl Metrics {
    /// # Errors
    /// When the exporter cannot be set up.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()
            .map_err(|error| MetricsError(error.to_string()))?;
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(Resource::builder().with_service_name("wasmill").build())
            .with_view(|_| Stream::builder().with_cardinality_limit(ATTRIBUTE_SETS_MAX).build().ok())
            .build();
        let meter = provider.meter("wasmill");
        let pipelines = Pipelines::default();
        let histogram = |name: MetricName| -> Histogram<f64> {
            meter
                .f64_histogram(name.name)
                .with_unit(name.unit)
                .with_description(name.description)
                .with_boundaries(SECONDS.to_vec())
                .build()
        };
        let histograms = Histograms {
            invocation: histogram(metric_names::INVOCATION),
            decode: histogram(metric_names::DECODE),
            encode: histogram(metric_names::ENCODE),
            commit: histogram(metric_names::COMMIT),
        };
        observe(&meter, &pipelines);
        Ok(Self { registry, provider, pipelines, histograms: Arc::new(histograms) })
    }

    /// The metrics of a pipeline: new ones, or those that are already recorded.
    #[must_use]
    pub fn pipeline(&self, id: &PipelineId) -> PipelineMetrics {
        let mut pipelines = self.pipelines.lock();
        pipelines.retain(|_, numbers| numbers.strong_count() > 0);
        let numbers = pipelines.get(id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let numbers = Arc::new(Numbers::new(id));
            pipelines.insert(id.clone(), Arc::downgrade(&numbers));
            numbers
        });
        PipelineMetrics { numbers, histograms: Arc::clone(&self.histograms) }
    }

    /// Everything in the text form of Prometheus.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn render(&self) -> Result<String, MetricsError> {
        let families = self.registry.gather();
        TextEncoder::new().encode_to_string(&families).map_err(|error| MetricsError(error.to_string()))
    }

    /// The type of what [`Metrics::render`] gives.
    pub const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;

    /// A meter for metrics of other parts.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.provider.meter("wasmill")
    }
}

/// Registers what is read at a scrape, from the numbers of the pipelines that live.
fn observe(meter: &Meter, pipelines: &Pipelines) {
    let build = metric_names::BUILD_INFO;
    meter
        .u64_observable_gauge(build.name)
        .with_description(build.description)
        .with_callback(|observer| {
            observer.observe(1, &[KeyValue::new(metric_names::VERSION, env!("CARGO_PKG_VERSION"))]);
        })
        .build();
    let counters: [(MetricName, Number); 15] = [
        (metric_names::RECORDS_IN, |numbers| &numbers.records_in),
        (metric_names::RECORDS_OUT, |numbers| &numbers.records_out),
        (metric_names::BYTES_IN, |numbers| &numbers.bytes_in),
        (metric_names::BYTES_OUT, |numbers| &numbers.bytes_out),
        (metric_names::BATCHES, |numbers| &numbers.batches),
        (metric_names::ABORTS, |numbers| &numbers.aborts),
        (metric_names::RETRIES, |numbers| &numbers.retries),
        (metric_names::REBALANCES, |numbers| &numbers.rebalances),
        (metric_names::INSTANCES, |numbers| &numbers.instances),
        (metric_names::LOG_LINES_DROPPED, |numbers| &numbers.log_lines_dropped),
        (metric_names::TIMERS_FIRED, |numbers| &numbers.timers_fired),
        (metric_names::CHANGELOG_RECORDS, |numbers| &numbers.changelog_records),
        (metric_names::CHANGELOG_BYTES, |numbers| &numbers.changelog_bytes),
        (metric_names::CHECKPOINTS, |numbers| &numbers.checkpoints),
        (metric_names::CHECKPOINT_FAILURES, |numbers| &numbers.checkpoint_failures),
    ];
    for (name, read) in counters {
        counter(meter, pipelines, name, move |numbers, observer| {
            observer.observe(read(numbers).load(Relaxed), &numbers.attributes);
        });
    }
    let by_code: [(MetricName, ByCode); 4] = [
        (metric_names::DEAD_LETTERS, |numbers| &numbers.dead_letters),
        (metric_names::DROPPED, |numbers| &numbers.dropped),
        (metric_names::OUTAGES, |numbers| &numbers.outages),
        (metric_names::INVOCATION_FAILURES, |numbers| &numbers.invocation_failures),
    ];
    for (name, read) in by_code {
        counter(meter, pipelines, name, move |numbers, observer| {
            for (code, count) in read(numbers).lock().iter() {
                observer.observe(*count, &with(numbers, [KeyValue::new(metric_names::CODE, *code)]));
            }
        });
    }
    counter(meter, pipelines, metric_names::LATE, |numbers, observer| {
        for (fate, count) in numbers.late.lock().iter() {
            observer.observe(*count, &with(numbers, [KeyValue::new(metric_names::FATE, *fate)]));
        }
    });
    for (name, read) in state_metrics::GAUGES {
        gauge(meter, pipelines, name, move |numbers, observer| {
            for (partition, value) in state_metrics::values(&numbers.states, read) {
                observer.observe(value, &with(numbers, [partition]));
            }
        });
    }
    gauge(meter, pipelines, metric_names::LAG_RECORDS, |numbers, observer| {
        for (partition, lag) in numbers.lag.lock().iter() {
            observer.observe(lag.records as f64, &with(numbers, place(partition)));
        }
    });
    gauge(meter, pipelines, metric_names::LAG_SECONDS, |numbers, observer| {
        for (partition, lag) in numbers.lag.lock().iter() {
            if let Some(seconds) = lag.seconds {
                observer.observe(seconds, &with(numbers, place(partition)));
            }
        }
    });
    gauge(meter, pipelines, metric_names::GUEST_MEMORY, |numbers, observer| {
        for (worker, bytes) in numbers.memory.lock().iter() {
            let worker = KeyValue::new(metric_names::WORKER, i64::from(*worker));
            observer.observe(*bytes as f64, &with(numbers, [worker]));
        }
    });
    gauge(meter, pipelines, metric_names::STATE, |numbers, observer| {
        let now = numbers.state.load(Relaxed);
        for state in PipelineState::ALL {
            let value = if state as u8 == now { 1.0 } else { 0.0 };
            let state = KeyValue::new(metric_names::STATE_ATTRIBUTE, state.as_str());
            observer.observe(value, &with(numbers, [state]));
        }
    });
}

fn place(partition: &crate::model::position::TopicPartition) -> [KeyValue; 2] {
    [
        KeyValue::new(metric_names::TOPIC, partition.topic.to_string()),
        KeyValue::new(metric_names::PARTITION, i64::from(partition.partition.0)),
    ]
}

fn with<const N: usize>(numbers: &Numbers, more: [KeyValue; N]) -> Vec<KeyValue> {
    numbers.attributes.iter().cloned().chain(more).collect()
}

fn counter(
    meter: &Meter,
    pipelines: &Pipelines,
    name: MetricName,
    read: impl Fn(&Numbers, &dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    let pipelines = Arc::clone(pipelines);
    meter
        .u64_observable_counter(name.name)
        .with_unit(name.unit)
        .with_description(name.description)
        .with_callback(move |observer| each(&pipelines, |numbers| read(numbers, observer)))
        .build();
}

fn gauge(
    meter: &Meter,
    pipelines: &Pipelines,
    name: MetricName,
    read: impl Fn(&Numbers, &dyn AsyncInstrument<f64>) + Send + Sync + 'static,
) {
    let pipelines = Arc::clone(pipelines);
    meter
        .f64_observable_gauge(name.name)
        .with_unit(name.unit)
        .with_description(name.description)
        .with_callback(move |observer| each(&pipelines, |numbers| read(numbers, observer)))
        .build();
}

fn each(pipelines: &Pipelines, mut visit: impl FnMut(&Numbers)) {
    for numbers in pipelines.lock().values().filter_map(Weak::upgrade) {
        visit(&numbers);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::failure::Code;
    use crate::model::ids::PipelineName;
    use crate::model::ids::TenantName;
    use crate::model::ids::WorkerIndex;
    use crate::model::position::Partition;
    use crate::model::position::TopicPartition;
    use crate::telemetry::pipeline_metrics::Lag;
    use crate::telemetry::state_metrics::StateGauges;

    fn id(name: &str) -> PipelineId {
        PipelineId { tenant: TenantName::default_tenant(), pipeline: PipelineName::new(name).expect("name") }
    }

    #[track_caller]
    fn assert_line(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "`{line}` is missing in:\n{text}");
    }

    #[test]
    fn what_is_recorded_is_rendered_with_units_and_attributes() {
        let metrics = Metrics::new().expect("metrics");
        let pipeline = metrics.pipeline(&id("p"));
        pipeline.add_in(1000, 64_000);
        pipeline.add_out(500, 32_000);
        pipeline.invoked(Duration::from_micros(300));
        pipeline.decoded(Duration::from_micros(20));
        pipeline.encoded(Duration::from_micros(20));
        pipeline.committed(Duration::from_millis(9));
        pipeline.dead_letters(Code("avro-truncated"), 2);
        pipeline.dead_letters(Code("guest-trap"), 1);
        pipeline.dead_letters(Code("avro-truncated"), 1);
        pipeline.outage(Code("registry-away"));
        pipeline.rebalanced();
        let partition = TopicPartition { topic: "payments".into(), partition: Partition(3) };
        pipeline.set_lags([(partition, Lag { records: 17, seconds: Some(0.25) })].into());
        pipeline.set_guest_memory(WorkerIndex(0), 1 << 20);
        pipeline.late("dropped", 4);
        pipeline.timers_fired(9);
        pipeline.changelog(5, 640);
        let state = |checkpoints_written, checkpoints_failed| StateGauges {
            memory_bytes: Some(4096.0),
            checkpoints_written,
            checkpoints_failed,
            ..StateGauges::default()
        };
        // The second time it was opened anew in between.
        for state in [state(2, 1), state(1, 1)] {
            pipeline.set_states([(3, state)].into());
        }
        pipeline.set_state(PipelineState::Running);
        let text = metrics.render().expect("text");
        let of = "pipeline=\"p\",tenant=\"default\"";
        assert_line(&text, &format!("wasmill_records_in_total{{{of}}} 1000"));
        assert_line(&text, &format!("wasmill_records_out_total{{{of}}} 500"));
        assert_line(&text, &format!("wasmill_read_bytes_total{{{of}}} 64000"));
        assert_line(&text, &format!("wasmill_written_bytes_total{{{of}}} 32000"));
        assert_line(&text, &format!("wasmill_batches_total{{{of}}} 1"));
        assert_line(&text, &format!("wasmill_late_total{{fate=\"dropped\",{of}}} 4"));
        assert_line(&text, &format!("wasmill_timers_fired_total{{{of}}} 9"));
        assert_line(&text, &format!("wasmill_changelog_records_total{{{of}}} 5"));
        assert_line(&text, &format!("wasmill_changelog_written_bytes_total{{{of}}} 640"));
        assert_line(&text, &format!("wasmill_checkpoints_total{{{of}}} 3"));
        assert_line(&text, &format!("wasmill_checkpoint_failures_total{{{of}}} 1"));
        assert_line(&text, &format!("wasmill_state_memory_bytes{{partition=\"3\",{of}}} 4096"));
        assert!(!text.contains("wasmill_checkpoint_age_seconds{"), "there is none: {text}");
        assert_line(&text, &format!("wasmill_invocation_duration_seconds_count{{{of}}} 1"));
        assert_line(&text, &format!("wasmill_commit_duration_seconds_bucket{{{of},le=\"0.01\"}} 1"));
        assert_line(&text, &format!("wasmill_dead_letters_total{{code=\"avro-truncated\",{of}}} 3"));
        assert_line(&text, &format!("wasmill_dead_letters_total{{code=\"guest-trap\",{of}}} 1"));
        assert_line(&text, &format!("wasmill_outages_total{{code=\"registry-away\",{of}}} 1"));
        let place = "partition=\"3\",pipeline=\"p\",tenant=\"default\",topic=\"payments\"";
        assert_line(&text, &format!("wasmill_lag_records{{{place}}} 17"));
        assert_line(&text, &format!("wasmill_lag_age_seconds{{{place}}} 0.25"));
        assert_line(&text, &format!("wasmill_guest_memory_bytes{{{of},worker=\"0\"}} 1048576"));
        assert_line(&text, "wasmill_pipeline_state{pipeline=\"p\",state=\"running\",tenant=\"default\"} 1");
        assert_line(&text, "wasmill_pipeline_state{pipeline=\"p\",state=\"stopped\",tenant=\"default\"} 0");
        assert_line(&text, &format!("wasmill_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn workers_of_a_pipeline_add_to_the_same_numbers_and_a_deleted_one_leaves_the_scrape() {
        let metrics = Metrics::new().expect("metrics");
        let (one, two) = (metrics.pipeline(&id("p")), metrics.pipeline(&id("p")));
        let other = metrics.pipeline(&id("other"));
        one.add_in(1, 1);
        two.add_in(2, 1);
        assert_eq!(two.totals().records_in, 3);
        assert_eq!(other.totals().records_in, 0);
        drop((one, two));
        let text = metrics.render().expect("text");
        assert!(!text.contains("wasmill_records_in_total{pipeline=\"p\""), "{text}");
        assert!(text.contains("wasmill_records_in_total{pipeline=\"other\""), "{text}");
        assert_eq!(metrics.pipeline(&id("p")).totals().records_in, 0);
    }

    #[test]
    fn lag_is_summed_and_goes_with_its_partition() {
        let metrics = Metrics::new().expect("metrics");
        let pipeline = metrics.pipeline(&id("p"));
        let partition = |n| TopicPartition { topic: "t".into(), partition: Partition(n) };
        let lag = |n, records, seconds| (partition(n), Lag { records, seconds: Some(seconds) });
        pipeline.set_lags([lag(0, 4, 2.0), lag(1, 6, 3.0)].into());
        assert_eq!((pipeline.totals().lag_records, pipeline.totals().lag_seconds), (10, 3.0));
        pipeline.set_lags([lag(0, 5, 1.0)].into());
        assert_eq!((pipeline.totals().lag_records, pipeline.totals().lag_seconds), (5, 1.0));
        pipeline.set_guest_memory(WorkerIndex(0), 1 << 20);
        pipeline.at_rest();
        let text = metrics.render().expect("text");
        assert!(
            !text.contains("wasmill_lag_records{") && !text.contains("wasmill_guest_memory_bytes{"),
            "{text}"
        );
    }

    #[test]
    fn the_state_is_what_was_set_last() {
        let pipeline = Metrics::new().expect("metrics").pipeline(&id("p"));
        assert_eq!(pipeline.state(), PipelineState::Starting);
        for state in PipelineState::ALL {
            pipeline.set_state(state);
            assert_eq!(pipeline.state(), state);
        }
    }
}
