//! `wasmill serve`

use std::process::ExitCode;

use clap::Args;

use crate::app;
use crate::cli::exit::Failure;
use crate::cli::settings_args::SettingsArgs;

/// Run a host with its HTTP API
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill serve --kafka broker:9092 --registry http://registry:8081
  wasmill serve --config /etc/wasmill/wasmill.yaml --log-format json
  wasmill serve --kafka broker:9092 --listen 0.0.0.0:8088 --set auth.token_file=/run/secrets/token

SIGTERM and SIGINT drain: every pipeline finishes its cycle, commits and stops.")]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Serve {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        Ok(app::serve(self.settings.load()?)?)
    }
}
