//! Gathers settings from their sources: defaults, then the file, then the environment, then
//! flags. Each source replaces single keys of those before it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use crate::config::secret::REDACTED;
use crate::config::secret::SECRET_ENV_PREFIX;
use crate::config::secret::Secret;
use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::settings::Effective;
use crate::config::settings::EffectiveRow;
use crate::config::settings_keys::KEYS;
use crate::config::settings_keys::Key;
use crate::config::settings_keys::Kind;
use crate::config::settings_keys::OTHER_VARIABLES;
use crate::config::settings_reader;
use crate::config::suggest;
use crate::config::tree::FileFormat;
use crate::config::tree::Node;
use crate::config::tree::Place;
use crate::config::tree::Value;
use crate::model::failure::Refusal;

/// What the settings are made of. Read once, by `main`; nothing below reads the environment.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// Path and text of the settings file.
    pub file: Option<(PathBuf, String)>,
    /// Every variable of the process; those of others are ignored.
    pub environment: Vec<(String, String)>,
    /// Flags: the flag as typed (`--listen`, `--set`), the key and the value.
    pub flags: Vec<(String, String, String)>,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    File { path: PathBuf, place: Place },
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, place } => write!(f, "file {}{place}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A key's value in one source.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) node: Node,
    pub(crate) origin: Origin,
    /// Order of the sources: a higher one wins.
    pub(crate) rank: u8,
}

/// The value of each key that some source sets.
pub(crate) type Values = BTreeMap<&'static str, Found>;

/// Puts the sources together and validates the whole.
///
/// # Errors
/// Every problem that can be found at once; at least one.
pub fn load(input: &Input) -> Result<Effective, Vec<Refusal>> {
    let mut problems = Problems::default();
    let mut values = Values::new();
    if let Some((path, text)) = &input.file {
        match Node::parse(text, FileFormat::Yaml) {
            // An empty file, or one of comments only.
            Ok(Node { value: Value::Null, .. }) => {}
            Ok(node) => read_file(path, &Item::root(&node), "", &mut values, &mut problems),
            Err(mut refusal) => {
                refusal.field = path.display().to_string();
                problems.list.push(*refusal);
            }
        }
    }
    let mut secrets = BTreeMap::new();
    for (variable, value) in &input.environment {
        read_variable(variable, value, &mut values, &mut secrets, &mut problems);
    }
    for (flag, key, value) in &input.flags {
        let Some(key) = Key::find(key) else {
            let known: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
            let remedy = suggest::remedy(key, &known);
            problems.add(
                "unknown-key",
                flag,
                "this is no setting",
                format!("`{key}`"),
                "a key of the settings",
                remedy,
            );
            continue;
        };
        let node = scalar(key.kind, value);
        values.insert(key.path, Found { node, origin: Origin::Flag(flag.clone()), rank: 3 });
    }
    let settings = settings_reader::read(&values, secrets, &mut problems);
    if problems.list.is_empty() {
        Ok(Effective { settings, rows: rows(&values) })
    } else {
        Err(problems.list)
    }
}

/// Takes the known keys below `prefix`, and refuses the others.
fn read_file(path: &Path, item: &Item<'_>, prefix: &str, values: &mut Values, problems: &mut Problems) {
    let mut seen: Vec<&str> = Vec::new();
    for (name, item) in item.entries(problems).unwrap_or_default() {
        let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        if seen.contains(&name) {
            item.problem(problems, "duplicate-key", "this key stands twice", "each key once", "Remove one.");
        }
        seen.push(name);
        if let Some(key) = Key::find(&full) {
            if item.node.value != Value::Null {
                let origin = Origin::File { path: path.to_owned(), place: item.node.place };
                values.insert(key.path, Found { node: item.node.clone(), origin, rank: 1 });
            }
            continue;
        }
        let below = format!("{full}.");
        if KEYS.iter().any(|key| key.path.starts_with(&below)) {
            if item.node.value != Value::Null {
                read_file(path, &item, &full, values, problems);
            }
            continue;
        }
        let known = siblings(prefix);
        let remedy = match suggest::nearest(name, known.iter().copied()) {
            Some(word) => format!("Did you mean `{word}`?"),
            None => "Remove the key.".to_owned(),
        };
        let message = format!("{} has a key that is not known{}", path.display(), item.key);
        let expected = format!("one of {}", suggest::list(&known));
        problems.add("unknown-key", &full, message, format!("the key `{name}`"), expected, remedy);
    }
}

/// The names that may stand directly below `prefix`.
fn siblings(prefix: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in KEYS {
        let rest = if prefix.is_empty() {
            Some(key.path)
        } else {
            key.path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'))
        };
        if let Some(name) = rest.and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn read_variable(
    variable: &str,
    value: &str,
    values: &mut Values,
    secrets: &mut BTreeMap<String, Secret>,
    problems: &mut Problems,
) {
    if !variable.starts_with("WASMILL_") || OTHER_VARIABLES.contains(&variable) {
        return;
    }
    if variable.starts_with(SECRET_ENV_PREFIX) {
        secrets.insert(variable.to_owned(), Secret::new(value));
        return;
    }
    let Some(key) = KEYS.iter().find(|key| key.variable() == variable) else {
        // Compared without the common beginning, which would make all of them look alike.
        let short = |variable: &str| variable.trim_start_matches("WASMILL_").to_owned();
        let known: Vec<String> = KEYS
            .iter()
            .map(|key| short(&key.variable()))
            .chain(OTHER_VARIABLES.iter().map(|v| short(v)))
            .collect();
        let remedy = match suggest::nearest(&short(variable), known.iter().map(String::as_str)) {
            Some(word) => format!("Did you mean `WASMILL_{word}`?"),
            None => "Remove the variable; `wasmill config` lists the settings.".to_owned(),
        };
        let message = "this environment variable is not known";
        problems.add(
            "unknown-variable",
            variable,
            message,
            format!("`{variable}`"),
            "a variable of a setting",
            remedy,
        );
        return;
    };
    // An empty variable is how containers unset one.
    if !value.is_empty() {
        let origin = Origin::Environment(variable.to_owned());
        values.insert(key.path, Found { node: scalar(key.kind, value), origin, rank: 2 });
    }
}

/// The value of a variable or flag, as the file would have it.
fn scalar(kind: Kind, text: &str) -> Node {
    let plain = |value: Value| Node { place: Place::default(), value };
    let value = match kind {
        Kind::Integer => text.trim().parse().map(Value::Integer),
        Kind::Boolean => match text.trim() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Ok(Value::Text(text.to_owned())),
        },
        Kind::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::List(items.map(|item| plain(Value::Text(item.to_owned()))).collect()))
        }
        Kind::Text | Kind::Path | Kind::Bytes | Kind::Secret => Ok(Value::Text(text.to_owned())),
    };
    plain(value.unwrap_or_else(|_| Value::Text(text.to_owned())))
}

fn rows(values: &Values) -> Vec<EffectiveRow> {
    let row = |key: &'static Key| match values.get(key.path) {
        Some(found) => {
            let value = if key.kind == Kind::Secret { REDACTED.to_owned() } else { shown(&found.node) };
            EffectiveRow { key: key.path, value: Some(value), source: found.origin.to_string() }
        }
        None => {
            let value = (!key.default.is_empty()).then(|| key.default.to_owned());
            let source = if value.is_some() { "default" } else { "not set" };
            EffectiveRow { key: key.path, value, source: source.to_owned() }
        }
    };
    KEYS.iter().map(row).collect()
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Map(_) => "(map)".to_owned(),
    }
}
