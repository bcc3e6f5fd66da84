//! Every metric: its OpenTelemetry name, unit and meaning.
//!
//! Prometheus shows dots as underscores, the unit as a suffix (`By` as `_bytes`, `s` as
//! `_seconds`), and `_total` after counters. All but [`BUILD_INFO`] carry the attributes
//! [`TENANT`] and [`PIPELINE`].

/// A metric's name, unit and meaning.
#[derive(Debug, Clone, Copy)]
pub struct MetricName {
    pub name: &'static str,
    /// UCUM; braces around what has no unit.
    pub unit: &'static str,
    pub description: &'static str,
}

const fn metric(name: &'static str, unit: &'static str, description: &'static str) -> MetricName {
    MetricName { name, unit, description }
}

/// Attribute: the owner of the pipeline.
pub const TENANT: &str = "tenant";
/// Attribute: the pipeline's name.
pub const PIPELINE: &str = "pipeline";
/// Attribute of [`DEAD_LETTERS`], [`DROPPED`], [`INVOCATION_FAILURES`] and [`OUTAGES`]: the stable code of the cause.
pub const CODE: &str = "code";
/// Attribute of [`LAG_RECORDS`] and [`LAG_SECONDS`].
pub const TOPIC: &str = "topic";
/// Attribute of [`LAG_RECORDS`] and [`LAG_SECONDS`], and of all gauges of keyed state.
pub const PARTITION: &str = "partition";
/// Attribute of [`GUEST_MEMORY`].
pub const WORKER: &str = "worker";
/// Attribute of [`STATE`].
pub const STATE_ATTRIBUTE: &str = "state";
/// Attribute of [`LATE`]: `dropped` or `copied`.
pub const FATE: &str = "fate";
/// Attribute of [`BUILD_INFO`].
pub const VERSION: &str = "version";

pub const BUILD_INFO: MetricName =
    metric("wasmill.build.info", "", "Always 1; the attribute is the version.");
pub const RECORDS_IN: MetricName =
    metric("wasmill.records.in", "{record}", "Records read, decided on and committed.");
pub const RECORDS_OUT: MetricName =
    metric("wasmill.records.out", "{record}", "Records written to outputs and committed.");
pub const BYTES_IN: MetricName = metric("wasmill.read", "By", "Bytes of keys and values read.");
pub const BYTES_OUT: MetricName =
    metric("wasmill.written", "By", "Bytes of keys and values written to outputs.");
pub const BATCHES: MetricName =
    metric("wasmill.batches", "{batch}", "Calls into the transform, each with one batch.");
pub const DEAD_LETTERS: MetricName =
    metric("wasmill.dead_letters", "{record}", "Records set aside and committed, by cause.");
pub const DROPPED: MetricName =
    metric("wasmill.dropped", "{record}", "Bad records dropped by policy, by cause.");
pub const INVOCATION: MetricName =
    metric("wasmill.invocation.duration", "s", "Time of one call into the transform, failed ones included.");
pub const INVOCATION_FAILURES: MetricName =
    metric("wasmill.invocation.failures", "{call}", "Calls into the transform that failed, by cause.");
pub const DECODE: MetricName = metric("wasmill.decode.duration", "s", "Time to decode one batch.");
pub const ENCODE: MetricName =
    metric("wasmill.encode.duration", "s", "Time to encode the output of one batch.");
pub const COMMIT: MetricName = metric("wasmill.commit.duration", "s", "Time of one commit, flush included.");
pub const ABORTS: MetricName =
    metric("wasmill.commit.aborts", "{commit}", "Commit cycles undone and run again.");
pub const RETRIES: MetricName =
    metric("wasmill.retries", "{retry}", "Calls that the transform ended with a demand for a retry.");
pub const OUTAGES: MetricName =
    metric("wasmill.outages", "{outage}", "Waits for a broker or registry, by cause.");
pub const REBALANCES: MetricName =
    metric("wasmill.rebalances", "{rebalance}", "Changes of the partitions owned.");
pub const INSTANCES: MetricName =
    metric("wasmill.instances", "{instance}", "Instances of the transform created.");
pub const LAG_RECORDS: MetricName =
    metric("wasmill.lag.records", "{record}", "Records not yet read, up to the last stable one.");
pub const LAG_SECONDS: MetricName =
    metric("wasmill.lag.age", "s", "Age of the last record dealt with, while there is lag; else 0.");
pub const GUEST_MEMORY: MetricName =
    metric("wasmill.guest.memory", "By", "Memory of the transform's instance.");
pub const STATE: MetricName =
    metric("wasmill.pipeline.state", "", "1 for the state that the pipeline is in, else 0.");
pub const LOG_LINES_DROPPED: MetricName =
    metric("wasmill.guest.log_lines.dropped", "{line}", "Log lines of the transform over its rate.");
pub const LATE: MetricName =
    metric("wasmill.late", "{record}", "Records behind the watermark, by their fate.");
pub const TIMERS_FIRED: MetricName =
    metric("wasmill.timers.fired", "{timer}", "Timers given to the transform.");
pub const CHANGELOG_RECORDS: MetricName =
    metric("wasmill.changelog.records", "{record}", "Records written to changelogs.");
pub const CHANGELOG_BYTES: MetricName =
    metric("wasmill.changelog.written", "By", "Bytes of keys and values written to changelogs.");
pub const CHECKPOINTS: MetricName =
    metric("wasmill.checkpoints", "{checkpoint}", "Checkpoints written to the object store.");
pub const CHECKPOINT_FAILURES: MetricName =
    metric("wasmill.checkpoint.failures", "{checkpoint}", "Attempts at a checkpoint that failed.");
pub const STATE_MEMORY: MetricName =
    metric("wasmill.state.memory", "By", "Keyed state in memory, the open cycle's included.");
pub const STATE_UNFLUSHED: MetricName =
    metric("wasmill.state.unflushed", "By", "Keyed state in memory that the disk does not have yet.");
pub const STATE_DISK: MetricName =
    metric("wasmill.state.disk", "By", "Files of keyed state on the own disk, as of the last flush.");
pub const CHECKPOINT_SIZE: MetricName =
    metric("wasmill.checkpoint.size", "By", "Files of the last checkpoint.");
pub const CHECKPOINT_AGE: MetricName =
    metric("wasmill.checkpoint.age", "s", "Time since the last checkpoint was taken.");
pub const RESTORE_RECORDS_LEFT: MetricName = metric(
    "wasmill.restore.records_left",
    "{record}",
    "Records of changelogs that a restore has still to read.",
);
pub const RESTORE_BYTES_LEFT: MetricName =
    metric("wasmill.restore.left", "By", "Bytes of a checkpoint that a restore has still to fetch.");
pub const EVENT_WATERMARK: MetricName =
    metric("wasmill.event_watermark", "s", "The event watermark, since the Unix epoch.");
