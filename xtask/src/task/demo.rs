use std::process::Command;
use std::process::ExitStatus;

use anyhow::Context;
use anyhow::Result;

use crate::checkout;
use crate::command;
use crate::guests;
use crate::servers::KafkaServer;
use crate::setup;
use crate::setup::Purpose;
use crate::task::optimizing_cargo;

/// The guest of the first part, which the demo uploads.
const GUEST: &str = "payments-filter";
/// The guest with keyed state.
const TOTALS: &str = "running-totals";

/// Builds the host and the guests, starts a Kafka, and runs `wasmill demo`. Gives how that ended.
///
/// # Errors
/// Something does not build, or Kafka does not start.
pub fn demo(arguments: &[String]) -> Result<ExitStatus> {
    setup::run(Purpose::Demo)?;
    let component = |guest| {
        let built = guests::build(Some(guest))?;
        built.into_iter().next().with_context(|| format!("no component was built of {guest}"))
    };
    let (filter, totals) = (component(GUEST)?, component(TOTALS)?);
    eprintln!("Building wasmill");
    command::run(optimizing_cargo().args(["build", "--package", "wasmill", "--bin", "wasmill"]))?;
    eprintln!("Starting Kafka");
    let kafka = KafkaServer::start(None)?;
    let mut wasmill = Command::new(checkout::target_dir().join("debug/wasmill"));
    wasmill.arg("demo").arg("--component").arg(filter);
    wasmill.arg("--totals").arg(totals).arg("--totals-kafka").arg(kafka.address()).args(arguments);
    // Ctrl-c reaches both; Kafka ends with this process.
    wasmill.status().with_context(|| format!("start `{}`", command::line(&wasmill)))
}
