//! `ARCHITECTURE.md` names the modules of the host as they are.

use std::collections::BTreeSet;

use super::sources::SourceFile;
use super::violation::Violation;

const HOST: &str = "host/src/";
const MAP: &str = "ARCHITECTURE.md";

pub(super) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let Some(map) = files.iter().find(|file| file.path == MAP) else {
        let what = "there is no map of the modules";
        return vec![Violation::new(MAP, 1, what, "write it: every folder under host/src with its purpose")];
    };
    let folders = folders(files);
    let mut found = Vec::new();
    for folder in &folders {
        let name = folder.rsplit('/').next().unwrap_or(folder);
        if !map.text.lines().any(|line| names(line, &format!("{name}/"))) {
            let what = format!("the map does not name the module {HOST}{folder}/");
            found.push(Violation::new(MAP, 1, what, format!("add a line `{name}/` with its purpose")));
        }
    }
    for (number, line) in (1..).zip(map.text.lines()) {
        for named in line.split(HOST).skip(1) {
            let end = named.find(|c: char| !c.is_alphanumeric() && !"_/.".contains(c)).unwrap_or(named.len());
            let named = named.get(..end).unwrap_or_default().trim_end_matches(['/', '.']);
            let exists = named.is_empty()
                || folders.contains(named)
                || files.iter().any(|file| file.path.strip_prefix(HOST) == Some(named));
            if !exists {
                let what = format!("the map names {HOST}{named}, which does not exist");
                found.push(Violation::new(MAP, number, what, "correct the name, or delete it"));
            }
        }
    }
    found
}

fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

/// The folders under `host/src` that hold sources, relative to it.
fn folders(files: &[SourceFile]) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix(HOST).filter(|inside| inside.ends_with(".rs")) else {
            continue;
        };
        let mut folder = inside;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            folders.insert(parent.to_owned());
            folder = parent;
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::SourceFile;
    use super::check;

    fn found(map: &str) -> Vec<String> {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let files = [
            file("ARCHITECTURE.md", map),
            file("host/src/wasm/mod.rs", ""),
            file("host/src/wasm/imports/log.rs", ""),
            file("host/src/app.rs", ""),
        ];
        check(&files).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn every_folder_is_on_the_map() {
        assert!(found("  wasm/   runs guests: engine, imports/\n").is_empty());
        assert_eq!(
            found("  wasm/   runs guests"),
            ["the map does not name the module host/src/wasm/imports/"]
        );
        assert_eq!(found("nothing").len(), 2);
    }

    #[test]
    fn the_map_names_only_what_exists() {
        let map = "wasm/ imports/ `host/src/app.rs` and `host/src/wasm/`";
        assert!(found(map).is_empty());
        assert_eq!(
            found(&format!("{map} host/src/state")),
            ["the map names host/src/state, which does not exist"]
        );
    }

    #[test]
    fn a_missing_map_is_a_violation() {
        assert_eq!(check(&[]).len(), 1);
    }
}
