use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::checkout;
use crate::command;

/// What is in the checkout already and makes a good beginning, by target.
const SEEDS: &[(&str, &str)] = &[("pipeline_file", "deploy/pipelines")];

/// Lets each fuzz target, or the one of that name, look for failures for so many seconds.
///
/// # Errors
/// There is no cargo-fuzz or no such target, one does not build, or one has found something: cargo-fuzz
/// prints where it is and how to see it again.
pub fn fuzz(only: Option<&str>, seconds: u32) -> Result<()> {
    if !command::succeeds_within(command::cargo().args(["fuzz", "--version"]), Duration::from_secs(30)) {
        bail!("there is no cargo-fuzz: run `cargo install cargo-fuzz`");
    }
    let targets = targets(checkout::root())?;
    if let Some(only) = only
        && !targets.iter().any(|target| target == only)
    {
        bail!("there is no fuzz target `{only}`; there are {}", targets.join(", "));
    }
    for target in targets.iter().filter(|target| only.is_none_or(|only| *target == only)) {
        // The first folder is where it keeps what it learns.
        let corpus = checkout::root().join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).with_context(|| format!("create {}", corpus.display()))?;
        let seeds =
            SEEDS.iter().filter(|(of, _)| of == target).map(|(_, folder)| checkout::root().join(folder));
        let mut cargo = command::cargo();
        cargo.current_dir(checkout::root()).args(["fuzz", "run", target]).arg(corpus).args(seeds);
        cargo.args(["--", &format!("-max_total_time={seconds}")]);
        // Sanitizers are not stable, and the toolchain of this project is.
        command::run(cargo.env("RUSTC_BOOTSTRAP", "1"))?;
    }
    Ok(())
}

/// The names of the targets, sorted.
fn targets(root: &Path) -> Result<Vec<String>> {
    let dir = root.join("fuzz/fuzz_targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry.with_context(|| format!("read {}", dir.display()))?.path();
        targets.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_one_of_the_package_and_every_seed_is_there() {
        let manifest = fs::read_to_string(checkout::root().join("fuzz/Cargo.toml")).expect("read");
        let targets = targets(checkout::root()).expect("read");
        assert!(!targets.is_empty());
        for target in &targets {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
        }
        for (target, folder) in SEEDS {
            assert!(targets.contains(&(*target).to_owned()), "{target}");
            assert!(checkout::root().join(folder).is_dir(), "{folder}");
        }
    }
}
