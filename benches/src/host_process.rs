//! The host as a process of its own, as users run it.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;
use wasmill_test_support::free_port;

use crate::http;
use crate::servers::Servers;

const START_MAX: Duration = Duration::from_secs(30);

/// A running `wasmill`, with a data folder of its own. Killed when dropped.
#[derive(Debug)]
pub struct HostProcess {
    child: Child,
    /// `127.0.0.1:port` of its API, health and metrics.
    pub address: String,
    dir: TempDir,
}

/// The programs that were built beside this one.
///
/// # Errors
/// When this program has no path.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    Ok(path.join(name))
}

impl HostProcess {
    /// `wasmill run` with this pipeline. Does not wait for it.
    ///
    /// # Errors
    /// When the binary is missing.
    pub fn run(servers: &Servers, pipeline: &Value) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("pipeline.json");
        std::fs::write(&file, pipeline.to_string())?;
        let arguments = ["run".as_ref(), "--file".as_ref(), file.as_os_str()];
        Self::start(servers, dir, &arguments)
    }

    /// `wasmill serve`, once it is ready.
    ///
    /// # Errors
    /// When the binary is missing, or the host does not become ready.
    pub fn serve(servers: &Servers) -> anyhow::Result<Self> {
        let mut host = Self::start(servers, tempfile::tempdir()?, &["serve".as_ref()])?;
        let until = Instant::now() + START_MAX;
        while http::call(&host.address, "GET", "/readyz", "text/plain", b"").is_err() {
            host.check()?;
            anyhow::ensure!(Instant::now() < until, "the host is not ready:\n{}", host.log_tail());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(host)
    }

    #[expect(unsafe_code, reason = "the host must not outlive the bench, however that ends")]
    fn start(servers: &Servers, dir: TempDir, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let log = File::create(log(dir.path()))?;
        let binary = sibling("wasmill")?;
        let mut command = Command::new(&binary);
        command
            .args(arguments)
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| !name.starts_with("WASMILL_")))
            .env("WASMILL_KAFKA_BROKERS", servers.kafka.address())
            .env("WASMILL_REGISTRY_URLS", servers.registry.url())
            .env("WASMILL_DATA_DIR", dir.path().join("data"))
            .env("WASMILL_LISTEN", &address)
            .env("WASMILL_LOG_FORMAT", "json")
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // SAFETY: prctl is async-signal-safe, and nothing else is called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                #[cfg(target_os = "linux")]
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = command.spawn().with_context(|| format!("start {}", binary.display()))?;
        Ok(Self { child, address, dir })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it has ended; the end of its log is in the message.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("the host ended by itself, {status}:\n{}", self.log_tail()),
        }
    }

    /// What it has logged with this message.
    #[must_use]
    pub fn events(&self, message: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(log(self.dir.path())).unwrap_or_default();
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event.get("message").and_then(Value::as_str) == Some(message)).collect()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(log(self.dir.path())).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

fn log(dir: &Path) -> PathBuf {
    dir.join("host.log")
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
