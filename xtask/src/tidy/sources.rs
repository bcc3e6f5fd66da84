//! The files that are checked, and their code without comments and strings.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;

/// A text file of the checkout.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Relative to the checkout, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// What git tracks or would track; without git, all files but build output. Files that are no text are left out.
pub(super) fn tracked(root: &Path) -> Result<Vec<SourceFile>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let mut paths: Vec<String> = match crate::command::output(&mut git) {
        Ok(list) => list.lines().map(str::to_owned).collect(),
        Err(_) => walk(root)?,
    };
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let absolute = root.join(&path);
        // Deleted but not yet committed, or a link to a folder.
        if !absolute.is_file() {
            continue;
        }
        let bytes = std::fs::read(&absolute).with_context(|| format!("read {}", absolute.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path, text });
        }
    }
    Ok(files)
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let output = |name: &str| matches!(name, ".git" | "target" | "node_modules");
    let entries = walkdir::WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| !entry.file_name().to_str().is_some_and(output));
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", root.display()))?;
        if let Ok(path) = entry.path().strip_prefix(root)
            && entry.file_type().is_file()
        {
            paths.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(paths)
}

/// The Rust source with every character of a comment or a literal's inside turned to a blank. Lines stay lines.
pub(super) fn blank_comments_and_strings(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped(&chars, at);
        if end == at {
            code.extend(chars.get(at));
            at += 1;
            continue;
        }
        code.extend(
            chars.get(at..end).unwrap_or_default().iter().map(|c| if *c == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none starts there.
fn skipped(chars: &[char], at: usize) -> usize {
    let is = |offset: usize, wanted: char| chars.get(at + offset) == Some(&wanted);
    let in_word = at > 0 && chars.get(at - 1).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    if is(0, '/') && is(1, '/') {
        return chars.iter().skip(at).position(|c| *c == '\n').map_or(chars.len(), |length| at + length);
    }
    if is(0, '/') && is(1, '*') {
        return block_comment(chars, at);
    }
    if is(0, '"') {
        return quoted(chars, at + 1, '"');
    }
    // `'a'` and `'\n'` are characters; `'a` is a lifetime.
    if is(0, '\'') && (is(1, '\\') || is(2, '\'')) {
        return quoted(chars, at + 1, '\'');
    }
    if is(0, 'r') && (!in_word || at > 0 && matches!(chars.get(at - 1), Some('b' | 'c'))) {
        return raw_string(chars, at).unwrap_or(at);
    }
    at
}

fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('/'), Some('*')) => (depth, at) = (depth + 1, at + 2),
            (Some('*'), Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn quoted(chars: &[char], mut at: usize, end: char) -> usize {
    while let Some(c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            c if *c == end => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars.iter().skip(at + 1).take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |quote: &usize| {
        chars.get(*quote) == Some(&'"')
            && chars.iter().skip(quote + 1).take(hashes).filter(|c| **c == '#').count() == hashes
    };
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |quote| quote + 1 + hashes))
}

#[cfg(test)]
mod tests {
    use super::blank_comments_and_strings;

    fn words(source: &str) -> String {
        blank_comments_and_strings(source).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_go() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), "a c g");
    }

    #[test]
    fn literals_go_and_lifetimes_stay() {
        assert_eq!(words(r##"f("a \" b", 'c', '\'', b"d", r#"e " f"#, br"g") h"##), "f( , , , b , , b ) h");
        assert_eq!(words("fn x<'a>(y: &'a str) {}"), "fn x<'a>(y: &'a str) {}");
        assert_eq!(words("for r in rows { r#type }"), "for r in rows { r#type }");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(blank_comments_and_strings("\"a\nb\"\nc").lines().count(), 3);
    }
}
