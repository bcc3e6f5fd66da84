use anyhow::Result;

use crate::command;
use crate::guests;
use crate::setup;
use crate::setup::Purpose;
use crate::suite::Suite;

/// Runs the benches beside a real Kafka and a real registry; `arguments` go to the benches.
///
/// # Errors
/// Something does not build or start, or a bench fails.
pub fn bench(arguments: &[String]) -> Result<()> {
    setup::run(Purpose::Test)?;
    guests::build_all()?;
    command::run(command::cargo().args(["build", "--package", "wasmill", "--package", "wasmill-benches"]))?;
    let suite = Suite::start()?;
    eprintln!("{}", suite.describe());
    let mut benches = command::cargo();
    benches.args(["run", "--quiet", "--package", "wasmill-benches", "--"]).args(arguments);
    suite.announce(&mut benches);
    command::run(&mut benches)
}
