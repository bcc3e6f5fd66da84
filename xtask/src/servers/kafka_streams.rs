//! Kafka Streams, which no server needs: a bench compares with it.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use super::kafka::KAFKA_VERSION;
use super::maven;

const POM: &str = include_str!("../../assets/kafka-streams/pom.xml");

/// Fetches Kafka Streams unless it is there; the folder of its jars.
///
/// # Errors
/// Maven is missing, or Maven Central cannot be reached.
pub fn install() -> Result<PathBuf> {
    let home = crate::cache::entry(&format!("kafka-streams-{KAFKA_VERSION}"), |dir| {
        eprintln!("Fetching Kafka Streams {KAFKA_VERSION} from Maven Central (90 MB)");
        let pom = dir.join("pom.xml");
        fs::write(&pom, POM).context("write pom.xml")?;
        maven::copy_dependencies(&pom, &dir.join("libs"))
    })?;
    Ok(home.join("libs"))
}
