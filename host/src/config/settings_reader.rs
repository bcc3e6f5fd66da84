//! From the values of all sources to validated settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret::Secret;
use crate::config::secret::SecretSources;
use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::settings::CompileLimits;
use crate::config::settings::LimitCeilings;
use crate::config::settings::LogFormat;
use crate::config::settings::LogSettings;
use crate::config::settings::Settings;
use crate::config::settings_keys::Key;
use crate::config::settings_keys::Kind;
use crate::config::settings_layers::Found;
use crate::config::settings_layers::Origin;
use crate::config::settings_layers::Values;
use crate::config::tree::Place;
use crate::config::tree::Value;
use crate::model::limits::COMPONENT_BYTES_MAX;

/// A token shorter than this can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// Each takes about 8 GiB of a process's address space of 128 TiB.
const INSTANCES_MAX: u32 = 4096;
const HOUR_MS: u64 = 3_600_000;

/// Reads keys, whichever source they come from.
pub(crate) struct Reader<'a> {
    pub(crate) values: &'a Values,
    pub(crate) problems: &'a mut Problems,
}

/// Settings that hold where `problems` has gained nothing.
pub(crate) fn read(
    values: &Values,
    environment: BTreeMap<String, Secret>,
    problems: &mut Problems,
) -> Settings {
    let mut reader = Reader { values, problems };
    let mut settings = Settings::default();
    let host_id = reader.with("host_id", |item, problems| item.parsed(problems, "a name"));
    settings.host_id = host_id;
    if let Some(path) = reader.path("data_dir") {
        settings.data_dir = path;
    }
    let expected = "an address and port, `127.0.0.1:8088`";
    reader
        .set(&mut settings.listen, "listen", |item, problems| item.parsed::<SocketAddr>(problems, expected));
    settings.tokens = reader.tokens();
    settings.secrets = SecretSources { dir: reader.path("secrets_dir"), environment };
    settings.kafka = reader.kafka();
    settings.registry = reader.registry();
    settings.log = reader.log();
    reader.millis(&mut settings.drain_deadline, "drain.deadline_ms", HOUR_MS);
    settings.compile = reader.compile();
    settings.ceilings = reader.ceilings();
    settings.state = reader.state();
    settings
}

impl Reader<'_> {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Reads a key with `read`, under the name of its source.
    pub(crate) fn with<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Item<'_>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let found = self.values.get(key)?;
        let path = match &found.origin {
            Origin::File { .. } => key.to_owned(),
            Origin::Environment(variable) => variable.clone(),
            Origin::Flag(flag) => format!("{flag} ({key})"),
        };
        let secret = Key::find(key).is_some_and(|key| key.kind == Kind::Secret);
        if secret && !matches!(&found.node.value, Value::Text(text) if !text.is_empty()) {
            // Not through `read`: its message would show the value.
            self.problems.add(
                "wrong-type",
                &path,
                "this secret is no text",
                "another value",
                "text",
                "Put it in quotes.",
            );
            return None;
        }
        read(&Item { path, node: &found.node, key: Place::default() }, self.problems)
    }

    pub(crate) fn set<T>(
        &mut self,
        target: &mut T,
        key: &'static str,
        read: impl FnOnce(&Item<'_>, &mut Problems) -> Option<T>,
    ) {
        if let Some(value) = self.with(key, read) {
            *target = value;
        }
    }

    pub(crate) fn millis(&mut self, target: &mut Duration, key: &'static str, max: u64) {
        self.set(target, key, |item, problems| item.u64(problems, 1..=max).map(Duration::from_millis));
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.with(key, |item, problems| item.text(problems).map(str::to_owned))
    }

    /// Relative paths of a file are taken from its folder.
    fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(key)?);
        match &self.values.get(key)?.origin {
            Origin::File { path: file, .. } => match file.parent() {
                Some(folder) if path.is_relative() => Some(folder.join(path)),
                _ => Some(path),
            },
            Origin::Environment(_) | Origin::Flag(_) => Some(path),
        }
    }

    /// A path of a file that must be there.
    pub(crate) fn file(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        if let Err(error) = std::fs::metadata(&path) {
            let found = format!("`{}`: {error}", path.display());
            let remedy = "Create the file or mend its path.";
            self.problems.add(
                "file-missing",
                key,
                "the file cannot be read",
                found,
                "a readable file",
                remedy,
            );
            return None;
        }
        Some(path)
    }

    /// A secret given by value or by file. The later source wins; one source gives only one.
    pub(crate) fn secret(&mut self, key: &'static str, file_key: &'static str) -> Option<Secret> {
        let rank = |key: &str| self.values.get(key).map(|found: &Found| found.rank);
        match (rank(key), rank(file_key)) {
            (Some(value), Some(file)) if value == file => {
                let found = format!("`{key}` and `{file_key}` in one source");
                let remedy = "Remove one of the two.";
                self.problems.add(
                    "conflicting-keys",
                    key,
                    "the secret is given twice",
                    found,
                    "one of them",
                    remedy,
                );
                None
            }
            (Some(value), file) if file.is_none_or(|file| value > file) => self.text(key).map(Secret::new),
            (_, Some(_)) => {
                let path = self.path(file_key)?;
                match Secret::read(&path) {
                    Ok(secret) => Some(secret),
                    Err(found) => {
                        let remedy = "Create the file or mend its path.";
                        let message = "the secret cannot be read";
                        self.problems.add(
                            "file-missing",
                            file_key,
                            message,
                            found,
                            "a file with the secret",
                            remedy,
                        );
                        None
                    }
                }
            }
            _ => None,
        }
    }

    fn tokens(&mut self) -> Vec<Secret> {
        let given = self.has("auth.token") || self.has("auth.token_file");
        let Some(text) = self.secret("auth.token", "auth.token_file") else {
            return Vec::new();
        };
        let lines =
            text.expose().lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let tokens: Vec<Secret> = lines.map(Secret::new).collect();
        let remedy = "Make one with `openssl rand -hex 32`.";
        if given && tokens.is_empty() {
            let message = "there is no token in it";
            self.problems.add(
                "token-missing",
                "auth.token_file",
                message,
                "only empty lines",
                "one token a line",
                remedy,
            );
        }
        for token in &tokens {
            if !token.is_token() {
                self.problems.add(
                    "token-invalid",
                    "auth",
                    "a token has characters that a client cannot send",
                    "blanks, control characters or letters beyond ASCII",
                    "printable ASCII without blanks",
                    remedy,
                );
            }
            let length = token.expose().len();
            if length < TOKEN_BYTES_MIN {
                let found = format!("{length} bytes");
                let expected = format!("at least {TOKEN_BYTES_MIN} bytes");
                self.problems.add(
                    "token-too-short",
                    "auth",
                    "a token is too short to be safe",
                    found,
                    expected,
                    remedy,
                );
            }
        }
        tokens
    }

    fn log(&mut self) -> LogSettings {
        let mut log = LogSettings::default();
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        self.set(&mut log.format, "log.format", |item, problems| item.choice(problems, &formats));
        self.set(&mut log.level, "log.level", |item, problems| {
            let text = item.text(problems)?;
            if let Err(error) = tracing_subscriber::EnvFilter::try_new(text) {
                let expected = format!("a level or directives ({error})");
                item.problem(
                    problems,
                    "invalid-value",
                    "this is no log level",
                    expected,
                    "Write for example `info`.",
                );
                return None;
            }
            Some(text.to_owned())
        });
        log
    }

    fn compile(&mut self) -> CompileLimits {
        let mut limits = CompileLimits::default();
        self.millis(&mut limits.deadline, "compile.deadline_ms", HOUR_MS);
        let memory = |item: &Item<'_>, problems: &mut Problems| item.bytes(problems, 512 << 20..=64 << 30);
        self.set(&mut limits.memory_bytes_max, "compile.memory_bytes_max", memory);
        let component = |item: &Item<'_>, problems: &mut Problems| {
            item.bytes(problems, 1024..=COMPONENT_BYTES_MAX as u64)
        };
        self.set(&mut limits.component_bytes_max, "compile.component_bytes_max", component);
        limits
    }

    fn ceilings(&mut self) -> LimitCeilings {
        let mut ceilings = LimitCeilings::default();
        self.set(&mut ceilings.memory_bytes_max, "limits.memory_bytes_max", |item, problems| {
            item.bytes(problems, 1 << 20..=4 << 30)
        });
        self.set(&mut ceilings.invocation_ms_max, "limits.invocation_ms_max", |item, problems| {
            item.u64(problems, 1..=600_000)
        });
        self.set(
            &mut ceilings.output_bytes_per_batch_max,
            "limits.output_bytes_per_batch_max",
            |item, problems| item.bytes(problems, 1024..=1 << 30),
        );
        self.set(
            &mut ceilings.state_bytes_per_batch_max,
            "limits.state_bytes_per_batch_max",
            |item, problems| item.bytes(problems, 1024..=1 << 30),
        );
        self.set(
            &mut ceilings.log_lines_per_second_max,
            "limits.log_lines_per_second_max",
            |item, problems| item.u32(problems, 0..=100_000),
        );
        self.set(&mut ceilings.stack_bytes_max, "limits.stack_bytes_max", |item, problems| {
            item.bytes(problems, 64 << 10..=8 << 20)
        });
        self.set(&mut ceilings.workers_max, "limits.workers_max", |item, problems| {
            item.u32(problems, 1..=256)
        });
        self.set(&mut ceilings.instances_max, "limits.instances_max", |item, problems| {
            item.u32(problems, 1..=INSTANCES_MAX)
        });
        ceilings
    }
}
