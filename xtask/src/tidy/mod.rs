//! The rules of the house that no compiler checks. `ARCHITECTURE.md` and `CONTRIBUTING.md` give the reasons.

mod data_path;
mod dependencies;
mod error_codes;
mod module_map;
mod rust_rules;
mod sources;
mod text_rules;
mod unsafe_files;
mod violation;

use std::path::Path;

use anyhow::Result;

pub use violation::Violation;

use sources::SourceFile;

/// Checks the checkout at `root`. Returns all violations, by file and line.
///
/// # Errors
/// A source cannot be read.
pub fn check(root: &Path) -> Result<Vec<Violation>> {
    let files = sources::tracked(root)?;
    let mut found = Vec::new();
    for file in &files {
        found.extend(check_file(file));
    }
    found.extend(module_map::check(&files));
    found.extend(data_path::check(&files));
    found.extend(unsafe_files::check(&files, |file| sources::blank_comments_and_strings(&file.text)));
    found.extend(error_codes::check(&files));
    found.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    Ok(found)
}

fn check_file(file: &SourceFile) -> Vec<Violation> {
    let mut found = text_rules::check(&file.path, &file.text);
    if file.path.ends_with(".rs") {
        let code = sources::blank_comments_and_strings(&file.text);
        found.extend(rust_rules::check(&file.path, &file.text, &code));
        found.extend(dependencies::check(&file.path, &code));
    }
    found
}
