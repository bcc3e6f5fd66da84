use anyhow::Result;

use crate::command;

/// Builds the API documentation of our own crates; a broken link is an error.
///
/// # Errors
/// The documentation does not build.
pub fn doc() -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    command::run(&mut cargo)
}
