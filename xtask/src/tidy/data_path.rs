//! No panic on the data path: its modules deny the lints that find one.

use super::sources::SourceFile;
use super::violation::Violation;

/// The modules that handle records.
const MODULES: &[&str] = &[
    "codec", "kafka", "model", "pipeline", "sink", "source", "wasm", "worker",
];

const LINTS: &[&str] = &["unwrap_used", "expect_used", "indexing_slicing"];

/// The lints may be denied for the whole package, the whole crate, or in each module.
pub(super) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let text = |path: &str| {
        files
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
    };
    let manifest = text("host/Cargo.toml").unwrap_or_default();
    let root = text("host/src/lib.rs").unwrap_or_default();
    let mut found = Vec::new();
    for module in MODULES {
        let path = format!("host/src/{module}/mod.rs");
        let Some(source) = text(&path) else { continue };
        for lint in LINTS {
            let denied =
                in_manifest(manifest, lint) || in_attribute(root, lint) || in_attribute(source, lint);
            if !denied {
                let what = format!("`{module}` is on the data path and does not deny clippy::{lint}");
                let mend = format!("put `#![deny(clippy::{lint})]` into the module, or into host/src/lib.rs");
                found.push(Violation::new(&path, 1, what, mend));
            }
        }
    }
    found
}

fn in_manifest(manifest: &str, lint: &str) -> bool {
    manifest
        .lines()
        .any(|line| line.starts_with(lint) && (line.contains("\"deny\"") || line.contains("\"forbid\"")))
}

/// In an inner attribute `#![deny(...)]`, over one or more lines; also `#![cfg_attr(not(test), deny(...))]`.
fn in_attribute(source: &str, lint: &str) -> bool {
    let name = format!("clippy::{lint}");
    source.split("#![").skip(1).any(|rest| {
        let attribute = rest.split(")]").next().unwrap_or_default();
        let denies = attribute.contains("deny(") || attribute.contains("forbid(");
        denies && attribute.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::SourceFile;
    use super::check;

    fn count(manifest: &str, root: &str, module: &str) -> usize {
        let file = |path: &str, text: &str| SourceFile {
            path: path.into(),
            text: text.into(),
        };
        check(&[
            file("host/Cargo.toml", manifest),
            file("host/src/lib.rs", root),
            file("host/src/sink/mod.rs", module),
        ])
        .len()
    }

    #[test]
    fn the_lints_are_denied_somewhere() {
        let all = "#![deny(clippy::unwrap_used, clippy::expect_used,\n    clippy::indexing_slicing)]";
        assert_eq!(count("", "", ""), 3);
        assert_eq!(count("", "", all), 0);
        assert_eq!(count("", all, ""), 0);
        assert_eq!(
            count("unwrap_used = \"deny\"\n", "", "#![deny(clippy::expect_used)]"),
            1
        );
        assert_eq!(count("", "", "#![warn(clippy::unwrap_used)]"), 3);
    }
}
