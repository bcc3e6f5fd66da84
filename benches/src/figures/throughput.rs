//! The `stateless` work on Kafka: the host's sidecar against hand-written loops.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use serde_json::json;
use wasmill_test_support::guest;
use wasmill_test_support::unique_name;

use crate::bench::Extent;
use crate::bench::Wanted;
use crate::cpu_clock::process_cpu_seconds;
use crate::cpu_clock::resident_peak_mib;
use crate::figure::Figure;
use crate::figure::median;
use crate::host_process::HostProcess;
use crate::host_process::sibling;
use crate::native_generator;
use crate::native_verifier;
use crate::native_verifier::Sum;
use crate::native_workload::BATCH_MAX;
use crate::native_workload::COMMIT_INTERVAL;
use crate::servers::PARTITIONS;
use crate::servers::PaymentsTopic;
use crate::servers::Progress;
use crate::servers::Servers;
use crate::servers::pipeline;

/// What [`run`] gives.
pub const FIGURES: &[&str] =
    &["kafka_ratio_native_eos", "native_raw_over_safe", "kafka_records_per_cpu_s", "rss_mib_under_load"];

const SEED: u64 = 1;
const RUN_MAX: Duration = Duration::from_secs(600);

/// One run of the host.
struct HostRun {
    records_per_cpu_s: f64,
    resident_mib: f64,
    output_schema: u32,
}

/// Fills a topic once, then lets the host and the loops do the work in turns, and checks every byte
/// that comes out.
///
/// # Errors
/// When something does not start, or an output is wrong.
pub fn run(servers: &Servers, extent: &Extent, wanted: &Wanted<'_>) -> anyhow::Result<Vec<Figure>> {
    let input = servers.payments_topic()?;
    eprintln!("kafka: writing {} payments", extent.records);
    native_generator::generate(servers.kafka.address(), &input.name, extent.records, SEED, input.schema)?;
    let needs_raw = wanted.has("kafka_ratio_native_eos") || wanted.has("native_raw_over_safe");
    let needs_safe = wanted.has("native_raw_over_safe");
    let mut work = Work { servers, input, records: extent.records, expected: None };
    let (mut rates, mut resident, mut ratios, mut raw_over_safe) = (vec![], vec![], vec![], vec![]);
    for round in 1..=extent.rounds {
        let host = work.host()?;
        rates.push(host.records_per_cpu_s);
        resident.push(host.resident_mib);
        let mut line =
            format!("round {round}: records per CPU second: wasmill {:.0}", host.records_per_cpu_s);
        if needs_raw {
            let raw = work.native("raw", host.output_schema)?;
            ratios.push(host.records_per_cpu_s / raw);
            line += &format!(", native raw {raw:.0}");
            if needs_safe {
                let safe = work.native("safe", host.output_schema)?;
                raw_over_safe.push(raw / safe);
                line += &format!(", native safe {safe:.0}");
            }
        }
        eprintln!("{line}");
    }
    servers.kafka.delete_topic(&work.input.name)?;
    let mut figures = vec![
        Figure::new("kafka_records_per_cpu_s", median(rates), "records/s"),
        Figure::new("rss_mib_under_load", resident.into_iter().fold(0.0, f64::max), "MiB"),
    ];
    if needs_raw {
        figures.push(Figure::new("kafka_ratio_native_eos", median(ratios), "ratio"));
    }
    if needs_safe {
        figures.push(Figure::new("native_raw_over_safe", median(raw_over_safe), "ratio"));
    }
    Ok(figures)
}

struct Work<'a> {
    servers: &'a Servers,
    input: PaymentsTopic,
    records: u64,
    /// What the output must be under the schema of this id.
    expected: Option<(u32, Vec<Sum>)>,
}

impl Work<'_> {
    /// The sidecar, from its start to the commit of the last record.
    fn host(&mut self) -> anyhow::Result<HostRun> {
        let output = self.servers.topic("large-payments")?;
        let name = unique_name("stateless");
        let more = json!({
            "batch": { "rows_max": BATCH_MAX },
            // By time only, as the loops do.
            "commit": {
                "interval_ms": COMMIT_INTERVAL.as_millis() as u64,
                "records_max": 100_000_000,
                "bytes_max": "4GiB",
            },
        });
        let transform = json!({ "file": guest("payments-filter")? });
        let document = pipeline(&name, transform, &self.input.name, &output, more);
        let progress = Progress::of(self.servers, &format!("wasmill.default.{name}"), &self.input.name)?;
        let mut host = HostProcess::run(self.servers, &document)?;
        progress.wait(RUN_MAX, || host.check())?;
        let cpu_seconds = process_cpu_seconds(host.pid())?;
        let resident_mib = resident_peak_mib(host.pid())?;
        drop(host);
        let output_schema = self.servers.value_schema(&output)?;
        self.verify(&output, output_schema)?;
        let records_per_cpu_s = self.records as f64 / cpu_seconds;
        Ok(HostRun { records_per_cpu_s, resident_mib, output_schema })
    }

    /// A loop in a process of its own; its records per CPU second.
    fn native(&mut self, route: &str, output_schema: u32) -> anyhow::Result<f64> {
        let output = self.servers.topic("large-payments")?;
        let answer = Command::new(sibling("native")?)
            .args(["--brokers", self.servers.kafka.address(), route])
            .args(["--input", &self.input.name, "--output", &output])
            .args(["--group", &unique_name(route), "--output-schema", &output_schema.to_string()])
            .output()
            .context("start the native loop")?;
        anyhow::ensure!(
            answer.status.success(),
            "the {route} loop failed: {}",
            String::from_utf8_lossy(&answer.stderr)
        );
        let report: Value = serde_json::from_slice(&answer.stdout).context("read the loop's report")?;
        let number =
            |name: &str| report.get(name).and_then(Value::as_f64).context("a report without a figure");
        anyhow::ensure!(
            number("records")? == self.records as f64,
            "{route} did not read every record: {report}"
        );
        self.verify(&output, output_schema)?;
        number("records_per_cpu_second")
    }

    /// Compares count and checksum of what a `read_committed` reader finds, and deletes the topic.
    fn verify(&mut self, output: &str, schema: u32) -> anyhow::Result<()> {
        let expected = match &self.expected {
            Some((known, sums)) if *known == schema => sums,
            _ => {
                let sums = native_verifier::expected(self.records, SEED, schema, PARTITIONS as usize);
                &self.expected.insert((schema, sums)).1
            }
        };
        self.servers.kafka.wait_until_settled(output, Duration::from_secs(30))?;
        let found = native_verifier::found(self.servers.kafka.address(), output)?;
        anyhow::ensure!(&found == expected, "{output}: found {found:?}, expected {expected:?}");
        self.servers.kafka.delete_topic(output)
    }
}
