//! Downloads from Maven Central, through Maven itself: it knows the machine's mirrors and proxies.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;

const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";

/// Copies the runtime dependencies of the project `pom` into `dir`.
pub(super) fn copy_dependencies(pom: &Path, dir: &Path) -> Result<()> {
    let mut maven = maven(&format!("{PLUGIN}:copy-dependencies"));
    maven.arg("-f").arg(pom).arg("-DincludeScope=runtime");
    run(maven, dir)
}

/// Copies the one artifact `group:name:version:type:classifier` into `dir`.
pub(super) fn copy_artifact(artifact: &str, dir: &Path) -> Result<()> {
    let mut maven = maven(&format!("{PLUGIN}:copy"));
    // Away from the checkout, so that no pom.xml above it takes part.
    maven.current_dir(dir).arg(format!("-Dartifact={artifact}"));
    run(maven, dir)
}

fn maven(goal: &str) -> Command {
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "-Dstyle.color=never", goal]);
    maven
}

fn run(mut maven: Command, dir: &Path) -> Result<()> {
    maven.arg(format!("-DoutputDirectory={}", dir.display()));
    // Captured: Maven writes colour codes to the output even when told to be quiet.
    crate::command::output(&mut maven).context(
        "Maven could not download a test server: it needs Maven Central or a mirror of it in ~/.m2/settings.xml; \
         `cargo xtask setup --for test` checks for Maven and Java",
    )?;
    Ok(())
}
