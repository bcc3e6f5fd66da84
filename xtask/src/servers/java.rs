//! How the Java servers are started: small heaps, quick starts.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;

/// Where Homebrew puts a Java that it does not link into `PATH`.
const HOMEBREW: [&str; 2] = ["/opt/homebrew/opt/openjdk/bin/java", "/usr/local/opt/openjdk/bin/java"];

/// `JAVA_HOME`'s java, else Homebrew's, else the one in `PATH`.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(home) = std::env::var_os("JAVA_HOME") {
        return Path::new(&home).join("bin/java");
    }
    // Before PATH: macOS has a `java` there that only says that there is none.
    let homebrew = HOMEBREW.iter().map(PathBuf::from).find(|java| java.exists());
    homebrew.unwrap_or_else(|| PathBuf::from("java"))
}

/// Java with the flags that suit a short life on a shared machine. `archive` is a class-data archive
/// to start from; a missing one, or one of another Java, only costs time.
pub(super) fn command(archive: Option<&Path>) -> Command {
    let mut java = Command::new(program());
    java.args([
        "-Xms64m",
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
    ]);
    if let Some(archive) = archive {
        java.arg("-Xshare:auto").arg(format!("-XX:SharedArchiveFile={}", archive.display()));
        // Otherwise it comments on every class that it may not share.
        java.arg("-Xlog:disable").arg("-Xlog:all=error:stderr");
    }
    java
}

/// Added to [`command`] for a server that is to be fast rather than soon there. The later flag wins.
pub(super) const FULL_SPEED: [&str; 2] = ["-XX:TieredStopAtLevel=4", "-Xmx1g"];

/// Java that writes the classes it has loaded to `archive` when it ends in good order.
pub(super) fn recording(archive: &Path) -> Command {
    let mut java = command(None);
    java.arg(format!("-XX:ArchiveClassesAtExit={}", archive.display()));
    java.arg("-Xlog:disable").arg("-Xlog:all=error:stderr");
    java
}

/// The name of the class-data archive of this Java: another Java cannot read it.
///
/// # Errors
/// There is no Java.
pub(super) fn archive_name() -> Result<String> {
    let mut java = Command::new(program());
    let output = java.arg("-version").output().context(
        "start `java -version`: the test servers need Java 17 or newer; run `cargo xtask setup --for test`",
    )?;
    Ok(format!("classes-{}.jsa", crate::cache::fingerprint(&output.stderr)))
}
