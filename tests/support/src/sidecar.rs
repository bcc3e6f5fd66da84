//! The host under test, as a process of its own: `wasmill run -f pipeline.yaml`.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::http;
use crate::names::free_port;

/// How a sidecar is to be started. Every start uses the same folder, as a restart on one machine.
#[derive(Debug, Clone)]
pub struct SidecarPlan {
    /// Holds the pipeline file, the data folder and the log.
    pub dir: PathBuf,
    pub brokers: String,
    pub registry: String,
    pub host_id: String,
    pub pipeline: String,
    /// Further settings, as variables: `("WASMILL_LIMITS_WORKERS_MAX", "2")`.
    pub settings: Vec<(String, String)>,
}

/// A running host. Killed when dropped.
#[derive(Debug)]
pub struct Sidecar {
    child: Child,
    port: u16,
    log: PathBuf,
}

/// The binary that `make test` has built beside the test programs.
///
/// # Panics
/// When it is missing, or older than its sources: a test of another host proves nothing.
#[must_use]
pub fn binary() -> PathBuf {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let mut path = std::env::current_exe().expect("a test program has a path");
        path.pop();
        if path.ends_with("deps") {
            path.pop();
        }
        let path = path.join("wasmill");
        must_be_current(&path).expect("a current binary of the host");
        path
    });
    BINARY.clone()
}

/// Cargo writes beside a binary what it was made of.
fn must_be_current(binary: &Path) -> Result<()> {
    const MEND: &str =
        "build it with `cargo build --workspace --bin wasmill`, or run `cargo xtask test`, which does";
    let built = binary.metadata().and_then(|found| found.modified());
    let built = built.with_context(|| format!("no binary {}: {MEND}", binary.display()))?;
    let list = binary.with_extension("d");
    let text = std::fs::read_to_string(&list).with_context(|| format!("read {}: {MEND}", list.display()))?;
    let (_, sources) =
        text.split_once(": ").with_context(|| format!("{} has another form", list.display()))?;
    // A space within a name is written with a backslash before it.
    for source in sources.lines().next().unwrap_or_default().replace("\\ ", "\0").split(' ') {
        let source = source.replace('\0', " ");
        let changed = std::fs::metadata(&source).and_then(|found| found.modified());
        ensure!(
            changed.is_ok_and(|changed| changed <= built),
            "{} is older than {source}, or that is gone: {MEND}",
            binary.display()
        );
    }
    Ok(())
}

impl SidecarPlan {
    /// Starts the host; does not wait for it.
    ///
    /// # Errors
    /// When the binary is missing or the folder cannot be written.
    pub fn start(&self) -> Result<Sidecar> {
        std::fs::create_dir_all(&self.dir)?;
        let file = self.pipeline_file();
        std::fs::write(&file, &self.pipeline)?;
        self.launch(Command::new(binary()).arg("run").arg("-f").arg(&file))
    }

    /// Starts `wasmill serve` instead: the same folder and servers, no pipeline file.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn serve(&self) -> Result<Sidecar> {
        std::fs::create_dir_all(&self.dir)?;
        self.launch(Command::new(binary()).arg("serve"))
    }

    /// Runs `wasmill ARGUMENTS` with the settings of this host to its end: exit code, and everything it
    /// printed.
    ///
    /// # Errors
    /// When the binary is missing.
    pub fn run_to_end(&self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        std::fs::create_dir_all(&self.dir)?;
        std::fs::write(self.pipeline_file(), &self.pipeline)?;
        let mut command = Command::new(binary());
        let output = self.configure(command.args(arguments)).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout) + &text(&output.stderr)))
    }

    /// Where [`Self::start`] and [`Self::run_to_end`] put the pipeline file.
    #[must_use]
    pub fn pipeline_file(&self) -> PathBuf {
        self.dir.join("pipeline.yaml")
    }

    /// The settings file of the host, if the test writes one.
    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        self.dir.join("wasmill.yaml")
    }

    /// Writes the settings file.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write_settings(&self, settings: &str) -> Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        Ok(std::fs::write(self.settings_file(), settings)?)
    }

    /// The data folder of the host.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join(format!("data-{}", self.host_id))
    }

    /// Starts `wasmill serve`, and waits until its API answers.
    ///
    /// # Errors
    /// As of [`Self::start`], and when it does not answer within a minute; the log's end is in the message.
    pub fn served(&self) -> Result<Sidecar> {
        let mut host = self.serve()?;
        host.wait_until_alive()?;
        Ok(host)
    }

    fn configure<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        without_settings(command)
            .env("WASMILL_KAFKA_BROKERS", &self.brokers)
            .env("WASMILL_REGISTRY_URLS", &self.registry)
            .env("WASMILL_DATA_DIR", self.data_dir())
            .env("WASMILL_HOST_ID", &self.host_id)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
    }

    fn launch(&self, command: &mut Command) -> Result<Sidecar> {
        let settings = self.settings_file();
        self.configure(command);
        if settings.is_file() {
            command.env("WASMILL_CONFIG", settings);
        }
        Sidecar::start(command, self.dir.join(format!("{}.log", self.host_id)))
    }
}

/// Variables of the tests are no settings of the host.
fn without_settings(command: &mut Command) -> &mut Command {
    command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("WASMILL_")))
}

impl Sidecar {
    /// Starts `wasmill dev` in a folder: everything in one process, without the servers of the tests.
    ///
    /// # Errors
    /// When the binary is missing or the folder cannot be written.
    pub fn dev(folder: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary());
        without_settings(&mut command).arg("dev").args(arguments).current_dir(folder);
        command.env("WASMILL_DATA_DIR", folder.join("data"));
        Self::start(&mut command, folder.join("dev.log"))
    }

    fn start(command: &mut Command, log: PathBuf) -> Result<Self> {
        let output = File::options().create(true).append(true).open(&log)?;
        let port = free_port()?;
        command
            .env("WASMILL_LISTEN", format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        die_with_parent(command);
        let child = command.spawn().with_context(|| format!("start {}", binary().display()))?;
        Ok(Self { child, port, log })
    }

    /// SIGKILL, and the end of the process.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and how the process ended within the deadline.
    ///
    /// # Errors
    /// When it does not end in time; the log's end is in the message.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        send_signal(&self.child, libc::SIGTERM);
        self.wait(deadline)
    }

    /// Any other signal, such as SIGSTOP.
    pub fn signal(&self, signal: i32) {
        send_signal(&self.child, signal);
    }

    /// How the process ended, within the deadline.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + deadline;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("the host did not end within {deadline:?}; its log ends:\n{}", self.log_tail())
    }

    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits until health is answered.
    ///
    /// # Errors
    /// When the host ends or stays silent for a minute; the log's end is in the message.
    pub fn wait_until_alive(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let alive = http::request("GET", &format!("{}/healthz", self.url()), None);
            if alive.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if self.has_ended() || Instant::now() > until {
                bail!("no answer from {}; the log ends:\n{}", self.url(), self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Base address of health and metrics.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }

    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The whole log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines of the log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command of the binary to its end. Returns its exit code, and what it wrote to both outputs.
///
/// # Panics
/// When the binary is missing.
#[must_use]
pub fn wasmill(arguments: &[&str]) -> (Option<i32>, String) {
    wasmill_in(Path::new("."), arguments)
}

/// The same in a folder.
///
/// # Panics
/// As [`wasmill`].
#[must_use]
pub fn wasmill_in(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    let output = without_settings(&mut command).args(arguments).current_dir(folder).output();
    let output = output.expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// The process must not outlive the test, however that ends.
#[expect(unsafe_code, reason = "the standard library has no call for it")]
pub(crate) fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl and setrlimit are async-signal-safe, and nothing else is called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // Many are killed by design: each would leave its memory on the disk.
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
            #[cfg(target_os = "linux")]
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

#[expect(unsafe_code, reason = "the standard library sends SIGKILL only")]
fn send_signal(child: &Child, signal: i32) {
    // SAFETY: the child is not reaped yet, so that its pid is not another's.
    unsafe {
        libc::kill(child.id().cast_signed(), signal);
    }
}
