use anyhow::Result;

use crate::command;
use crate::task::guests_cargo;

/// Formats all Rust sources, the guests' included.
///
/// # Errors
/// A source does not parse.
pub fn fmt() -> Result<()> {
    command::run(command::cargo().args(["fmt", "--all"]))?;
    if let Some(mut cargo) = guests_cargo("fmt") {
        command::run(cargo.arg("--all"))?;
    }
    Ok(())
}
