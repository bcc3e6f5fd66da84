//! A Confluent-compatible schema registry: Apicurio, in memory.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::Ipv4Addr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;

use super::java;
use super::maven;
use super::port::PortLease;
use super::process::ServerProcess;
use super::scratch::Scratch;

/// The version fetched.
pub const REGISTRY_VERSION: &str = "2.6.13";

const ARTIFACT: &str = "apicurio-registry-app";
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// A schema registry that runs until it is dropped. It keeps its schemas in memory: a restart empties it.
///
/// Unlike Confluent's, it checks no compatibility until `PUT /config` says so.
#[derive(Debug)]
pub struct RegistryServer {
    process: Option<ServerProcess>,
    log: PathBuf,
    home: PathBuf,
    port: PortLease,
    _scratch: Option<Scratch>,
}

impl RegistryServer {
    /// Starts a registry with its log in `data`, or in a folder that goes with it, and waits until it answers.
    ///
    /// # Errors
    /// It cannot be fetched, or does not start; the message carries the end of its log.
    pub fn start(data: Option<&Path>) -> Result<Self> {
        let home = install()?;
        let archive = home.join(java::archive_name()?);
        Self::start_with(&home, &java::command(Some(&archive)), data)
    }

    fn start_with(home: &Path, java: &Command, data: Option<&Path>) -> Result<Self> {
        let (data, scratch) = match data {
            Some(data) => (data.to_path_buf(), None),
            None => {
                let scratch = Scratch::create("registry")?;
                (scratch.path().to_path_buf(), Some(scratch))
            }
        };
        fs::create_dir_all(&data).with_context(|| format!("create {}", data.display()))?;
        let log = data.join("registry.log");
        let mut server = Self {
            process: None,
            log,
            home: home.to_path_buf(),
            port: PortLease::take()?,
            _scratch: scratch,
        };
        server.launch(java)?;
        Ok(server)
    }

    /// The base address of the Confluent-compatible API, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port.port())
    }

    /// The operating system's id of the registry, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// SIGKILL. Every schema is gone.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// Starts it again, empty, on its old address. Returns when it answers.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let archive = self.home.join(java::archive_name()?);
        self.launch(&java::command(Some(&archive)))
    }

    /// Waits until the registry ends, which it does not do by itself.
    ///
    /// # Errors
    /// It ended.
    pub fn wait(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) => process.wait(),
            None => anyhow::bail!("the schema registry does not run"),
        }
    }

    fn launch(&mut self, java: &Command) -> Result<()> {
        let port = self.port.port();
        let mut command = Command::new(java.get_program());
        command
            .args(java.get_args())
            .arg("-Dquarkus.http.host=127.0.0.1")
            .arg(format!("-Dquarkus.http.port={port}"))
            .arg("-Dquarkus.banner.enabled=false")
            .arg("-jar")
            .arg(self.home.join(format!("{ARTIFACT}-{REGISTRY_VERSION}.Final-runner.jar")));
        let mut process = ServerProcess::start("the schema registry", &command, &self.log)?;
        process.wait_until(START_LIMIT, || answers(port).unwrap_or(false))?;
        self.process = Some(process);
        Ok(())
    }
}

/// Fetches the registry unless it is there, and returns its folder in the cache.
///
/// # Errors
/// Maven, Java or tar is missing, or Maven Central cannot be reached.
pub fn install() -> Result<PathBuf> {
    let archive = java::archive_name()?;
    let home = crate::cache::entry(&format!("registry-{REGISTRY_VERSION}"), |dir| {
        eprintln!("Fetching the schema registry Apicurio {REGISTRY_VERSION} from Maven Central (142 MB)");
        let name = format!("{ARTIFACT}-{REGISTRY_VERSION}.Final-all.tar.gz");
        maven::copy_artifact(&format!("io.apicurio:{ARTIFACT}:{REGISTRY_VERSION}.Final:tar.gz:all"), dir)?;
        let packed = dir.join(name);
        crate::command::run(Command::new("tar").arg("-xzf").arg(&packed).arg("-C").arg(dir))?;
        fs::remove_file(&packed).with_context(|| format!("remove {}", packed.display()))
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

/// Lets one registry record the classes it loads, so that the next ones start faster.
fn record_archive(home: &Path, archive: &Path) -> Result<()> {
    let partial = archive.with_extension("partial");
    let mut server = RegistryServer::start_with(home, &java::recording(&partial), None)?;
    if let Some(mut process) = server.process.take() {
        process.stop(STOP_LIMIT)?;
    }
    if partial.exists() {
        fs::rename(&partial, archive).with_context(|| format!("rename {}", partial.display()))?;
    } else {
        eprintln!("note: this Java recorded no class-data archive; the test registry starts a second slower");
    }
    Ok(())
}

fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(b"GET /apis/ccompat/v7/subjects HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}
