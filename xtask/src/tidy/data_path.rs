//! No panic on the data path: what it consists of denies the lints that find one.

use super::sources::SourceFile;
use super::violation::Violation;

/// The modules that handle records.
const MODULES: &[&str] =
    &["codec", "kafka", "model", "pipeline", "sink", "source", "state", "wasm", "worker"];

const LINTS: [&str; 3] = ["unwrap_used", "expect_used", "indexing_slicing"];

/// Packages of the data path as a whole.
const PACKAGES: &[&str] = &["registry-client"];

/// The lints may be denied for the whole package, the whole crate, or in each module.
pub(super) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let manifest = text("host/Cargo.toml").unwrap_or_default();
    let root = text("host/src/lib.rs").unwrap_or_default();
    let mut found = Vec::new();
    for module in MODULES {
        let path = format!("host/src/{module}/mod.rs");
        found.extend(check_root(module, &path, text(&path), &[manifest, root]));
    }
    for package in PACKAGES {
        let path = format!("{package}/src/lib.rs");
        let manifest = text(&format!("{package}/Cargo.toml")).unwrap_or_default();
        found.extend(check_root(package, &path, text(&path), &[manifest]));
    }
    found
}

/// `above` is what may deny the lints for it.
fn check_root(name: &str, path: &str, source: Option<&str>, above: &[&str]) -> Option<Violation> {
    let Some(source) = source else {
        let what = format!("`{name}` is on the data path, and is not here");
        return Some(Violation::new(path, 1, what, "correct the lists in xtask/src/tidy/data_path.rs"));
    };
    let denied = |lint: &&str| {
        in_attribute(source, lint)
            || above.iter().any(|text| in_manifest(text, lint) || in_attribute(text, lint))
    };
    let open: Vec<String> =
        LINTS.iter().filter(|lint| !denied(lint)).map(|lint| format!("clippy::{lint}")).collect();
    if open.is_empty() {
        return None;
    }
    let open = open.join(", ");
    let what = format!("`{name}` is on the data path and does not deny {open}");
    Some(Violation::new(
        path,
        1,
        what,
        format!("put `#![deny({open})]` there, or into the root of its crate"),
    ))
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
    use super::LINTS;
    use super::MODULES;
    use super::PACKAGES;
    use super::SourceFile;
    use super::check;

    const ALL: &str = "#![deny(clippy::unwrap_used, clippy::expect_used,\n    clippy::indexing_slicing)]";
    const NONE: &str = "clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing";

    /// A checkout in which only these files leave anything open.
    fn files(changed: &[(&str, &str)], without: Option<&str>) -> Vec<SourceFile> {
        let modules = MODULES.iter().map(|module| format!("host/src/{module}/mod.rs"));
        let packages = PACKAGES.iter().map(|package| format!("{package}/src/lib.rs"));
        let mut files: Vec<SourceFile> = modules
            .chain(packages)
            .filter(|path| Some(path.as_str()) != without)
            .map(|path| SourceFile { path, text: ALL.to_owned() })
            .collect();
        for (path, text) in changed {
            files.retain(|file| file.path != *path);
            files.push(SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
        }
        files
    }

    fn open(manifest: &str, root: &str, module: &str) -> String {
        let changed =
            [("host/Cargo.toml", manifest), ("host/src/lib.rs", root), ("host/src/sink/mod.rs", module)];
        let found = check(&files(&changed, None));
        let what = found.first().map(|violation| violation.what.as_str()).unwrap_or_default();
        what.rsplit("deny ").next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_lints_are_denied_somewhere() {
        assert_eq!(open("", "", ""), NONE);
        assert_eq!(open("", "", ALL), "");
        assert_eq!(open("", ALL, ""), "");
        assert_eq!(
            open("unwrap_used = \"deny\"\n", "", "#![deny(clippy::expect_used)]"),
            "clippy::indexing_slicing"
        );
        assert_eq!(open("", "", "#![warn(clippy::unwrap_used)]"), NONE);
    }

    #[test]
    fn a_package_of_the_data_path_denies_them_too() {
        let found = check(&files(&[("registry-client/src/lib.rs", "")], None));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].what.contains("`registry-client` is on the data path and does not deny"),
            "{found:?}"
        );
        let manifest = LINTS.map(|lint| format!("{lint} = \"deny\"\n")).concat();
        let changed = [("registry-client/src/lib.rs", ""), ("registry-client/Cargo.toml", manifest.as_str())];
        assert_eq!(check(&files(&changed, None)), []);
    }

    #[test]
    fn what_is_listed_has_to_be_there() {
        for path in ["host/src/wasm/mod.rs", "registry-client/src/lib.rs"] {
            let found = check(&files(&[], Some(path)));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].file == path && found[0].what.ends_with("and is not here"), "{found:?}");
        }
    }
}
