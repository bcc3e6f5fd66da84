//! A child that never outlives its owner.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// A running server. Dropping it kills it; so does the death of this process, however it dies.
///
/// The child's standard input is a pipe whose other end only this process holds. A watcher beside the
/// child reads it: the end of the pipe is the end of the owner, and the watcher kills the child. Unlike
/// Linux's parent-death signal this also works on macOS, needs no `unsafe`, and does not fire when the
/// thread that started the child ends, which a test's thread does.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

/// `exec` keeps the process id: the child that we wait for is the server itself.
const WATCHED: &str = r#"exec 3<&0 </dev/null
(cat <&3 >/dev/null 2>&1; kill -9 $$ 2>/dev/null) >/dev/null 2>&1 &
exec 3<&-
exec "$@""#;

impl ServerProcess {
    /// Starts `command` with its output appended to the file `log`.
    pub(super) fn start(name: &'static str, command: &Command, log: &Path) -> Result<Self> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open the log file {}", log.display()))?;
        let err = out.try_clone().with_context(|| format!("share the log file {}", log.display()))?;
        let mut watched = Command::new("sh");
        watched.args(["-c", WATCHED, name]).arg(command.get_program()).args(command.get_args());
        if let Some(dir) = command.get_current_dir() {
            watched.current_dir(dir);
        }
        let child = watched
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .with_context(|| format!("start {name}: `{}`", crate::command::line(command)))?;
        Ok(Self { child, name, log: log.to_path_buf() })
    }

    /// The operating system's id of the server.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks `ready` every 25 ms until it says yes.
    ///
    /// # Errors
    /// The server ends, or is not ready within `limit`; the message carries the end of its log.
    pub(super) fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if ready() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().with_context(|| format!("wait for {}", self.name))? {
                bail!(
                    "{} ended while it started ({status}); its log ends with:\n{}",
                    self.name,
                    self.log_end()
                );
            }
            if Instant::now() > deadline {
                bail!("{} was not ready after {limit:?}; its log ends with:\n{}", self.name, self.log_end());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// Waits for the server to end by itself.
    pub(super) fn wait(&mut self) -> Result<()> {
        // `Child::wait` would close the pipe first and so end what it waits for.
        loop {
            if let Some(status) = self.child.try_wait().with_context(|| format!("wait for {}", self.name))? {
                bail!("{} ended ({status}); its log is {}", self.name, self.log.display());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// SIGKILL: the server gets no chance to tidy up.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("kill {}", self.name))?;
        self.child.wait().with_context(|| format!("wait for {}", self.name))?;
        Ok(())
    }

    /// SIGTERM, and after `limit` SIGKILL.
    pub(super) fn stop(&mut self, limit: Duration) -> Result<()> {
        let mut terminate = Command::new("kill");
        terminate.args(["-TERM", &self.child.id().to_string()]);
        crate::command::run(&mut terminate)?;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self.child.try_wait().with_context(|| format!("wait for {}", self.name))?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        self.kill()
    }

    fn log_end(&self) -> String {
        let Ok(log) = std::fs::read(&self.log) else {
            return format!("(cannot read {})", self.log.display());
        };
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(20)).copied().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It fails only for a child that has been waited for.
        let _ = self.kill();
    }
}
