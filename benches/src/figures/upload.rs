//! From the upload of a component that the host has never seen to its first output.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::Value;
use serde_json::json;
use wasmill_test_support::TestRecord;
use wasmill_test_support::guest;
use wasmill_test_support::unique_name;

use crate::figure::median;
use crate::host_process::HostProcess;
use crate::http;
use crate::native_workload::Payments;
use crate::servers::Servers;
use crate::servers::pipeline;

const ROUNDS: usize = 5;
const RECORDS: usize = 100;
const FIRST_MAX: Duration = Duration::from_secs(60);

/// Median over rounds of milliseconds, each with a component, topics and a pipeline of its own.
///
/// # Errors
/// When the host does not start or refuses something.
pub fn first_record_ms(servers: &Servers) -> anyhow::Result<f64> {
    let mut host = HostProcess::serve(servers)?;
    let component = std::fs::read(guest("payments-filter")?)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let name = unique_name("upload");
        times.push(round(servers, &mut host, &with_section(&component, &name), &name)?);
    }
    eprintln!("upload to first record: {times:.0?} ms");
    Ok(median(times))
}

fn round(servers: &Servers, host: &mut HostProcess, component: &[u8], name: &str) -> anyhow::Result<f64> {
    let input = servers.payments_topic()?;
    let output = servers.topic("large-payments")?;
    let mut payments = Payments::new(1, input.schema);
    let records = (0..RECORDS).map(|_| {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        payments.write_next(&mut key, &mut value);
        TestRecord::new(key, value)
    });
    servers.kafka.produce(&input.name, records)?;
    let document =
        pipeline(name, json!({ "name": name }), &input.name, ("large_payments", &output), json!({}))
            .to_string();
    let reader = servers.reader(&output)?;

    let begin = Instant::now();
    let tenant = "/v1/tenants/default";
    let path = format!("{tenant}/transforms/{name}/versions");
    let answer = http::call(&host.address, "POST", &path, "application/wasm", component)?;
    let uploaded = begin.elapsed();
    let path = format!("{tenant}/pipelines/{name}");
    http::call(&host.address, "PUT", &path, "application/json", document.as_bytes())?;
    let put = begin.elapsed();
    loop {
        if let Some(message) = reader.poll(Duration::from_millis(100)) {
            message?;
            break;
        }
        host.check()?;
        anyhow::ensure!(begin.elapsed() < FIRST_MAX, "no output came:\n{}", host.log_tail());
    }
    let first = begin.elapsed();
    let answer: Value = serde_json::from_slice(&answer).context("the answer to the upload is no JSON")?;
    anyhow::ensure!(answer.get("version").is_some(), "the upload made no version: {answer}");
    eprintln!(
        "  uploaded after {} ms, put after {} ms, first output after {} ms",
        uploaded.as_millis(),
        put.as_millis(),
        first.as_millis()
    );
    http::call(&host.address, "DELETE", &path, "application/json", b"")?;
    Ok(first.as_secs_f64() * 1000.0)
}

/// The component with a custom section of this text, which makes it another one.
fn with_section(component: &[u8], text: &str) -> Vec<u8> {
    // Lengths below 128 take one byte.
    let name = b"bench";
    let text = text.get(..text.len().min(100)).unwrap_or_default();
    let mut out = component.to_vec();
    out.extend([0, (1 + name.len() + text.len()) as u8, name.len() as u8]);
    out.extend_from_slice(name);
    out.extend_from_slice(text.as_bytes());
    out
}
