//! Apache Kafka, one node in KRaft mode.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;

use super::java;
use super::kafka_security::KafkaSecurity;
use super::maven;
use super::port::PortLease;
use super::process::ServerProcess;
use super::scratch::Scratch;

/// The version that `assets/kafka/pom.xml` names.
pub const KAFKA_VERSION: &str = "4.3.1";

const POM: &str = include_str!("../../assets/kafka/pom.xml");
const LOG_SETTINGS: &str = include_str!("../../assets/kafka/log4j2.yaml");
const PROPERTIES: &str = include_str!("../../assets/kafka/server.properties");

/// Sixteen bytes in base64. All brokers have the same: they never meet, each knows only its own controller.
const CLUSTER_ID: &str = "d2FzbWlsbC10ZXN0cy0wMQ";

/// What `kafka.server.KafkaRaftServer` logs when clients may come.
const READY: &str = "Kafka Server started";
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A broker that runs until it is dropped.
///
/// It listens on loopback only, creates no topic by itself, and takes transactions and both group
/// protocols. Its ports stay its own over a kill and a restart.
#[derive(Debug)]
pub struct KafkaServer {
    process: Option<ServerProcess>,
    data: PathBuf,
    log: PathBuf,
    home: PathBuf,
    port: PortLease,
    controller_port: PortLease,
    secure: Option<(PortLease, KafkaSecurity)>,
    _scratch: Option<Scratch>,
}

impl KafkaServer {
    /// Starts a broker with its data in `data`, or in a folder that goes with it, and waits until it is ready.
    ///
    /// # Errors
    /// Kafka cannot be fetched, or does not start; the message carries the end of its log.
    pub fn start(data: Option<&Path>) -> Result<Self> {
        let home = install()?;
        let archive = home.join(java::archive_name()?);
        Self::start_with(&home, &java::command(Some(&archive)), data, None)
    }

    /// A broker with a second listener, at [`Self::secure_address`], which asks for TLS and a password. The
    /// first one stays open to everybody on this machine.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn start_secure(security: KafkaSecurity) -> Result<Self> {
        let home = install()?;
        let archive = home.join(java::archive_name()?);
        Self::start_with(&home, &java::command(Some(&archive)), None, Some(security))
    }

    /// As [`Self::start`], for measurements: what the broker executes often is compiled with every
    /// optimisation. A restart does without.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn start_at_full_speed() -> Result<Self> {
        let home = install()?;
        let mut java = java::command(Some(&home.join(java::archive_name()?)));
        java.args(java::FULL_SPEED);
        Self::start_with(&home, &java, None, None)
    }

    fn start_with(
        home: &Path,
        java: &Command,
        data: Option<&Path>,
        security: Option<KafkaSecurity>,
    ) -> Result<Self> {
        let (data, scratch) = match data {
            Some(data) => (data.to_path_buf(), None),
            None => {
                let scratch = Scratch::create("kafka")?;
                (scratch.path().join("data"), Some(scratch))
            }
        };
        let data = std::path::absolute(&data).with_context(|| format!("resolve {}", data.display()))?;
        match &security {
            None => copy_format(home, &data)?,
            Some(security) => format_with_users(home, &data, security)?,
        }
        let log = data.join("server.log");
        let (port, controller_port) = (PortLease::take()?, PortLease::take()?);
        let secure = match security {
            Some(security) => Some((PortLease::take()?, security)),
            None => None,
        };
        let mut server = Self {
            process: None,
            data,
            log,
            home: home.to_path_buf(),
            port,
            controller_port,
            secure,
            _scratch: scratch,
        };
        server.launch(java)?;
        Ok(server)
    }

    /// `127.0.0.1:PORT`, for a client's `bootstrap.servers`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.port())
    }

    /// The same of the listener of [`Self::start_secure`]; none without it.
    pub fn secure_address(&self) -> Option<String> {
        self.secure.as_ref().map(|(port, _)| format!("127.0.0.1:{}", port.port()))
    }

    /// Replaces users and certificate from the next [`Self::restart`] on. The users of SCRAM stay as they
    /// are: they are kept in the data. Nothing changes without a secure listener.
    pub fn set_security(&mut self, security: KafkaSecurity) {
        if let Some((_, current)) = &mut self.secure {
            *current = security;
        }
    }

    /// Where the broker keeps its data and its log, `server.log`.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The operating system's id of the broker, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// SIGKILL: what was not flushed to the page cache is lost, clients see their connections break.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// A shutdown in good order; SIGKILL if it takes more than 20 s.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop(STOP_LIMIT),
            None => Ok(()),
        }
    }

    /// Starts the broker again on its old address and data, after [`Self::kill`] or [`Self::stop`]; kills it
    /// first if it still runs. Returns when it is ready.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let archive = self.home.join(java::archive_name()?);
        self.launch(&java::command(Some(&archive)))
    }

    /// Waits until the broker ends, which it does not do by itself.
    ///
    /// # Errors
    /// It ended.
    pub fn wait(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) => process.wait(),
            None => anyhow::bail!("Kafka does not run"),
        }
    }

    fn launch(&mut self, java: &Command) -> Result<()> {
        let properties = self.data.join("server.properties");
        let (port, controller) = (self.port.port(), self.controller_port.port());
        let mut text = filled_in(port, controller, &self.data.join("log"));
        if let Some((secure_port, security)) = &self.secure {
            let keystore = self.data.join("keystore.pem");
            fs::write(&keystore, &security.keystore)
                .with_context(|| format!("write {}", keystore.display()))?;
            // Of two lines for one property the later one holds.
            text.push_str(&security.properties(port, controller, secure_port.port(), &keystore));
        }
        fs::write(&properties, text).with_context(|| format!("write {}", properties.display()))?;

        let mut command = Command::new(java.get_program());
        command.args(java.get_args());
        class_path(&mut command, &self.home).arg("kafka.Kafka").arg(&properties);
        let from = fs::metadata(&self.log).map_or(0, |meta| meta.len());
        let mut process = ServerProcess::start("Kafka", &command, &self.log)?;
        process.wait_until(START_LIMIT, || says_ready(&self.log, from))?;
        self.process = Some(process);
        Ok(())
    }
}

/// Fetches Kafka unless it is there, and returns its folder in the cache.
///
/// # Errors
/// Maven or Java is missing, or Maven Central cannot be reached.
pub fn install() -> Result<PathBuf> {
    let archive = java::archive_name()?;
    let home = crate::cache::entry(&format!("kafka-{KAFKA_VERSION}"), |dir| {
        eprintln!("Fetching Apache Kafka {KAFKA_VERSION} from Maven Central (45 MB)");
        fs::write(dir.join("log4j2.yaml"), LOG_SETTINGS).context("write log4j2.yaml")?;
        let pom = dir.join("pom.xml");
        fs::write(&pom, POM).context("write pom.xml")?;
        maven::copy_dependencies(&pom, &dir.join("libs"))?;
        format_template(dir)
    })?;
    let archive = home.join(archive);
    if !archive.exists() {
        let _lock = crate::cache::lock(&home.join("archive.lock"))?;
        if !archive.exists() {
            record_archive(&home, &archive)?;
        }
    }
    Ok(home)
}

fn class_path<'a>(java: &'a mut Command, home: &Path) -> &'a mut Command {
    java.arg(format!("-Dlog4j2.configurationFile={}", home.join("log4j2.yaml").display()));
    java.arg("-cp").arg(home.join("libs").join("*"))
}

fn filled_in(port: u16, controller_port: u16, log: &Path) -> String {
    PROPERTIES
        .replace("@PORT@", &port.to_string())
        .replace("@CONTROLLER_PORT@", &controller_port.to_string())
        .replace("@DATA_DIR@", &log.display().to_string())
}

/// Formats an empty log folder once: a copy of it saves every broker a second of another Java's start.
fn format_template(home: &Path) -> Result<()> {
    format(home, &home.join("formatted"), &home.join("format.properties"), &[])
}

/// Makes `data` the folder of a broker, unless it is one.
fn copy_format(home: &Path, data: &Path) -> Result<()> {
    let log = data.join("log");
    if log.join("meta.properties").exists() {
        return Ok(());
    }
    fs::create_dir_all(&log).with_context(|| format!("create {}", log.display()))?;
    let template = home.join("formatted");
    for entry in fs::read_dir(&template).with_context(|| format!("read {}", template.display()))? {
        let entry = entry.with_context(|| format!("read {}", template.display()))?;
        let to = log.join(entry.file_name());
        fs::copy(entry.path(), &to).with_context(|| format!("write {}", to.display()))?;
    }
    Ok(())
}

/// The same of a broker that knows users from the beginning.
fn format_with_users(home: &Path, data: &Path, security: &KafkaSecurity) -> Result<()> {
    fs::create_dir_all(data).with_context(|| format!("create {}", data.display()))?;
    format(home, &data.join("log"), &data.join("format.properties"), &security.format_arguments())
}

fn format(home: &Path, log: &Path, properties: &Path, more: &[String]) -> Result<()> {
    fs::write(properties, filled_in(1, 2, log)).with_context(|| format!("write {}", properties.display()))?;
    let mut tool = java::command(None);
    class_path(&mut tool, home).arg("kafka.tools.StorageTool");
    tool.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(properties).args(more);
    crate::command::output(&mut tool)?;
    fs::remove_file(properties).with_context(|| format!("remove {}", properties.display()))
}

/// Lets one broker record the classes it loads, so that the next ones start in half the time.
fn record_archive(home: &Path, archive: &Path) -> Result<()> {
    let partial = archive.with_extension("partial");
    let mut server = KafkaServer::start_with(home, &java::recording(&partial), None, None)?;
    server.stop()?;
    drop(server);
    if partial.exists() {
        fs::rename(&partial, archive).with_context(|| format!("rename {}", partial.display()))?;
    } else {
        eprintln!("note: this Java recorded no class-data archive; test brokers start a second slower");
    }
    Ok(())
}

fn says_ready(log: &Path, from: u64) -> bool {
    let Ok(bytes) = fs::read(log) else { return false };
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    bytes.get(from..).is_some_and(|new| String::from_utf8_lossy(new).contains(READY))
}
