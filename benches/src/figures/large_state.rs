//! State that is larger than memory: what it costs in memory, and how fast changelogs bring it back.

use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::Value;
use wasmill_test_support::unique_name;

use crate::bench::Extent;
use crate::cpu_clock::resident_peak_mib;
use crate::figure::Figure;
use crate::host_process::HostProcess;
use crate::kafka_work::KafkaWork;
use crate::native_verifier::Task;
use crate::native_workload::Payments;
use crate::progress::Progress;
use crate::servers::PARTITIONS;
use crate::servers::Servers;

/// What [`run`] gives.
pub const FIGURES: &[&str] = &["state_rss_mib", "restore_records_per_s_changelog"];

const SEED: u64 = 2;
const RUN_MAX: Duration = Duration::from_secs(900);

/// Counts payments of many accounts, first one of each, then of any; then takes the host's disk away
/// and starts another one.
///
/// # Errors
/// When something does not start, or the state is not restored.
pub fn run(servers: &Servers, extent: &Extent) -> anyhow::Result<Vec<Figure>> {
    let keys = extent.state_keys;
    let records = u64::from(keys) + u64::from(keys) / 10;
    let input = servers.payments_topic()?;
    let payments = Payments::of_accounts(SEED, input.schema, keys);
    let work = KafkaWork::with_input(servers, Task::Count, input, records, payments)?;
    let output = servers.topic("running-totals")?;
    let name = unique_name("large-state");
    let group = format!("wasmill.default.{name}");
    let pipeline = work.pipeline(&name, &output)?;
    let progress = Progress::of(servers, &group, work.input())?;
    let mut host = HostProcess::run(servers, &pipeline)?;
    eprintln!("large state: {keys} keys");
    progress.wait(RUN_MAX, || host.check())?;
    let filled_mib = resident_peak_mib(host.pid())?;
    drop(host);

    let mut host = HostProcess::run(servers, &pipeline)?;
    let until = Instant::now() + RUN_MAX;
    let restored = loop {
        host.check()?;
        let restored = host.events("state restored");
        if restored.len() == PARTITIONS as usize {
            break restored;
        }
        anyhow::ensure!(Instant::now() < until, "the state was not restored:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(100));
    };
    let restored_mib = resident_peak_mib(host.pid())?;
    let Restored { records, seconds } = Restored::of(&host.events("restoring state"), &restored)?;
    drop(host);
    eprintln!(
        "large state: resident {filled_mib:.0} MiB while it grew, {restored_mib:.0} MiB while it was restored; \
         {records} records restored in {seconds:.1} s"
    );
    anyhow::ensure!(records >= u64::from(keys), "only {records} records of {keys} keys were restored");
    servers.kafka.delete_topic(&output)?;
    work.delete_changelogs(&group)?;
    work.end()?;
    Ok(vec![
        Figure::new("state_rss_mib", filled_mib.max(restored_mib), "MiB"),
        Figure::new("restore_records_per_s_changelog", records as f64 / seconds, "records/s"),
    ])
}

/// What the host's log says of its restores.
struct Restored {
    records: u64,
    /// From the beginning of the first to the end of the last.
    seconds: f64,
}

impl Restored {
    fn of(began: &[Value], ended: &[Value]) -> anyhow::Result<Self> {
        let number = |event: &Value, name: &str| {
            event.get(name).and_then(Value::as_u64).with_context(|| format!("{event} has no `{name}`"))
        };
        let first = began
            .iter()
            .chain(ended)
            .map(time)
            .try_fold(f64::MAX, |first, time| anyhow::Ok(first.min(time?)))?;
        let last = ended.iter().map(time).try_fold(0.0_f64, |last, time| anyhow::Ok(last.max(time?)))?;
        let records = ended.iter().map(|event| number(event, "records")).sum::<anyhow::Result<u64>>()?;
        Ok(Self { records, seconds: last - first })
    }
}

/// Seconds of the day at which an event was logged.
fn time(event: &Value) -> anyhow::Result<f64> {
    let text = event.get("timestamp").and_then(Value::as_str);
    let text = text.with_context(|| format!("{event} has no `timestamp`"))?;
    let (_, clock) = text.trim_end_matches('Z').split_once('T').context("a timestamp without a time")?;
    clock.split(':').try_fold(0.0, |sum, part| Ok(sum * 60.0 + part.parse::<f64>()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn restores_last_from_the_first_begun_to_the_last_ended() {
        let event = |time: &str, records: u64| json!({ "timestamp": format!("2026-01-02T{time}Z"), "records": records });
        let began = [event("10:00:59.5", 0), event("10:01:00.0", 0)];
        let ended = [event("10:01:02.0", 7), event("10:01:01.0", 5)];
        let Restored { records, seconds } = Restored::of(&began, &ended).expect("events");
        assert_eq!((records, seconds), (12, 2.5));
    }
}
