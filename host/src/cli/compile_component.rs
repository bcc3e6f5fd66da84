//! `wasmill compile-component`: the child process in which a host compiles an upload.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use crate::app;
use crate::cli::exit::Failure;

/// Compile a component (internal)
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct CompileComponent {
    /// As the parent process passes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl CompileComponent {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        Ok(app::compile_component(&self.arguments)?)
    }
}
