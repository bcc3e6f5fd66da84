//! Pythons with packages: the Kafka client of another make, and whatever else tests need.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// What is installed, as `pip` takes it.
const PACKAGES: [&str; 2] = ["confluent-kafka[avro,schemaregistry]==2.16.0", "fastavro==1.13.1"];
/// Changes with the packages.
const ENTRY: &str = "python-confluent-kafka-2.16.0";

/// An interpreter that has `confluent-kafka` with its serializers; installed once per machine.
///
/// # Errors
/// When Python 3 is missing or the packages cannot be fetched: the message has the commands to run.
pub fn python() -> Result<PathBuf> {
    Ok(environment(ENTRY, &PACKAGES)?.join("bin/python"))
}

/// A virtual environment with packages, which is an entry of the cache.
///
/// # Errors
/// As of [`python`].
pub(crate) fn environment(entry: &str, packages: &[&str]) -> Result<PathBuf> {
    xtask::cache::entry(entry, |dir| {
        eprintln!("Installing {} into a virtual environment", packages.join(" and "));
        install(dir, packages).with_context(|| {
            format!(
                "some tests need Python 3.9 or later with venv and pip. \
                 On Debian and Ubuntu: `apt-get install python3-venv`. Then try: \
                 `python3 -m venv /tmp/venv && /tmp/venv/bin/python -m pip install '{}'`",
                packages.join("' '")
            )
        })
    })
}

fn install(dir: &Path, packages: &[&str]) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(dir.join("bin/python")).args(pip).args(packages))
}

/// Runs a script and returns what it prints.
///
/// # Errors
/// When it fails; what it says is in the message.
pub fn run_python(script: &Path, arguments: &[&str]) -> Result<String> {
    run_for_output(Command::new(python()?).arg(script).args(arguments))
}

fn run(command: &mut Command) -> Result<()> {
    run_for_output(command).map(drop)
}

fn run_for_output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
