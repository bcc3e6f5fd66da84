//! `wasmill dev`

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;

use crate::app;
use crate::app::DevOptions;
use crate::app::DevTopic;
use crate::cli::exit::Failure;
use crate::cli::settings_args::SettingsArgs;

/// Run everything in one process, to learn and try: broker, registry, API
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill dev
  wasmill dev --topic payments:4 --topic alerts
  wasmill dev --kafka localhost:9092 --registry http://localhost:8081

Without --kafka a small broker runs inside this process. It forgets everything at exit, keeps at
most 5 MiB or 100,000 message sets of a partition, and knows no exactly-once: pipelines on it run
at-least-once. Without --registry a registry runs inside this process.")]
pub(crate) struct Dev {
    /// Topic to create at the start, with its number of partitions (1 unless given); may be repeated
    #[arg(long = "topic", value_name = "NAME[:PARTITIONS]")]
    topics: Vec<DevTopic>,
    /// File to write the addresses to, as JSON, once everything is ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Dev {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let options = DevOptions { topics: self.topics, ready_file: self.ready_file };
        Ok(app::dev(self.settings.load()?, options)?)
    }
}

impl FromStr for DevTopic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, partitions) = text.split_once(':').unwrap_or((text, "1"));
        let partitions = partitions
            .parse()
            .ok()
            .filter(|n| (1..=1000).contains(n))
            .ok_or_else(|| format!("`{partitions}` is no number of partitions from 1 to 1000"))?;
        if name.is_empty() {
            return Err("the topic has no name".to_owned());
        }
        Ok(Self { name: name.to_owned(), partitions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_one_partition_unless_told() {
        let topic = |text: &str| text.parse::<DevTopic>();
        assert_eq!(topic("a"), Ok(DevTopic { name: "a".to_owned(), partitions: 1 }));
        assert_eq!(topic("a.b:4"), Ok(DevTopic { name: "a.b".to_owned(), partitions: 4 }));
        for bad in ["", ":1", "a:0", "a:x", "a:1001"] {
            assert!(topic(bad).is_err(), "{bad}");
        }
    }
}
