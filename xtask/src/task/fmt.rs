use anyhow::Result;

use crate::command;
use crate::task::fuzz_fmt;
use crate::task::guests_cargo;

/// Formats all Rust sources, the guests' and the fuzz targets' included.
///
/// # Errors
/// A source does not parse.
pub fn fmt() -> Result<()> {
    command::run(command::cargo().args(["fmt", "--all"]))?;
    if let Some(mut cargo) = guests_cargo("fmt") {
        command::run(cargo.arg("--all"))?;
    }
    command::run(&mut fuzz_fmt())
}
