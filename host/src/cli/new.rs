//! `wasmill new`

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cli::exit::Failure;
use crate::cli::scaffold;
use crate::cli::show;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::TransformName;

/// Make a Rust project of a transform that builds and passes its test
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill new my-transform
  wasmill new my-transform --path transforms/mine

The project holds the sources of the SDK; it needs Rust, and the target wasm32-unknown-unknown for
the component.")]
pub(crate) struct New {
    /// Name of the project and its transform: a-z, 0-9 and `-`
    name: String,
    /// Folder to make [default: the name]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

impl New {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let folder = self.path.unwrap_or_else(|| PathBuf::from(&self.name));
        create(&self.name, &folder)?;
        show::done(&format!("made {}", folder.display()));
        let (folder, file) = (folder.display(), self.name.replace('-', "_"));
        anstream::println!(
            "\nNext:
  cd {folder}
  cargo test
  cargo build --release --target wasm32-unknown-unknown
  wasmill check target/wasm32-unknown-unknown/release/{file}.wasm
  wasmill apply -f pipeline.yaml        with a host running, for example `wasmill dev`"
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn create(name: &str, folder: &Path) -> Result<(), Failure> {
    let refused = |refusal| Failure::refused("the project cannot be made", vec![refusal]);
    check_name(name).map_err(refused)?;
    if folder.exists() && fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(refused(Refusal {
            code: Code("folder-not-empty"),
            field: "--path".to_owned(),
            message: "the folder of the project is there already".to_owned(),
            found: format!("`{}`, which is not an empty folder", folder.display()),
            expected: "a folder that is empty or not there".to_owned(),
            remedy: "Choose another with --path.".to_owned(),
        }));
    }
    for (path, text) in scaffold::files(name) {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("`{}` cannot be made", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    Ok(())
}

/// A name of a transform that is a name of a crate too.
fn check_name(name: &str) -> Result<(), Refusal> {
    const TAKEN: [&str; 12] = [
        "alloc",
        "core",
        "crate",
        "log",
        "proc-macro",
        "self",
        "std",
        "super",
        "test",
        "wasmill-sdk",
        "wasmill-sdk-macros",
        "wit-bindgen",
    ];
    let expected = if let Err(error) = TransformName::new(name) {
        error.to_string()
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || name.ends_with('-')
        || name.contains("--")
    {
        "a name of a crate: a letter first, and single `-` between words".to_owned()
    } else if TAKEN.contains(&name) || is_keyword(name) {
        "a name that has no meaning in Rust already".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal {
        code: Code("invalid-name"),
        field: "name".to_owned(),
        message: "this cannot be the name of a transform and its crate".to_owned(),
        found: format!("`{}`", name.chars().take(80).collect::<String>()),
        expected,
        remedy: "Choose another name, such as `my-transform`.".to_owned(),
    })
}

fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 38] = [
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
        "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
        "macro", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "true",
        "type", "use",
    ];
    KEYWORDS.contains(&name)
        || matches!(name, "try" | "typeof" | "unsafe" | "virtual" | "where" | "while" | "yield")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_new_project_is_one_that_cargo_understands() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("my-transform");
        create("my-transform", &folder).expect("made");
        // Nothing is fetched: the dependencies are read from the manifests alone.
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(&folder)
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(metadata["packages"][0]["name"], "my-transform");
        assert_eq!(metadata["packages"].as_array().map(Vec::len), Some(1));
        let vendored = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(folder.join("vendor/wasmill"))
            .output()
            .expect("cargo runs");
        assert!(vendored.status.success(), "{}", String::from_utf8_lossy(&vendored.stderr));
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        create("one", dir.path()).expect("an empty folder is taken");
        let Err(Failure::Refused { refusals, .. }) = create("one", dir.path()) else { panic!("not empty") };
        assert_eq!(refusals[0].code.0, "folder-not-empty");
    }

    #[test]
    fn names_that_are_no_crates_are_refused() {
        for bad in ["", "A", "a_b", "1a", "a-", "a--b", "-a", "std", "fn", "while", "wasmill-sdk"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        check_name("my-transform-2").expect("a name");
    }
}
