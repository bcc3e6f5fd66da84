//! `unsafe` is denied. This is the list of files that may lift it, each with what forces it to.

use super::sources::SourceFile;
use super::violation::Violation;

const ALLOWED: &[(&str, &str)] = &[
    ("benches/src/cpu_clock.rs", "clocks of the system"),
    ("benches/src/host_process.rs", "a child that dies with its parent"),
    ("benches/src/native_calls.rs", "librdkafka itself as the yardstick"),
    ("benches/src/native_raw.rs", "librdkafka itself as the yardstick"),
    ("benches/src/native_workload.rs", "clocks of the system"),
    ("host/src/kafka/mod.rs", "librdkafka"),
    ("host/src/wasm/columns/batch_out.rs", "traits of wasmtime"),
    ("host/src/wasm/columns/columns_in.rs", "traits of wasmtime"),
    ("host/src/wasm/loader.rs", "wasmtime's loading of native code"),
    ("sdk/rust/src/guest.rs", "bindings made by wit-bindgen"),
    ("tests/support/src/sidecar.rs", "signals, and a child that dies with its parent"),
];

/// `code` gives a file's text without comments and strings.
pub(super) fn check(files: &[SourceFile], code: impl Fn(&SourceFile) -> String) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let allowed = ALLOWED.iter().any(|(path, _)| *path == file.path);
        let lifted = (1..).zip(code(file).lines()).find(|(_, line)| lifts(line)).map(|(number, _)| number);
        match lifted {
            Some(number) if !allowed => {
                let what = "lifts `unsafe_code`, and is not among the files that may";
                let mend = "use a crate with a safe call; where there is none, add the file and why to xtask/src/tidy/unsafe_files.rs";
                found.push(Violation::new(&file.path, number, what, mend));
            }
            None if allowed => {
                let what = "may lift `unsafe_code`, and does not";
                found.push(Violation::new(&file.path, 1, what, "take it off xtask/src/tidy/unsafe_files.rs"));
            }
            _ => {}
        }
    }
    for (path, _) in ALLOWED {
        if !files.iter().any(|file| file.path == *path) {
            let mend = "take it off xtask/src/tidy/unsafe_files.rs";
            found.push(Violation::new(path, 1, "may lift `unsafe_code`, and is gone", mend));
        }
    }
    found
}

/// The lint's name stands in code for no other reason.
fn lifts(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe_code")
}

#[cfg(test)]
mod tests {
    use super::super::sources::blank_comments_and_strings;
    use super::ALLOWED;
    use super::SourceFile;

    fn whats(more: &[(&str, &str)], without: Option<&str>) -> Vec<String> {
        let lift = "#[expect(unsafe_code, reason = \"why\")]";
        let allowed =
            ALLOWED.iter().map(|(path, _)| (*path, lift)).filter(|(path, _)| Some(*path) != without);
        let files: Vec<SourceFile> = allowed
            .chain(more.iter().copied())
            .map(|(path, text)| SourceFile { path: path.into(), text: text.into() })
            .collect();
        let found = super::check(&files, |file| blank_comments_and_strings(&file.text));
        found.into_iter().map(|violation| format!("{}: {}", violation.file, violation.what)).collect()
    }

    #[test]
    fn only_listed_files_lift_it() {
        assert!(whats(&[("host/src/a.rs", "// unsafe_code\nlet a = \"unsafe_code\";")], None).is_empty());
        let lifting = "#![allow(\n    unsafe_code,\n)]";
        assert_eq!(whats(&[("host/src/a.rs", lifting)], None).len(), 1);
    }

    #[test]
    fn the_list_is_not_longer_than_it_must_be() {
        let path = ALLOWED[0].0;
        let gone = format!("{path}: may lift `unsafe_code`, and is gone");
        assert_eq!(whats(&[], Some(path)), [gone]);
        let needless = format!("{path}: may lift `unsafe_code`, and does not");
        assert_eq!(whats(&[(path, "fn main() {}")], Some(path)), [needless]);
    }
}
