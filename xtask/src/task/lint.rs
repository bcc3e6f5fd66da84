use anyhow::Result;

use crate::checkout;
use crate::command;
use crate::licences;
use crate::setup;
use crate::setup::Purpose;
use crate::task::fuzz_fmt;
use crate::task::guests_cargo;

/// Formatting, tidy, licences, then clippy: the quick ones first.
///
/// # Errors
/// The first check that fails.
pub fn lint() -> Result<()> {
    setup::run(Purpose::Lint)?;
    step("formatting (mend with `make fmt`)");
    command::run(command::cargo().args(["fmt", "--all", "--check"]))?;
    if let Some(mut cargo) = guests_cargo("fmt") {
        command::run(cargo.args(["--all", "--check"]))?;
    }
    command::run(fuzz_fmt().arg("--check"))?;
    step("tidy");
    crate::task::tidy()?;
    step("licences and sources of dependencies");
    licences::check(checkout::root())?;
    step("clippy");
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    command::run(command::cargo().args(clippy))?;
    if let Some(mut cargo) = guests_cargo("clippy") {
        step("clippy of the guests");
        command::run(cargo.args(["--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    }
    // A workspace of its own, which nothing else compiles. The flag is the one that `cargo fuzz` sets.
    step("fuzz targets");
    let manifest = checkout::root().join("fuzz/Cargo.toml");
    let check = ["check", "--lib", "--bins", "--locked", "--quiet", "--manifest-path"];
    command::run(command::cargo().args(check).arg(manifest).env("RUSTFLAGS", "--cfg fuzzing"))
}

fn step(name: &str) {
    eprintln!("lint: {name}");
}
