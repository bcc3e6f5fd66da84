use std::process::Command;

use anyhow::Result;

use crate::checkout;
use crate::command;
use crate::guests;
use crate::setup;
use crate::setup::Purpose;
use crate::suite::Suite;
use crate::task::optimizing_cargo;

/// Runs the benches beside a real Kafka and a real registry; `arguments` go to the benches.
///
/// # Errors
/// Something does not build or start, or a bench fails.
pub fn bench(arguments: &[String]) -> Result<()> {
    setup::run(Purpose::Test)?;
    guests::build_all()?;
    eprintln!("Building the host and the benches");
    // Together, so that both are built with one set of features.
    let packages = ["build", "--bins", "--package", "wasmill", "--package", "wasmill-benches"];
    command::run(optimizing_cargo().args(packages))?;
    let suite = Suite::start_for_benches()?;
    eprintln!("{}", suite.describe());
    let mut benches = Command::new(checkout::target_dir().join("debug/bench"));
    benches.args(arguments);
    suite.announce(&mut benches);
    command::run(&mut benches)
}
