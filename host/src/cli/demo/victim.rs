//! A host of our own that is killed and started again: `wasmill run`, as a child process.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context;
use anyhow::bail;

/// How to start it. Every start uses the same folder, as a restart on one machine.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) folder: PathBuf,
    pub(super) pipeline_file: PathBuf,
    pub(super) kafka: String,
    pub(super) registry: String,
}

/// A running host. Killed when it is dropped.
pub(super) struct Victim {
    child: Child,
    log: PathBuf,
}

impl Plan {
    pub(super) fn start(&self) -> anyhow::Result<Victim> {
        let log = self.folder.join("host.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let program = std::env::current_exe().context("the program does not know its own path")?;
        let mut command = Command::new(program);
        remove_settings(&mut command);
        command.current_dir(&self.folder).arg("run").arg("-f").arg(&self.pipeline_file);
        command.args(["--kafka", &self.kafka, "--registry", &self.registry, "--listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(self.folder.join("data"));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("`wasmill run` cannot be started")?;
        Ok(Victim { child, log })
    }
}

impl Victim {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process still runs.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("`wasmill run` has ended ({status}):\n{}", log_tail(&self.log));
        }
        Ok(())
    }

    /// `kill -9`: the process gets no chance to write anything down.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("`wasmill run` cannot be killed")?;
        self.child.wait().context("`wasmill run` cannot be waited for")?;
        Ok(())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings of whoever runs the demo are none of its own.
pub(super) fn remove_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WASMILL_")) {
        command.env_remove(name);
    }
}

pub(super) fn log_tail(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}
