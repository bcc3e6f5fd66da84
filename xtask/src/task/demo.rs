use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;

use crate::checkout;
use crate::command;
use crate::guests;
use crate::setup;
use crate::setup::Purpose;
use crate::task::optimizing_cargo;

/// The guest that the demo uploads.
const GUEST: &str = "payments-filter";

/// Builds the host and the payments guest, and becomes `wasmill demo`.
///
/// # Errors
/// Something does not build. Once the demo runs, its exit code is the task's.
pub fn demo(arguments: &[String]) -> Result<()> {
    setup::run(Purpose::Demo)?;
    let components = guests::build(Some(GUEST))?;
    let component = components.first().with_context(|| format!("no component was built of {GUEST}"))?;
    eprintln!("Building wasmill");
    command::run(optimizing_cargo().args(["build", "--package", "wasmill", "--bin", "wasmill"]))?;
    let mut wasmill = Command::new(checkout::target_dir().join("debug/wasmill"));
    wasmill.arg("demo").arg("--component").arg(component).args(arguments);
    // In place of this process: signals and the exit code are the demo's own.
    Err(wasmill.exec()).with_context(|| format!("start `{}`", command::line(&wasmill)))
}
