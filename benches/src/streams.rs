//! The `count` work on Kafka Streams, in a Java process of its own.

use std::fs::File;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use wasmill_test_support::unique_name;
use xtask::servers::install_kafka_streams;
use xtask::servers::java_program;

use crate::kafka_work::KafkaWork;
use crate::progress::Progress;
use crate::servers::Servers;

const SOURCE: &str = include_str!("../streams/CountTotals.java");
const RUN_MAX: Duration = Duration::from_secs(600);

/// Its records per CPU second in the second half of the records, when what is executed often has been
/// compiled. Checks every output.
///
/// # Errors
/// When it cannot be fetched, does not start or ends by itself, or an output is wrong.
pub fn count(servers: &Servers, work: &mut KafkaWork<'_>, output_schema: u32) -> anyhow::Result<f64> {
    let libs = install_kafka_streams()?;
    let dir = tempfile::tempdir()?;
    let source = dir.path().join("CountTotals.java");
    std::fs::write(&source, SOURCE)?;
    let output = servers.topic("running-totals")?;
    let application = unique_name("streams");
    let progress = Progress::of(servers, &application, work.input())?;
    let log = File::create(dir.path().join("streams.log"))?;
    let mut command = Command::new(java_program());
    command
        .args(["-Xms512m", "-Xmx2g", "-cp"])
        .arg(libs.join("*"))
        // Java compiles it as it starts.
        .arg(&source)
        .args([servers.kafka.address(), &application, work.input(), &output])
        .arg(output_schema.to_string())
        .arg(dir.path().join("state"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut streams = Streams(command.spawn().context("start Java for Kafka Streams")?);
    let pid = streams.0.id();
    let warm = progress.measure(pid, RUN_MAX, || match streams.0.try_wait()? {
        None => Ok(()),
        Some(status) => {
            let log = std::fs::read_to_string(dir.path().join("streams.log")).unwrap_or_default();
            anyhow::bail!("Kafka Streams ended by itself, {status}:\n{log}")
        }
    })?;
    drop(streams);
    work.verify(&output, output_schema)?;
    servers.kafka.delete_topic(&format!("{application}-totals-changelog"))?;
    Ok(warm)
}

/// Killed when dropped.
struct Streams(Child);

impl Drop for Streams {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
