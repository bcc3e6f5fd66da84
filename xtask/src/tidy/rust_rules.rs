//! Rules for one Rust file.

use super::violation::Violation;

const LINES_MAX: usize = 500;

/// Checks one file; `code` is `text` without comments and strings.
pub(super) fn check(path: &str, text: &str, code: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        let what = format!("{lines} lines; a file has at most {LINES_MAX}");
        found.push(Violation::new(path, LINES_MAX + 1, what, "split it by noun"));
    }
    for (number, line) in (1..).zip(code.lines()) {
        if line.trim_start().starts_with("#[ignore]") {
            let mend = "say why: #[ignore = \"...\"], or delete the test";
            found.push(Violation::new(path, number, "a test is ignored without a reason", mend));
        }
        for name in ["todo", "unimplemented"] {
            if calls_macro(line, name) {
                let what = format!("`{name}!` is a hole in the program");
                found.push(Violation::new(
                    path,
                    number,
                    what,
                    "write what is missing, or leave its place out",
                ));
            }
        }
    }
    found.extend(grouped_imports(path, code));
    found.extend(error_names(path, code));
    found
}

fn calls_macro(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line.get(at + name.len()..).unwrap_or_default();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
            && after.starts_with('!')
            && !after.starts_with("!=")
    })
}

/// `use crate::{a, b}` hides dependencies from a search for `use crate::a`.
fn grouped_imports(path: &str, code: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut lines = (1..).zip(code.lines());
    while let Some((number, line)) = lines.next() {
        let start = line.trim_start();
        let import = start.strip_prefix("pub ").unwrap_or(start);
        if !import.starts_with("use crate::") {
            continue;
        }
        let mut statement = import.to_owned();
        while !statement.contains(';') {
            let Some((_, more)) = lines.next() else { break };
            statement.push_str(more);
        }
        if statement.contains('{') {
            let mend = "write one `use crate::a::B;` for each item";
            found.push(Violation::new(path, number, "a grouped import of our own items", mend));
        }
    }
    found
}

/// An enum that derives or implements `Error` says so in its name. (A struct may be named after its one cause.)
fn error_names(path: &str, code: &str) -> Vec<Violation> {
    let implemented: Vec<&str> = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("impl "))
        .filter_map(|line| line.split_once("Error for ").map(|(_, name)| first_word(name)))
        .collect();
    let mut found = Vec::new();
    let mut derived = false;
    for (number, line) in (1..).zip(code.lines()) {
        let line = line.trim();
        if let Some(list) = line.strip_prefix("#[derive(") {
            derived |= list.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "Error");
        }
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
        let keyword = words.next();
        if !matches!(keyword, Some("enum" | "struct")) {
            continue;
        }
        let name = words.next().map(first_word).unwrap_or_default();
        let is_error = std::mem::take(&mut derived) || implemented.contains(&name);
        let is_named = name.ends_with("Error") || name.ends_with("Failure");
        if keyword == Some("enum") && is_error && !is_named {
            let what = format!("the error `{name}` is not named as one");
            found.push(Violation::new(path, number, what, "end its name in `Error` or `Failure`"));
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::sources::blank_comments_and_strings;

    fn whats(text: &str) -> Vec<String> {
        let code = blank_comments_and_strings(text);
        super::check("a.rs", text, &code).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn long_files_are_named() {
        assert!(whats(&"\n".repeat(500)).is_empty());
        assert_eq!(whats(&"\n".repeat(501)), ["501 lines; a file has at most 500"]);
    }

    #[test]
    fn ignored_tests_say_why() {
        assert_eq!(whats("    #[ignore]\nfn a() {}").len(), 1);
        assert!(whats("#[ignore = \"needs a second broker\"]\nfn a() {}").is_empty());
        assert!(whats("// #[ignore]").is_empty());
    }

    #[test]
    fn holes_are_found_in_code_only() {
        let hole = concat!("fn a() { to", "do!() }");
        assert_eq!(whats(hole).len(), 1);
        assert!(whats(&format!("// {hole}")).is_empty());
        assert!(whats("fn a() { not_todo!() }").is_empty());
        assert!(whats("if todo != 1 {}").is_empty());
    }

    #[test]
    fn imports_come_one_by_one() {
        assert_eq!(whats("use crate::{a, b};").len(), 1);
        assert_eq!(whats("pub use crate::a::{\n    B,\n    C,\n};").len(), 1);
        assert!(whats("use crate::a::B;\nfn f() { }").is_empty());
        assert!(whats("use std::{fs, io};").is_empty());
    }

    #[test]
    fn errors_are_named_as_such() {
        assert_eq!(whats("#[derive(Debug, thiserror::Error)]\npub enum Trouble {}").len(), 1);
        assert!(whats("#[derive(Debug, Error)]\n#[non_exhaustive]\npub enum SinkError { A }").is_empty());
        assert!(whats("#[derive(Debug)]\npub enum Blame {}").is_empty());
        assert!(whats("#[derive(Debug, Error)]\npub struct Outage;\npub enum Blame {}").is_empty());
        assert_eq!(whats("pub(crate) enum Trouble {}\nimpl std::error::Error for Trouble {}").len(), 1);
        assert!(whats("enum Failure {}\nimpl std::error::Error for Failure {}").is_empty());
    }
}
