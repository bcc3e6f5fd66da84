//! No panic on the data path: its modules deny the lints that find one.

use super::sources::SourceFile;
use super::violation::Violation;

/// The modules that handle records.
const MODULES: &[&str] =
    &["codec", "kafka", "model", "pipeline", "sink", "source", "state", "wasm", "worker"];

const LINTS: &[&str] = &["unwrap_used", "expect_used", "indexing_slicing"];

/// The lints may be denied for the whole package, the whole crate, or in each module.
pub(super) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let manifest = text("host/Cargo.toml").unwrap_or_default();
    let root = text("host/src/lib.rs").unwrap_or_default();
    let mut found = Vec::new();
    for module in MODULES {
        let path = format!("host/src/{module}/mod.rs");
        let Some(source) = text(&path) else { continue };
        let denied = |lint: &&str| {
            in_manifest(manifest, lint) || in_attribute(root, lint) || in_attribute(source, lint)
        };
        let open: Vec<String> =
            LINTS.iter().filter(|lint| !denied(lint)).map(|lint| format!("clippy::{lint}")).collect();
        if !open.is_empty() {
            let open = open.join(", ");
            let what = format!("`{module}` is on the data path and does not deny {open}");
            let mend = format!("put `#![deny({open})]` into the module, or into host/src/lib.rs");
            found.push(Violation::new(&path, 1, what, mend));
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

    fn open(manifest: &str, root: &str, module: &str) -> String {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let files = [
            file("host/Cargo.toml", manifest),
            file("host/src/lib.rs", root),
            file("host/src/sink/mod.rs", module),
        ];
        let found = check(&files);
        let what = found.first().map(|violation| violation.what.as_str()).unwrap_or_default();
        what.rsplit("deny ").next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_lints_are_denied_somewhere() {
        let all = "#![deny(clippy::unwrap_used, clippy::expect_used,\n    clippy::indexing_slicing)]";
        let none = "clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing";
        assert_eq!(open("", "", ""), none);
        assert_eq!(open("", "", all), "");
        assert_eq!(open("", all, ""), "");
        assert_eq!(
            open("unwrap_used = \"deny\"\n", "", "#![deny(clippy::expect_used)]"),
            "clippy::indexing_slicing"
        );
        assert_eq!(open("", "", "#![warn(clippy::unwrap_used)]"), none);
    }
}
