//! `wasmill componentize`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::app;
use crate::cli::exit::Failure;
use crate::cli::show;

/// Make a component of a core WebAssembly module
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo build --release --target wasm32-unknown-unknown
  wasmill componentize target/wasm32-unknown-unknown/release/my_transform.wasm -o my_transform.wasm

An upload does the same by itself: this command is for those who want the file.")]
pub(crate) struct Componentize {
    /// Module with component type information, as the SDKs build it
    #[arg(value_name = "MODULE")]
    module: PathBuf,
    /// Where to write the component
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Componentize {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let module =
            std::fs::read(&self.module).map_err(|error| Failure::unreadable(&self.module, &error))?;
        let what = format!("`{}` cannot be made a component", self.module.display());
        let component =
            app::componentize(&module).map_err(|refusal| Failure::refused(what, vec![refusal]))?;
        std::fs::write(&self.output, &component)
            .with_context(|| format!("`{}` cannot be written", self.output.display()))?;
        show::done(&format!("wrote {} ({} bytes)", self.output.display(), component.len()));
        Ok(ExitCode::SUCCESS)
    }
}
