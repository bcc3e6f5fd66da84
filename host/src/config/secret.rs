//! Secrets: values that are used and never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use indexmap::IndexMap;
use serde::Serialize;
use serde::Serializer;
use zeroize::Zeroizing;

use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::pipeline_spec::PipelineSpec;

/// What stands in the place of a secret wherever it is shown.
pub const REDACTED: &str = "(secret)";
/// Largest file that is taken for a secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// Environment variables of secrets begin with this; the rest is the name in capitals, `-` as `_`.
pub(crate) const SECRET_ENV_PREFIX: &str = "WASMILL_SECRET_";

/// A value that is never printed: not by `Debug`, not by `Serialize`; there is no `Display`. Its
/// memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself. Hand it to what needs it, and to nothing that logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a file; one line break at its end does not belong to the secret.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, too large or not UTF-8.
    pub fn read(path: &Path) -> Result<Self, String> {
        let metadata = std::fs::metadata(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        if metadata.len() > SECRET_BYTES_MAX {
            return Err(format!("`{}` is larger than {SECRET_BYTES_MAX} bytes", path.display()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        let mut text = Zeroizing::new(text);
        let end = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(end);
        if text.is_empty() { Err(format!("`{}` is empty", path.display())) } else { Ok(Self(text)) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// Where `{ secret: name }` in a pipeline file is looked up: a file of that name in the secrets
/// folder, else the environment variable `WASMILL_SECRET_<NAME>`.
#[derive(Debug, Clone, Default)]
pub struct SecretSources {
    /// Setting `secrets_dir`.
    pub dir: Option<PathBuf>,
    /// By full name of the variable, as it was at start.
    pub environment: BTreeMap<String, Secret>,
}

impl SecretSources {
    /// # Errors
    /// When no source has the secret, or its file cannot be read.
    pub fn resolve(&self, name: &str) -> Result<Secret, String> {
        let variable = format!("{SECRET_ENV_PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"));
        // The names of pipeline files are plain, but this is the door to the file system.
        let plain =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if let Some(path) = self.dir.as_ref().filter(|_| plain).map(|dir| dir.join(name))
            && path.exists()
        {
            return Secret::read(&path);
        }
        if let Some(secret) = self.environment.get(&variable) {
            return Ok(secret.clone());
        }
        Err(match &self.dir {
            Some(dir) => {
                format!("neither the file `{}` nor the variable `{variable}`", dir.join(name).display())
            }
            None => format!("no secrets folder is set, and no variable `{variable}`"),
        })
    }
}

/// The whole configuration of a pipeline's transform: its texts, and its secrets looked up.
///
/// The result holds secrets in the clear: it is for the transform's `open` alone. A secret that is not
/// there is refused, and stands in the result as an empty text, so that its key can be checked.
pub fn resolve_config(
    spec: &PipelineSpec,
    sources: &SecretSources,
    refusals: &mut Vec<Refusal>,
) -> IndexMap<String, String> {
    let mut config = spec.config.clone();
    for (key, name) in &spec.secrets {
        match sources.resolve(name) {
            Ok(secret) => {
                config.insert(key.clone(), secret.expose().to_owned());
            }
            Err(found) => {
                config.insert(key.clone(), String::new());
                refusals.push(Refusal {
                    code: Code("secret-missing"),
                    field: format!("config.{key}"),
                    message: format!("the host has no secret `{name}`"),
                    found,
                    expected: "a file or an environment variable with the secret".to_owned(),
                    remedy: "Put the secret into the host's secrets folder (setting `secrets_dir`)."
                        .to_owned(),
                });
            }
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::pipeline_file::FileFormat;
    use crate::config::pipeline_file::parse;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert_eq!(serde_json::to_string(&secret).expect("text"), "\"(secret)\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_file_comes_before_the_environment_and_its_line_break_is_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("api-token"), "from file\n").expect("written");
        let environment = BTreeMap::from([
            ("WASMILL_SECRET_API_TOKEN".to_owned(), Secret::new("from environment")),
            ("WASMILL_SECRET_OTHER".to_owned(), Secret::new("other")),
        ]);
        let sources = SecretSources { dir: Some(dir.path().to_owned()), environment };
        assert_eq!(sources.resolve("api-token").expect("found").expose(), "from file");
        assert_eq!(sources.resolve("other").expect("found").expose(), "other");
        assert!(sources.resolve("none").expect_err("missing").contains("WASMILL_SECRET_NONE"));
        assert!(sources.resolve("../api-token").is_err());
    }

    #[test]
    fn a_missing_secret_refuses_the_pipeline_by_key() {
        let text = "
version: 1
name: p
transform: { name: t }
inputs: { in: { topic: in, value: raw } }
config: { plain: 'x', token: { secret: api-token } }
";
        let spec = parse(text, FileFormat::Yaml, None).expect("valid");
        let mut refusals = Vec::new();
        let config = resolve_config(&spec, &SecretSources::default(), &mut refusals);
        assert_eq!((refusals.len(), config["token"].as_str()), (1, ""));
        assert_eq!((refusals[0].code.0, refusals[0].field.as_str()), ("secret-missing", "config.token"));

        let environment = BTreeMap::from([("WASMILL_SECRET_API_TOKEN".to_owned(), Secret::new("s3cret"))]);
        refusals.clear();
        let sources = SecretSources { dir: None, environment };
        let config = resolve_config(&spec, &sources, &mut refusals);
        assert_eq!(refusals, []);
        assert_eq!(config["plain"], "x");
        assert_eq!(config["token"], "s3cret");
    }
}
