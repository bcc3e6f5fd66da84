//! `docs/errors.md` names the codes of errors as they are: each of the code's, and none besides.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::sources::SourceFile;
use super::violation::Violation;

const DOCUMENT: &str = "docs/errors.md";
const SOURCES: [&str; 2] = ["host/src/", "registry-client/src/"];
/// What stands before the literal of a code.
const MAKERS: [&str; 6] = ["Code(", "Stop::new(", "Outage::new(", "problems.add(", "self.add(", " => "];

pub(super) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        let what = "there is no list of error codes";
        return vec![Violation::new(DOCUMENT, 1, what, "write it: every code, its meaning and its mending")];
    };
    let named: BTreeSet<&str> =
        document.text.split('`').skip(1).step_by(2).filter(|name| is_code(name)).collect();
    let mut found = Vec::new();
    for (code, (path, line)) in made(files) {
        if !named.contains(code) {
            let what = format!("the error code `{code}` is not in {DOCUMENT}");
            found.push(Violation::new(path, line, what, "describe it there: its meaning and its mending"));
        }
    }
    for (number, line) in (1..).zip(document.text.lines()) {
        let Some(first) = line.strip_prefix("| `").and_then(|row| row.split('|').next()) else {
            continue;
        };
        for code in first.split('`').step_by(2).filter(|name| is_code(name)) {
            let literal = format!("\"{code}\"");
            let sources = files.iter().filter(|file| is_source(&file.path));
            if !sources.into_iter().any(|file| file.text.contains(&literal)) {
                let what = format!("no error has the code `{code}`");
                found.push(Violation::new(DOCUMENT, number, what, "correct it, or delete it"));
            }
        }
    }
    found
}

/// The codes that the sources make, with a place of each.
fn made(files: &[SourceFile]) -> BTreeMap<&str, (&str, usize)> {
    let mut made = BTreeMap::new();
    for file in files.iter().filter(|file| is_source(&file.path) && !is_test(&file.path)) {
        let text = file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for maker in MAKERS {
            // Arms of a match make codes in functions of that name alone.
            let parts: Vec<(usize, &str)> = match maker {
                " => " => bodies(text, "fn code("),
                _ => vec![(0, text)],
            };
            for (start, part) in parts {
                for (at, _) in part.match_indices(maker) {
                    let after = part.get(at + maker.len()..).unwrap_or_default().trim_start();
                    let literal = after.strip_prefix('"').and_then(|after| after.split('"').next());
                    if let Some(code) = literal.filter(|literal| is_code(literal)) {
                        let before = text.get(..start + at).unwrap_or_default();
                        made.entry(code).or_insert((file.path.as_str(), before.matches('\n').count() + 1));
                    }
                }
            }
        }
    }
    made
}

/// The bodies of the functions that begin with `signature`, and where they start.
fn bodies<'t>(text: &'t str, signature: &str) -> Vec<(usize, &'t str)> {
    let starts = text.match_indices(signature).map(|(at, _)| at);
    starts
        .filter_map(|at| {
            let rest = text.get(at..)?;
            let end = rest.find("\n    }").or_else(|| rest.find("\n}")).unwrap_or(rest.len());
            Some((at, rest.get(..end)?))
        })
        .collect()
}

fn is_source(path: &str) -> bool {
    path.ends_with(".rs") && SOURCES.iter().any(|folder| path.starts_with(folder))
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.contains("fake")
}

/// Lower case words, joined by dashes.
fn is_code(name: &str) -> bool {
    name.contains('-')
        && name.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::SourceFile;
    use super::check;

    fn found(document: &str, source: &str) -> Vec<String> {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let files = [file("docs/errors.md", document), file("host/src/a.rs", source)];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn codes_are_documented_and_documented_codes_are_there() {
        let source = "Stop::new(\n  \"disk-full\", x)\nfn code() {\n match x { A => \"disk-away\" }\n}\nB => \"no-code\"";
        assert_eq!(found("| `disk-full`, `disk-away` | x `some-word` |", source), [""; 0]);
        let missing = found("| `disk-full` | x |", source);
        assert!(
            matches!(&missing[..], [one] if one.contains("a.rs:4") && one.contains("`disk-away`")),
            "{missing:?}"
        );
        let unknown = found("x\n| `disk-full`, `disk-away`, `disk-gone` | x |", source);
        assert!(matches!(&unknown[..], [one] if one.contains("errors.md:2") && one.contains("`disk-gone`")));
    }

    #[test]
    fn what_tests_make_is_not_asked_for() {
        assert_eq!(found("", "#[cfg(test)]\nmod tests {\n Code(\"made-up\")\n}"), [""; 0]);
    }
}
