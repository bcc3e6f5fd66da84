//! A `wasmill dev` of our own, as a child process.

use std::fs::File;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;
use tempfile::TempDir;

use crate::app::DevAddresses;
use crate::cli::demo::DEAD_LETTER_TOPIC;
use crate::cli::demo::INPUT_TOPIC;
use crate::cli::demo::OUTPUT_TOPIC;
use crate::cli::demo::PARTITIONS;
use crate::cli::demo::victim::log_tail;
use crate::cli::demo::victim::remove_settings;

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Stopped, at the latest, when it is dropped. Its folder goes with it.
pub(super) struct Playground {
    child: Child,
    folder: TempDir,
    addresses: DevAddresses,
}

impl Playground {
    pub(super) fn start(kafka: Option<&str>, registry: Option<&str>) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("wasmill-demo-").tempdir().context("no folder for the demo")?;
        let ready = folder.path().join("ready.json");
        let log = File::create(folder.path().join("dev.log"))?;
        let mut command =
            Command::new(std::env::current_exe().context("the program does not know its own path")?);
        remove_settings(&mut command);
        command.current_dir(folder.path()).arg("dev").args([
            "--listen",
            "127.0.0.1:0",
            "--log-level",
            "info",
        ]);
        command.arg("--data-dir").arg(folder.path().join("data")).arg("--ready-file").arg(&ready);
        for topic in [INPUT_TOPIC, OUTPUT_TOPIC, DEAD_LETTER_TOPIC] {
            command.arg("--topic").arg(format!("{topic}:{PARTITIONS}"));
        }
        for (flag, value) in [("--kafka", kafka), ("--registry", registry)] {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("`wasmill dev` cannot be started")?;
        let addresses = DevAddresses { api: String::new(), kafka: String::new(), registry: String::new() };
        let mut playground = Self { child, folder, addresses };
        playground.addresses = playground.wait(&ready)?;
        Ok(playground)
    }

    fn wait(&mut self, ready: &Path) -> anyhow::Result<DevAddresses> {
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            // A file that is half written is no JSON yet.
            if let Ok(text) = std::fs::read_to_string(ready)
                && let Ok(addresses) = serde_json::from_str(&text)
            {
                return Ok(addresses);
            }
            self.check()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("`wasmill dev` was not ready within {} s:\n{}", START_DEADLINE.as_secs(), self.log_tail())
    }

    pub(super) fn addresses(&self) -> &DevAddresses {
        &self.addresses
    }

    /// Whether the process still runs.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("`wasmill dev` has ended ({status}):\n{}", self.log_tail());
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        log_tail(&self.folder.path().join("dev.log"))
    }

    /// Asks the process to drain and stop, and waits for it.
    pub(super) fn stop(&mut self) {
        // The standard library can only kill; draining is worth a process of its own.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            let deadline = Instant::now() + STOP_DEADLINE;
            while Instant::now() < deadline {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}
