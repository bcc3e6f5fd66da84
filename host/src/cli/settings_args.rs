//! The flags that every command with host settings takes.

use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;

use crate::cli::exit::Failure;
use crate::config::settings;
use crate::config::settings::Effective;
use crate::config::settings::Input;
use crate::config::settings::LogFormat;
use crate::config::settings::Settings;
use crate::telemetry::init;
use crate::telemetry::init::LogOutput;

/// Read when no file is named and it is there.
const DEFAULT_FILE: &str = "wasmill.yaml";

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings (they win over WASMILL_* variables and the file)")]
pub(crate) struct SettingsArgs {
    /// Settings file [default: wasmill.yaml, if it is there]
    #[arg(long, value_name = "FILE", env = "WASMILL_CONFIG")]
    config: Option<PathBuf>,
    /// Address of the API, health and metrics [default: 127.0.0.1:8088]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,
    /// Brokers, separated by commas
    #[arg(long, value_name = "HOST:PORT,...")]
    kafka: Option<String>,
    /// Schema registry, addresses separated by commas
    #[arg(long, value_name = "URL,...")]
    registry: Option<String>,
    /// Folder of uploads, pipelines and compiled code [default: wasmill-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Identity of this host in consumer groups and transactions
    #[arg(long, value_name = "NAME")]
    host_id: Option<String>,
    /// Form of the log
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormatArg>,
    /// Level of the log, or directives such as info,wasmill::source=debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How long a stop may take to finish and commit [default: 25000]
    #[arg(long, value_name = "MS")]
    drain_deadline_ms: Option<String>,
    /// Any other setting, as `wasmill config` lists them; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormatArg {
    Text,
    Json,
}

impl SettingsArgs {
    /// The settings with their sources.
    pub(crate) fn effective(&self) -> Result<Effective, Failure> {
        let path = match &self.config {
            Some(path) => Some(path.clone()),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
        };
        let file = match path {
            Some(path) => {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| Failure::unreadable(&path, &error))?;
                Some((path, text))
            }
            None => None,
        };
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let input = Input { file, environment, flags: self.flags() };
        settings::load(&input).map_err(|refusals| Failure::refused("the settings are wrong", refusals))
    }

    /// The settings; logging is started as they say.
    pub(crate) fn load(&self) -> Result<Settings, Failure> {
        let settings = self.effective()?.settings;
        let output = match settings.log.format {
            LogFormat::Text => LogOutput::Text,
            LogFormat::Json => LogOutput::Json,
        };
        init::init(output, &settings.log.level)?;
        Ok(settings)
    }

    fn flags(&self) -> Vec<(String, String, String)> {
        let log_format = self.log_format.map(|format| match format {
            LogFormatArg::Text => "text".to_owned(),
            LogFormatArg::Json => "json".to_owned(),
        });
        let named = [
            ("--listen", "listen", &self.listen),
            ("--kafka", "kafka.brokers", &self.kafka),
            ("--registry", "registry.urls", &self.registry),
            ("--data-dir", "data_dir", &self.data_dir),
            ("--host-id", "host_id", &self.host_id),
            ("--log-format", "log.format", &log_format),
            ("--log-level", "log.level", &self.log_level),
            ("--drain-deadline-ms", "drain.deadline_ms", &self.drain_deadline_ms),
        ];
        let mut flags = Vec::new();
        for (key, value) in &self.set {
            flags.push(("--set".to_owned(), key.clone(), value.clone()));
        }
        // After `--set`: a flag of its own wins.
        for (flag, key, value) in named {
            if let Some(value) = value {
                flags.push((flag.to_owned(), key.to_owned(), value.clone()));
            }
        }
        flags
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("there is no `=`; write `--set key=value`")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
