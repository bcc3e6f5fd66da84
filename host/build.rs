//! Embeds the Rust SDK and the contract, so that `wasmill new` needs no published crate.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default())
        .join("..")
        .canonicalize()?;
    let mut files = Vec::new();
    for folder in ["sdk/rust", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        collect(&root.join(folder), &mut files)?;
    }
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    files.sort();
    let mut table = String::from("pub(crate) const FILES: &[(&str, &str)] = &[\n");
    for file in &files {
        let relative = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let _ = writeln!(table, "    ({relative:?}, include_str!({:?})),", file.to_string_lossy());
    }
    table.push_str("];\n");
    let _ = writeln!(
        table,
        "pub(crate) const WORKSPACE_MANIFEST: &str = include_str!({:?});",
        root.join("Cargo.toml").to_string_lossy()
    );
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("sdk_files.rs"), table)
}

/// The sources below a folder: no tests, no build output, nothing hidden.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "tests" | "benches") && !name.starts_with('.') {
                collect(&path, files)?;
            }
        } else if ["rs", "toml", "wit", "json", "md"].iter().any(|kind| name.ends_with(&format!(".{kind}"))) {
            files.push(path);
        }
    }
    Ok(())
}
