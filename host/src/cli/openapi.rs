//! `wasmill openapi`

use std::process::ExitCode;

use clap::Args;

use crate::app;
use crate::cli::exit::Failure;
use crate::config::pipeline_file;

/// Print the OpenAPI document of the HTTP API, or the JSON Schema of pipeline files
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill openapi > openapi.json
  wasmill openapi --pipeline-schema > pipeline.schema.json")]
pub(crate) struct Openapi {
    /// The JSON Schema of pipeline files instead, for editors
    #[arg(long)]
    pipeline_schema: bool,
}

impl Openapi {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let text = if self.pipeline_schema {
            serde_json::to_string_pretty(&pipeline_file::json_schema())?
        } else {
            app::openapi()?
        };
        anstream::println!("{text}");
        Ok(ExitCode::SUCCESS)
    }
}
