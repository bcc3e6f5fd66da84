//! The settings of a host: validated, from a file, the environment and flags.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret::Secret;
use crate::config::secret::SecretSources;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::HostId;
use crate::model::limits::COMPONENT_BYTES_MAX;
use crate::model::limits::Limits;
use crate::model::pipeline_spec::PipelineSpec;

pub(crate) use crate::config::settings_keys::FAIL_POINT_VARIABLE;
pub use crate::config::settings_keys::reference;
pub use crate::config::settings_layers::Input;
pub use crate::config::settings_layers::load;

/// Everything a host is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Default: a UUID kept in the data folder.
    pub host_id: Option<HostId>,
    /// Uploaded components, pipelines, compiled code, the host's identity. Default `wasmill-data`.
    pub data_dir: PathBuf,
    /// Where the API, health and metrics listen. Default `127.0.0.1:8088`.
    pub listen: SocketAddr,
    /// Bearer tokens of the API. Empty: no token is asked for, on loopback only.
    pub tokens: Vec<Secret>,
    /// None until brokers are named.
    pub kafka: Option<KafkaSettings>,
    /// None until a registry is named.
    pub registry: Option<RegistrySettings>,
    pub log: LogSettings,
    /// How long a stop may take to finish and commit. Default 25 s.
    pub drain_deadline: Duration,
    pub compile: CompileLimits,
    pub ceilings: LimitCeilings,
    pub state: StateSettings,
    /// Where secrets of pipelines are looked up.
    pub secrets: SecretSources,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host_id: None,
            data_dir: PathBuf::from("wasmill-data"),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8088),
            tokens: Vec::new(),
            kafka: None,
            registry: None,
            log: LogSettings::default(),
            drain_deadline: Duration::from_secs(25),
            compile: CompileLimits::default(),
            ceilings: LimitCeilings::default(),
            state: StateSettings::default(),
            secrets: SecretSources::default(),
        }
    }
}

/// How to reach the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    /// Plain text when none.
    pub tls: Option<TlsSettings>,
    /// No authentication beyond TLS when none.
    pub sasl: Option<SaslSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file of the authorities to trust. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client's certificate, for mutual TLS.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the client's key, for mutual TLS.
    pub key_file: Option<PathBuf>,
    pub key_password: Option<Secret>,
    /// Whether the broker's name must be in its certificate. Default true.
    pub verify_hostname: bool,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            certificate_file: None,
            key_file: None,
            key_password: None,
            verify_hostname: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslSettings {
    Plain {
        username: String,
        password: Secret,
    },
    ScramSha256 {
        username: String,
        password: Secret,
    },
    ScramSha512 {
        username: String,
        password: Secret,
    },
    /// A JSON web token in a file, which is read again whenever a new one is needed.
    OauthBearer {
        token_file: PathBuf,
    },
}

/// How to reach the schema registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySettings {
    /// At least one; tried in order.
    pub urls: Vec<url::Url>,
    /// Basic authentication.
    pub credentials: Option<Credentials>,
    /// Of one request. Default 5 s.
    pub timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Default text.
    pub format: LogFormat,
    /// A level, or directives such as `info,wasmill::source=debug`. Default `info`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; with colours on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// What compiling one component may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall time. Default 60 s.
    pub deadline: Duration,
    /// Address space of the compiling process in bytes. Default 2 GiB, at least 512 MiB: a Python or JavaScript
    /// component needs about 450 MiB of memory.
    pub memory_bytes_max: u64,
    /// Largest component in bytes. Default 50 MiB.
    pub component_bytes_max: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            memory_bytes_max: 2 << 30,
            component_bytes_max: COMPONENT_BYTES_MAX as u64,
        }
    }
}

/// What keyed state may take on this host, and where checkpoints go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// Bytes for all tasks of this host together: blocks of the disk, what is not written there yet, and
    /// the newest values. Default 256 MiB.
    pub memory_bytes_max: u64,
    /// How old committed values may get before they are written to disk. Default 10 s.
    pub flush_interval: Duration,
    /// Bytes that one worker's tasks may have written since their last commit. More is committed early.
    /// Default 64 MiB.
    pub overlay_bytes_max: u64,
    /// How many tasks are restored at once. Default 2.
    pub restores_max: u32,
    /// Without it there are no checkpoints, and a host without the state on its own disk reads the whole
    /// changelog.
    pub object_store: Option<ObjectStoreSettings>,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 << 20,
            flush_interval: Duration::from_secs(10),
            overlay_bytes_max: 64 << 20,
            restores_max: 2,
            object_store: None,
        }
    }
}

/// Where checkpoints of state are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStoreSettings {
    pub kind: ObjectStoreKind,
    /// Bucket, container, or folder of this machine.
    pub bucket: String,
    /// Put before every name, without slashes around it. Empty for none.
    pub prefix: String,
    /// Address of a server that is not the cloud's own.
    pub endpoint: Option<url::Url>,
    pub region: Option<String>,
    /// Access key id of S3, or account of Azure.
    pub account: Option<String>,
    /// Secret access key of S3, access key of Azure, service account key (JSON) of Google. None: the
    /// machine's own identity.
    pub secret: Option<Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectStoreKind {
    /// A folder, such as a network drive that all hosts mount.
    Folder,
    /// Amazon S3, or what speaks its protocol.
    S3,
    Google,
    Azure,
}

/// The most that a pipeline may ask for its guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitCeilings {
    /// Bytes of one instance. Default 512 MiB.
    pub memory_bytes_max: u64,
    /// Default 60,000 ms.
    pub invocation_ms_max: u64,
    /// Default 256 MiB.
    pub output_bytes_per_batch_max: u64,
    /// Default 256 MiB.
    pub state_bytes_per_batch_max: u64,
    /// Default 10,000.
    pub log_lines_per_second_max: u32,
    /// The stack of every guest, in bytes. Default 512 KiB.
    pub stack_bytes_max: u64,
    /// Worker threads of one pipeline on this host. Default 16.
    pub workers_max: u32,
    /// Guest instances of this host, one for each worker of all pipelines. Default 256.
    pub instances_max: u32,
}

impl Default for LimitCeilings {
    fn default() -> Self {
        Self {
            memory_bytes_max: 512 << 20,
            invocation_ms_max: 60_000,
            output_bytes_per_batch_max: 256 << 20,
            state_bytes_per_batch_max: 256 << 20,
            log_lines_per_second_max: 10_000,
            stack_bytes_max: Limits::default().stack_bytes_max,
            workers_max: 16,
            instances_max: 256,
        }
    }
}

impl LimitCeilings {
    /// # Errors
    /// One refusal for each limit of the pipeline that is above this host's ceiling.
    pub fn check(&self, spec: &PipelineSpec) -> Result<(), Vec<Refusal>> {
        let asked = [
            ("limits.memory_bytes_max", spec.limits.memory_bytes_max, self.memory_bytes_max),
            ("limits.invocation_ms_max", spec.limits.invocation_ms_max, self.invocation_ms_max),
            (
                "limits.output_bytes_per_batch_max",
                spec.limits.output_bytes_per_batch_max,
                self.output_bytes_per_batch_max,
            ),
            (
                "limits.state_bytes_per_batch_max",
                spec.limits.state_bytes_per_batch_max,
                self.state_bytes_per_batch_max,
            ),
            (
                "limits.log_lines_per_second_max",
                spec.limits.log_lines_per_second_max.into(),
                self.log_lines_per_second_max.into(),
            ),
            ("workers", spec.workers.into(), self.workers_max.into()),
        ];
        let above = asked.into_iter().filter(|(_, asked, ceiling)| asked > ceiling);
        let refusals: Vec<Refusal> = above
            .map(|(field, asked, ceiling)| Refusal {
                code: Code("limit-above-ceiling"),
                field: field.to_owned(),
                message: "the pipeline asks for more than this host allows".to_owned(),
                found: asked.to_string(),
                expected: format!("at most {ceiling}"),
                remedy: "Ask for less, or have the ceiling raised in the settings of the host.".to_owned(),
            })
            .collect();
        if refusals.is_empty() { Ok(()) } else { Err(refusals) }
    }
}

/// The settings with where each came from.
#[derive(Debug, Clone)]
pub struct Effective {
    pub settings: Settings,
    /// Every key, in the order of the reference.
    pub rows: Vec<EffectiveRow>,
}

/// One setting as `wasmill config` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EffectiveRow {
    pub key: &'static str,
    /// Redacted where it is a secret; none where it is not set.
    pub value: Option<String>,
    /// `default`, `file wasmill.yaml (line 3, column 5)`, `environment WASMILL_LISTEN`, `flag --listen`.
    pub source: String,
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
