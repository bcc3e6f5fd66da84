//! One work on Kafka, done by the host and by others from one input topic, every output checked.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use serde_json::json;
use wasmill_test_support::guest;
use wasmill_test_support::unique_name;

use crate::cpu_clock::process_cpu_seconds;
use crate::cpu_clock::resident_peak_mib;
use crate::host_process::HostProcess;
use crate::host_process::sibling;
use crate::native_generator;
use crate::native_verifier;
use crate::native_verifier::Sum;
use crate::native_verifier::Task;
use crate::native_workload::BATCH_MAX;
use crate::native_workload::COMMIT_INTERVAL;
use crate::native_workload::Payments;
use crate::progress::Progress;
use crate::servers::PARTITIONS;
use crate::servers::PaymentsTopic;
use crate::servers::Servers;
use crate::servers::pipeline;

const SEED: u64 = 1;
const RUN_MAX: Duration = Duration::from_secs(600);

/// One run of the host.
#[derive(Debug, Clone, Copy)]
pub struct HostRun {
    /// From the start of the process on.
    pub records_per_cpu_s: f64,
    /// Of the second half of the records.
    pub warm_records_per_cpu_s: f64,
    pub resident_mib: f64,
    pub output_schema: u32,
}

/// See the module.
pub struct KafkaWork<'a> {
    servers: &'a Servers,
    task: Task,
    input: PaymentsTopic,
    records: u64,
    /// What the output must be under the schema of this id.
    expected: Option<(u32, Vec<Sum>)>,
}

impl Task {
    fn guest(self) -> &'static str {
        match self {
            Self::Filter => "payments-filter",
            Self::Count => "running-totals",
        }
    }

    fn output_port(self) -> &'static str {
        match self {
            Self::Filter => "large_payments",
            Self::Count => "running_totals",
        }
    }

    /// Topics of the state that a pipeline of this group has.
    fn changelogs(self, group: &str) -> Vec<String> {
        match self {
            Self::Filter => Vec::new(),
            Self::Count => ["totals", "meta"].map(|store| format!("{group}.{store}.changelog")).into(),
        }
    }
}

impl<'a> KafkaWork<'a> {
    /// Writes the input.
    ///
    /// # Errors
    /// When a server refuses.
    pub fn new(servers: &'a Servers, task: Task, records: u64) -> anyhow::Result<Self> {
        let input = servers.payments_topic()?;
        let payments = Payments::new(SEED, input.schema);
        Self::with_input(servers, task, input, records, payments)
    }

    /// Writes other payments than those of which the outputs are known.
    ///
    /// # Errors
    /// When a server refuses.
    pub fn with_input(
        servers: &'a Servers,
        task: Task,
        input: PaymentsTopic,
        records: u64,
        payments: Payments,
    ) -> anyhow::Result<Self> {
        eprintln!("kafka: writing {records} payments");
        native_generator::generate(servers.kafka.address(), &input.name, records, payments)?;
        Ok(Self { servers, task, input, records, expected: None })
    }

    /// The input topic.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input.name
    }

    /// The pipeline of this work, as its file has it.
    ///
    /// # Errors
    /// When the guest is not built.
    pub fn pipeline(&self, name: &str, output: &str) -> anyhow::Result<Value> {
        let more = json!({
            "batch": { "rows_max": BATCH_MAX },
            // By time only, as the loops do.
            "commit": {
                "interval_ms": COMMIT_INTERVAL.as_millis() as u64,
                "records_max": 100_000_000,
                "bytes_max": "4GiB",
            },
        });
        let transform = json!({ "file": guest(self.task.guest())? });
        Ok(pipeline(name, transform, &self.input.name, (self.task.output_port(), output), more))
    }

    /// The sidecar, from its start to the commit of the last record.
    ///
    /// # Errors
    /// When it does not start or ends by itself, or an output is wrong.
    pub fn host(&mut self) -> anyhow::Result<HostRun> {
        let output = self.servers.topic(self.task.output_port())?;
        let name = unique_name("work");
        let group = format!("wasmill.default.{name}");
        let progress = Progress::of(self.servers, &group, &self.input.name)?;
        let mut host = HostProcess::run(self.servers, &self.pipeline(&name, &output)?)?;
        let pid = host.pid();
        let warm = progress.measure(pid, RUN_MAX, || host.check())?;
        let cpu_seconds = process_cpu_seconds(pid)?;
        let resident_mib = resident_peak_mib(pid)?;
        drop(host);
        let output_schema = self.servers.value_schema(&output)?;
        self.verify(&output, output_schema)?;
        self.delete_changelogs(&group)?;
        Ok(HostRun {
            records_per_cpu_s: self.records as f64 / cpu_seconds,
            warm_records_per_cpu_s: warm,
            resident_mib,
            output_schema,
        })
    }

    /// A loop in a process of its own; its records per CPU second.
    ///
    /// # Errors
    /// When it fails, or an output is wrong.
    pub fn native(&mut self, route: &str, output_schema: u32) -> anyhow::Result<f64> {
        let output = self.servers.topic(self.task.output_port())?;
        let mut command = Command::new(sibling("native")?);
        command
            .args(["--brokers", self.servers.kafka.address(), route])
            .args(["--input", &self.input.name, "--output", &output])
            .args(["--group", &unique_name(route), "--output-schema", &output_schema.to_string()]);
        let changelog = match self.task {
            Task::Filter => None,
            Task::Count => Some(self.servers.changelog()?),
        };
        if let Some(changelog) = &changelog {
            command.args(["--changelog", changelog]);
        }
        let answer = command.output().context("start the native loop")?;
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
        if let Some(changelog) = changelog {
            self.servers.kafka.delete_topic(&changelog)?;
        }
        number("records_per_cpu_second")
    }

    /// Compares count and checksum of what a `read_committed` reader finds, and deletes the topic.
    ///
    /// # Errors
    /// When they differ.
    pub fn verify(&mut self, output: &str, schema: u32) -> anyhow::Result<()> {
        let expected = match &self.expected {
            Some((known, sums)) if *known == schema => sums,
            _ => {
                let sums =
                    native_verifier::expected(self.task, self.records, SEED, schema, PARTITIONS as usize);
                &self.expected.insert((schema, sums)).1
            }
        };
        self.servers.kafka.wait_until_settled(output, Duration::from_secs(30))?;
        let found = native_verifier::found(self.servers.kafka.address(), output)?;
        anyhow::ensure!(&found == expected, "{output}: found {found:?}, expected {expected:?}");
        self.servers.kafka.delete_topic(output)
    }

    /// Deletes what a pipeline of this group has written of its state.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn delete_changelogs(&self, group: &str) -> anyhow::Result<()> {
        for changelog in self.task.changelogs(group) {
            self.servers.kafka.delete_topic(&changelog)?;
        }
        Ok(())
    }

    /// Deletes the input.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn end(self) -> anyhow::Result<()> {
        self.servers.kafka.delete_topic(&self.input.name)
    }
}
