//! The licences and sources of all dependencies, against the lists of `deny.toml`.
//!
//! `cargo deny check` reads the same file and checks more (advisories, duplicates). It takes minutes to install, so
//! `make lint` does not need it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

/// Where every dependency that is not ours comes from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks the dependencies that `Cargo.lock` names for the platforms of `deny.toml`.
///
/// # Errors
/// A dependency has a licence that is not allowed, or comes from elsewhere; the message names all of them.
pub fn check(root: &Path) -> Result<()> {
    let path = root.join("deny.toml");
    let rules = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let allowed: BTreeSet<String> = list(&rules, "licenses", "allow").into_iter().collect();
    let mut command = crate::command::cargo();
    command.args(["metadata", "--locked", "--format-version", "1"]);
    for platform in list(&rules, "graph", "targets") {
        command.args(["--filter-platform", &platform]);
    }
    let metadata: Value = serde_json::from_str(&crate::command::output(&mut command)?)
        .context("parse what `cargo metadata` says of the dependencies")?;
    let problems = problems(&metadata, &allowed);
    if !problems.is_empty() {
        bail!(
            "{}\nmend: take another crate, or allow the licence in deny.toml and say why",
            problems.join("\n")
        );
    }
    Ok(())
}

fn problems(metadata: &Value, allowed: &BTreeSet<String>) -> Vec<String> {
    let packages = metadata.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut problems = Vec::new();
    for package in &packages {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        let name = format!("{} {}", text("name").unwrap_or("?"), text("version").unwrap_or("?"));
        // Our own have no source.
        let Some(source) = text("source") else { continue };
        if source != REGISTRY {
            problems.push(format!("{name} comes from {source}, not from crates.io"));
        }
        match text("license") {
            Some(licence) if Expression::parse(licence).is_some_and(|parsed| parsed.holds(allowed)) => {}
            Some(licence) => {
                problems.push(format!("{name} has the licence `{licence}`, which is not allowed"));
            }
            None => problems.push(format!("{name} names no licence")),
        }
    }
    problems
}

/// The strings of `key = [...]` in the section `[section]` of a TOML file. Comments may stand on their own lines.
fn list(toml: &str, section: &str, key: &str) -> Vec<String> {
    let lines = toml.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let inside = lines.skip_while(|line| *line != format!("[{section}]")).skip(1);
    let body: Vec<&str> = inside.take_while(|line| !line.starts_with('[') || line.contains(',')).collect();
    let value = body.iter().position(|line| line.split('=').next().is_some_and(|name| name.trim() == key));
    let Some(value) = value else { return Vec::new() };
    let rest = body.get(value..).unwrap_or_default().join("\n");
    let Some((_, rest)) = rest.split_once('[') else {
        return Vec::new();
    };
    let items = rest.split(']').next().unwrap_or_default();
    items.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// An SPDX expression.
#[derive(Debug)]
enum Expression {
    /// A licence, with its exception if it has one: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    /// The user chooses.
    Any(Vec<Expression>),
    /// All of them bind.
    All(Vec<Expression>),
}

impl Expression {
    fn parse(text: &str) -> Option<Self> {
        // `MIT/Apache-2.0` is the old way to write OR.
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut words = spaced.split_whitespace().peekable();
        let parsed = Self::any(&mut words)?;
        words.next().is_none().then_some(parsed)
    }

    fn any<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Option<Self> {
        let mut choices = vec![Self::all(words)?];
        while words.next_if_eq(&"OR").is_some() {
            choices.push(Self::all(words)?);
        }
        Some(Self::Any(choices))
    }

    fn all<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Option<Self> {
        let mut parts = vec![Self::one(words)?];
        while words.next_if_eq(&"AND").is_some() {
            parts.push(Self::one(words)?);
        }
        Some(Self::All(parts))
    }

    fn one<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Option<Self> {
        let word = words.next()?;
        if word == "(" {
            let inner = Self::any(words)?;
            return words.next_if_eq(&")").map(|_| inner);
        }
        let mut licence = word.to_owned();
        if words.next_if_eq(&"WITH").is_some() {
            licence = format!("{licence} WITH {}", words.next()?);
        }
        Some(Self::Licence(licence))
    }

    fn holds(&self, allowed: &BTreeSet<String>) -> bool {
        match self {
            Self::Licence(name) => allowed.contains(name),
            Self::Any(choices) => choices.iter().any(|choice| choice.holds(allowed)),
            Self::All(parts) => parts.iter().all(|part| part.holds(allowed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Expression;
    use super::REGISTRY;
    use super::list;
    use super::problems;

    fn holds(expression: &str) -> bool {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
        Expression::parse(expression).is_some_and(|parsed| parsed.holds(&allowed))
    }

    #[test]
    fn expressions_are_judged() {
        assert!(holds("MIT OR Apache-2.0") && holds("MIT/GPL-3.0") && holds("GPL-3.0 OR MIT"));
        assert!(holds("Apache-2.0 WITH LLVM-exception OR GPL-2.0"));
        assert!(holds("(MIT OR GPL-3.0) AND Apache-2.0"));
        assert!(!holds("MIT AND GPL-3.0") && !holds("GPL-3.0") && !holds("MIT WITH other-exception"));
        assert!(!holds("MIT OR") && !holds("(MIT") && !holds(""));
    }

    #[test]
    fn lists_are_read_from_their_section() {
        let toml = "[graph]\ntargets = [\"a\"]\n[licenses]\n# \"GPL-3.0\"\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\n[bans]\nallow = [\"x\"]\n";
        assert_eq!(list(toml, "licenses", "allow"), ["MIT", "ISC"]);
        assert_eq!(list(toml, "graph", "targets"), ["a"]);
        assert!(list(toml, "licenses", "deny").is_empty());
    }

    #[test]
    fn strangers_are_named() {
        let metadata = serde_json::json!({"packages": [
            {"name": "ours", "version": "0.1.0", "source": null, "license": null},
            {"name": "good", "version": "1.0.0", "source": REGISTRY, "license": "MIT"},
            {"name": "far", "version": "1.0.0", "source": "git+https://example.com", "license": "MIT"},
            {"name": "odd", "version": "2.0.0", "source": REGISTRY, "license": "GPL-3.0"},
            {"name": "mute", "version": "3.0.0", "source": REGISTRY, "license": null},
        ]});
        let found = problems(&metadata, &["MIT".to_owned()].into());
        assert_eq!(found.len(), 3);
        assert!(
            found[0].starts_with("far 1.0.0 comes from") && found[1].starts_with("odd 2.0.0 has the licence")
        );
        assert_eq!(found[2], "mute 3.0.0 names no licence");
    }
}
