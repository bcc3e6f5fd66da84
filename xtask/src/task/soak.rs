use anyhow::Result;

use crate::command;
use crate::guests;
use crate::setup;
use crate::setup::Purpose;
use crate::suite::Suite;

/// The suite that lets hosts die.
const SUITE: &str = "state_model";

/// Lets hosts die at every step, so many times in all, and compares outputs and state with a model.
///
/// # Errors
/// Something does not build or start, or a comparison fails; the seed is in the output.
pub fn soak(deaths: u32) -> Result<()> {
    setup::run(Purpose::Test)?;
    guests::build_all()?;
    // With the whole workspace selected, so that nothing is built otherwise than by `cargo xtask test`.
    command::run(command::cargo().args(["build", "--workspace", "--bin", "wasmill"]))?;
    let soak = || {
        let mut cargo = command::cargo();
        cargo.args(["test", "--workspace", "--test", SUITE]);
        cargo
    };
    command::run(soak().arg("--no-run"))?;
    let suite = Suite::start()?;
    let mut soak = soak();
    suite.announce(&mut soak);
    soak.args(["--", "--nocapture"]).env("WASMILL_TEST_DEATHS", deaths.to_string());
    command::run(&mut soak)
}
