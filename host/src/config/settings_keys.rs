//! Every key of the settings, once: its kind, default and meaning.

/// How a key's value is written in the environment and in flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A path; relative ones are taken from the folder of the settings file, else the current folder.
    Path,
    Integer,
    Bytes,
    Boolean,
    /// Separated by commas outside of files.
    List,
    /// Text that is never shown.
    Secret,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    /// As it would be written; empty when the key is unset by default.
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { path, kind, default, doc }
}

pub(crate) const KEYS: &[Key] = &[
    key(
        "host_id",
        Kind::Text,
        "",
        "Identity in consumer groups and transactions; a UUID kept in the data folder unless set.",
    ),
    key(
        "data_dir",
        Kind::Path,
        "wasmill-data",
        "Folder of uploads, pipelines, compiled code and the host's identity.",
    ),
    key(
        "listen",
        Kind::Text,
        "127.0.0.1:8088",
        "Address of the API, health and metrics. Elsewhere than on loopback it needs a token.",
    ),
    key("auth.token", Kind::Secret, "", "Bearer token of the API."),
    key("auth.token_file", Kind::Path, "", "File with bearer tokens of the API, one a line."),
    key("secrets_dir", Kind::Path, "", "Folder of the secrets that pipelines refer to, one file each."),
    key("kafka.brokers", Kind::List, "", "Brokers as host:port."),
    key(
        "kafka.tls.enabled",
        Kind::Boolean,
        "false",
        "Whether connections to the brokers use TLS. Other `kafka.tls` keys imply it.",
    ),
    key(
        "kafka.tls.ca_file",
        Kind::Path,
        "",
        "PEM file of the authorities to trust; those of the system unless set.",
    ),
    key("kafka.tls.certificate_file", Kind::Path, "", "PEM file of the client's certificate."),
    key("kafka.tls.key_file", Kind::Path, "", "PEM file of the client's key."),
    key("kafka.tls.key_password", Kind::Secret, "", "Password of the client's key."),
    key("kafka.tls.key_password_file", Kind::Path, "", "File with the password of the client's key."),
    key(
        "kafka.tls.verify_hostname",
        Kind::Boolean,
        "true",
        "Whether a broker's name must be in its certificate.",
    ),
    key("kafka.sasl.mechanism", Kind::Text, "", "plain, scram-sha-256, scram-sha-512 or oauthbearer."),
    key("kafka.sasl.username", Kind::Text, "", "User of plain and scram."),
    key("kafka.sasl.password", Kind::Secret, "", "Password of plain and scram."),
    key("kafka.sasl.password_file", Kind::Path, "", "File with the password of plain and scram."),
    key(
        "kafka.sasl.token_file",
        Kind::Path,
        "",
        "File with the JSON web token of oauthbearer; read again for each new token.",
    ),
    key("registry.urls", Kind::List, "", "Addresses of the schema registry, tried in order."),
    key("registry.username", Kind::Text, "", "User of basic authentication."),
    key("registry.password", Kind::Secret, "", "Password of basic authentication."),
    key("registry.password_file", Kind::Path, "", "File with the password of basic authentication."),
    key("registry.timeout_ms", Kind::Integer, "5000", "Time limit of one request to the registry."),
    key("log.format", Kind::Text, "text", "text or json."),
    key(
        "log.level",
        Kind::Text,
        "info",
        "error, warn, info, debug, trace, or directives such as info,wasmill::source=debug.",
    ),
    key("drain.deadline_ms", Kind::Integer, "25000", "How long a stop may take to finish and commit."),
    key("compile.deadline_ms", Kind::Integer, "60000", "Wall time of compiling one component."),
    key(
        "compile.memory_bytes_max",
        Kind::Bytes,
        "2GiB",
        "Address space of the compiling process, at least 512MiB.",
    ),
    key("compile.component_bytes_max", Kind::Bytes, "50MiB", "Largest component that is taken."),
    key(
        "limits.memory_bytes_max",
        Kind::Bytes,
        "512MiB",
        "The most memory a pipeline may ask for one guest instance.",
    ),
    key(
        "limits.invocation_ms_max",
        Kind::Integer,
        "60000",
        "The most time a pipeline may ask for one invocation.",
    ),
    key(
        "limits.output_bytes_per_batch_max",
        Kind::Bytes,
        "256MiB",
        "The most output a pipeline may ask for one batch.",
    ),
    key(
        "limits.state_bytes_per_batch_max",
        Kind::Bytes,
        "256MiB",
        "The most state a pipeline may ask to write for one batch.",
    ),
    key(
        "limits.log_lines_per_second_max",
        Kind::Integer,
        "10000",
        "The most log lines a pipeline may ask for.",
    ),
    key("limits.stack_bytes_max", Kind::Bytes, "512KiB", "Stack of every guest."),
    key("limits.workers_max", Kind::Integer, "16", "The most workers a pipeline may have on this host."),
    key(
        "limits.instances_max",
        Kind::Integer,
        "256",
        "The most guest instances on this host: one for each worker of all pipelines.",
    ),
    key(
        "state.memory_bytes_max",
        Kind::Bytes,
        "256MiB",
        "Memory of keyed state, all tasks of this host together.",
    ),
    key(
        "state.flush_interval_ms",
        Kind::Integer,
        "10000",
        "How old committed state may get before it is written to disk.",
    ),
    key(
        "state.overlay_bytes_max",
        Kind::Bytes,
        "64MiB",
        "State that a worker may have written since its last commit; more is committed early.",
    ),
    key("state.restores_max", Kind::Integer, "2", "How many tasks are restored at once."),
    key(
        "state.object_store.url",
        Kind::Text,
        "",
        "Where checkpoints go: an absolute folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix. No checkpoints unless set.",
    ),
    key(
        "state.object_store.endpoint",
        Kind::Text,
        "",
        "Address of a server that speaks S3 and is not Amazon's.",
    ),
    key("state.object_store.region", Kind::Text, "", "Region of the S3 bucket."),
    key("state.object_store.account", Kind::Text, "", "Access key id of S3, or account of Azure."),
    key(
        "state.object_store.secret",
        Kind::Secret,
        "",
        "Secret access key of S3, access key of Azure, service account key of Google; the machine's own identity unless set.",
    ),
    key("state.object_store.secret_file", Kind::Path, "", "File with that secret."),
];

/// Where tests let the process die: `offsets-sent:3`. For nobody else.
pub(crate) const FAIL_POINT_VARIABLE: &str = "WASMILL_FAIL_POINT";

/// Variables that are no settings of the host but are read by the command line.
pub(crate) const OTHER_VARIABLES: &[&str] =
    &["WASMILL_CONFIG", "WASMILL_URL", "WASMILL_TOKEN", "WASMILL_TOKEN_FILE", FAIL_POINT_VARIABLE];

impl Key {
    /// `WASMILL_KAFKA_BROKERS` for `kafka.brokers`.
    pub(crate) fn variable(&self) -> String {
        format!("WASMILL_{}", self.path.to_ascii_uppercase().replace('.', "_"))
    }

    pub(crate) fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }
}

/// Every key with its variable, default and meaning, as Markdown table rows under a heading.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from("| key | variable | default | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        out.push_str(&format!("| `{}` | `{}` | {default} | {} |\n", key.path, key.variable(), key.doc));
    }
    out
}
