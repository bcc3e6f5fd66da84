//! `wasmill demo`: a million payments through a playground, checked record by record; then keyed totals
//! on a real Kafka, whose host is killed in the middle.
//!
//! A client like any other: it speaks to its hosts over HTTP and Kafka alone.

mod journal;
mod load;
mod payments;
mod playground;
mod reader;
mod show;
mod survival;
mod totals;
mod victim;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;
use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;
use serde_json::json;
use url::Url;

use crate::app::DevAddresses;
use crate::cli::api_client::ApiClient;
use crate::cli::api_client::Body;
use crate::cli::demo::journal::Journal;
use crate::cli::demo::payments::Generator;
use crate::cli::demo::playground::Playground;
use crate::cli::demo::reader::Reader;
use crate::cli::demo::survival::Stage;
use crate::cli::exit::Failure;

pub(super) const INPUT_TOPIC: &str = "payments";
pub(super) const OUTPUT_TOPIC: &str = "large-payments";
pub(super) const PIPELINE: &str = "large-payments";
pub(super) const DEAD_LETTER_TOPIC: &str = "large-payments.dlq";
pub(super) const PARTITIONS: i32 = 4;
const TRANSFORM: &str = "payments-filter";
/// Records sent whose results have not come back. The in-process broker forgets the oldest beyond
/// 5 MiB or 100,000 message sets of a partition: this keeps far below both, in and out.
const IN_FLIGHT_MAX: u64 = 60_000;
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// Run the demonstration that `make demo` shows
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Demo {
    /// The payments transform, built
    #[arg(long, value_name = "FILE")]
    component: PathBuf,
    /// Payments to send
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    records: u64,
    /// Seed of the payments
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Brokers to use instead of the in-process one; the topics must be there and empty
    #[arg(long, value_name = "HOST:PORT,...")]
    kafka: Option<String>,
    /// Registry to use instead of the in-process one
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// The transform of the running totals, built: shows that they survive a kill -9
    #[arg(long, value_name = "FILE", requires = "totals_kafka")]
    totals: Option<PathBuf>,
    /// A real Kafka for them, without the topics `payments` and `running-totals`
    #[arg(long, value_name = "HOST:PORT,...", requires = "totals")]
    totals_kafka: Option<String>,
}

impl Demo {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let component = std::fs::read(&self.component)
            .with_context(|| format!("the transform `{}` cannot be read", self.component.display()))?;
        show::step("Starting a playground: wasmill dev");
        let mut playground = Playground::start(self.kafka.as_deref(), self.registry.as_deref())?;
        let addresses = playground.addresses().clone();
        show::addresses(&addresses);
        let host = Host::new(&addresses)?;

        show::step("Uploading the transform and registering the schema of its input");
        let version = host.upload(component)?;
        let schema_id = host.register(&format!("{INPUT_TOPIC}-value"), payments::PAYMENT_SCHEMA)?;
        show::item(&format!("transform {TRANSFORM} version {version}"));
        show::item(&format!("schema {schema_id} of {INPUT_TOPIC}-value"));

        show::step("Starting the pipeline");
        let exactly_once = self.kafka.is_some();
        host.start_pipeline(version, exactly_once)?;
        show::item(&format!(
            "{INPUT_TOPIC} -> {TRANSFORM} (amount > 500) -> {OUTPUT_TOPIC}, dead letters to {DEAD_LETTER_TOPIC}"
        ));
        if !exactly_once {
            show::item(
                "at-least-once: the in-process broker knows no exactly-once (a real Kafka does: --kafka)",
            );
        }

        let journal = Arc::new(Journal::default());
        let reader = Reader::start(&addresses.kafka, Arc::clone(&journal))?;
        show::step(&format!("Sending {} payments", show::number(self.records)));
        let began = Instant::now();
        let mut generator = Generator::new(self.seed, schema_id);
        let progress = show::Progress::new(self.records);
        let expected =
            load::send(&addresses.kafka, &mut generator, self.records, &journal, IN_FLIGHT_MAX, |sent| {
                playground.check()?;
                reader.check()?;
                progress.update(sent, host.lag()?);
                Ok(())
            })?;
        progress.finish();

        show::step("Waiting for the pipeline to catch up");
        let lags = settle(&host, &journal, &expected, || {
            playground.check()?;
            reader.check()
        })?;
        let took = began.elapsed();
        show::lags(&lags);
        // Whatever is still on the way, though nothing should be, would be a duplicate.
        std::thread::sleep(Duration::from_millis(500));
        let found = reader.stop()?;
        show::samples(&expected, &found);
        show::dead_letters(&found);
        let output_schema = host.latest_schema(&format!("{OUTPUT_TOPIC}-value"))?;
        let mut problems = journal::compare(&expected, &found, output_schema);
        show::outcome(self.records, took, &expected, &problems);
        if let (Some(component), Some(kafka)) = (&self.totals, &self.totals_kafka) {
            let registry = &addresses.registry;
            let stage = Stage { kafka, registry, schema_id, component, seed: self.seed };
            problems.extend(survival::run(&stage)?);
        }
        playground.stop();
        show::next_steps();
        Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Waits until everything expected has come and the lag is zero; the lags seen on the way.
fn settle(
    host: &Host,
    journal: &Journal,
    expected: &journal::Expected,
    mut check: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<u64>> {
    let deadline = Instant::now() + SETTLE_DEADLINE;
    let mut lags = Vec::new();
    loop {
        check()?;
        let lag = host.lag()?;
        if let Some(lag) = lag
            && lags.last() != Some(&lag)
        {
            lags.push(lag);
        }
        if journal.returned() >= expected.returned() && lag == Some(0) {
            return Ok(lags);
        }
        if Instant::now() > deadline {
            let (returned, wanted) = (journal.returned(), expected.returned());
            bail!(
                "{returned} of {wanted} results came within {} s; the lag is {lag:?}",
                SETTLE_DEADLINE.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The playground as its clients see it.
struct Host {
    api: ApiClient,
    registry: ApiClient,
}

impl Host {
    fn new(addresses: &DevAddresses) -> Result<Self, Failure> {
        let client = |address: &str| -> Result<ApiClient, Failure> {
            ApiClient::new(Url::parse(address).with_context(|| format!("`{address}` is no URL"))?, None)
        };
        // A base path of the registry ends in a slash, so that paths are joined below it.
        let registry = format!("{}/", addresses.registry.trim_end_matches('/'));
        Ok(Self { api: client(&addresses.api)?, registry: client(&registry)? })
    }

    fn upload(&self, component: Vec<u8>) -> Result<u64, Failure> {
        let path = format!("/v1/tenants/default/transforms/{TRANSFORM}/versions");
        let answer = self.api.call(Method::POST, &path, Body::Bytes(component), None)?;
        let version = answer.body.get("version").and_then(Json::as_u64);
        Ok(version.with_context(|| format!("the answer to the upload names no version: {}", answer.body))?)
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, Failure> {
        let body = Body::Json(json!({ "schema": schema }));
        let answer = self.registry.call(Method::POST, &format!("subjects/{subject}/versions"), body, None)?;
        Ok(id_of(&answer.body)?)
    }

    fn latest_schema(&self, subject: &str) -> Result<u32, Failure> {
        let path = format!("subjects/{subject}/versions/latest");
        Ok(id_of(&self.registry.call(Method::GET, &path, Body::None, None)?.body)?)
    }

    fn start_pipeline(&self, version: u64, exactly_once: bool) -> Result<(), Failure> {
        let document = json!({
            "version": 1,
            "name": PIPELINE,
            "transform": { "name": TRANSFORM, "version": version },
            "inputs": { "payments": { "topic": INPUT_TOPIC, "key": "text", "value": "avro" } },
            "outputs": { "large_payments": { "topic": OUTPUT_TOPIC, "key": "text", "value": "avro" } },
            "delivery": if exactly_once { "exactly-once" } else { "at-least-once" },
            "on_bad_record": { "action": "dead-letter", "topic": DEAD_LETTER_TOPIC },
            "config": { "threshold": "500" },
        });
        let path = format!("/v1/tenants/default/pipelines/{PIPELINE}");
        self.api.call(Method::PUT, &path, Body::Json(document), None).map(|_| ())
    }

    /// Records that the pipeline has still to read; none until it knows.
    fn lag(&self) -> anyhow::Result<Option<u64>> {
        let path = format!("/v1/tenants/default/pipelines/{PIPELINE}/status");
        let answer = match self.api.call(Method::GET, &path, Body::None, None) {
            Ok(answer) => answer,
            Err(failure) => {
                return Err(failure.into_error().context("the status of the pipeline cannot be had"));
            }
        };
        status_lag(&answer.body)
    }
}

/// The lag in a status, or why the pipeline has stopped.
fn status_lag(status: &Json) -> anyhow::Result<Option<u64>> {
    if status.get("state").and_then(Json::as_str) == Some("stopped") {
        let stop = |key: &str| status.pointer(&format!("/stop/{key}")).and_then(Json::as_str).unwrap_or("-");
        bail!("the pipeline has stopped: {}: {}. {}", stop("code"), stop("message"), stop("remedy"));
    }
    Ok(status.get("lag").and_then(Json::as_u64))
}

fn id_of(body: &Json) -> anyhow::Result<u32> {
    let id = body.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok());
    id.with_context(|| format!("the registry's answer names no id: {body}"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
