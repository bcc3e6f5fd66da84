//! What a pipeline without records costs.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;
use wasmill_test_support::guest;
use wasmill_test_support::unique_name;

use crate::cpu_clock::process_cpu_seconds;
use crate::host_process::HostProcess;
use crate::native_generator;
use crate::native_workload::Payments;
use crate::progress::Progress;
use crate::servers::Servers;
use crate::servers::pipeline;

/// Read before the pipeline is idle, so that everything was in use once.
const RECORDS: u64 = 1000;
const READ_MAX: Duration = Duration::from_secs(60);
/// Between the last record and the measurement: what is released when idle is released by then.
const SETTLE: Duration = Duration::from_secs(15);

/// CPU time of all threads of a sidecar with one idle pipeline, as a share of one core.
///
/// # Errors
/// When the pipeline does not start.
pub fn cpu_percent(servers: &Servers, length: Duration) -> anyhow::Result<f64> {
    let input = servers.payments_topic()?;
    let output = servers.topic("large-payments")?;
    let payments = Payments::new(1, input.schema);
    native_generator::generate(servers.kafka.address(), &input.name, RECORDS, payments)?;
    let name = unique_name("idle");
    let transform = json!({ "file": guest("payments-filter")? });
    let document = pipeline(&name, transform, &input.name, ("large_payments", &output), json!({}));
    let progress = Progress::of(servers, &format!("wasmill.default.{name}"), &input.name)?;
    let mut host = HostProcess::run(servers, &document)?;
    progress.wait(READ_MAX, || host.check())?;
    std::thread::sleep(SETTLE);
    eprintln!("idle: watching for {} s", length.as_secs());
    let (cpu, begin) = (process_cpu_seconds(host.pid())?, Instant::now());
    std::thread::sleep(length);
    let spent = process_cpu_seconds(host.pid())? - cpu;
    let share = spent / begin.elapsed().as_secs_f64() * 100.0;
    host.check()?;
    Ok(share)
}
