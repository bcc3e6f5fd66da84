//! `cargo xtask <task>`: see `cargo xtask help`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use xtask::setup;
use xtask::setup::Purpose;
use xtask::task;

/// Developer tasks of Wasmill.
///
/// Downloads and test servers live in ~/.cache/wasmill (WASMILL_CACHE names another folder), built guests beside
/// the rest of the build.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Check what this machine lacks, and install it or say how.
    Setup {
        /// What to set up for.
        #[arg(long = "for", value_enum, default_value_t = Purpose::Demo)]
        purpose: Purpose,
    },
    /// Build the guests to components, and print where they are.
    Guests {
        /// Only the guest of this package name.
        #[arg(long)]
        only: Option<String>,
        /// Also copy the components into this folder.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Run a private Kafka until ctrl-c; prints its address when it is ready.
    Kafka {
        /// Keep the data here. Default: a folder that goes with the broker.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Run a private schema registry until ctrl-c; prints its address when it answers.
    Registry {
        /// Keep the log here. Default: a folder that goes with the registry.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Run all tests beside a real Kafka and a real registry; the last line counts them.
    Test {
        /// Passed on to `cargo test`, such as `-p wasmill codec` or `-- --nocapture`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Formatting, tidy, licences, clippy.
    Lint,
    /// Check the rules of the house: dependencies between modules, file length, names of errors, ...
    Tidy,
    /// Format all sources.
    Fmt,
    /// Build the API documentation.
    Doc,
    /// Build everything and show a first transform at work.
    Demo {
        /// Passed on to `wasmill demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Let fuzz targets look for failures; needs cargo-fuzz.
    Fuzz {
        /// Only the target of this name.
        #[arg(long)]
        only: Option<String>,
        /// How long each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Let hosts die at every step while records flow, and compare outputs and state with a model.
    Soak {
        /// How many times, in all.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        deaths: u32,
    },
    /// Measure, beside a real Kafka and a real registry.
    Bench {
        /// Passed on to the benches.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup { purpose } => setup::run(purpose)?,
        Task::Guests { only, out } => task::guests(only.as_deref(), out.as_deref())?,
        Task::Kafka { data } => task::kafka(data.as_deref())?,
        Task::Registry { data } => task::registry(data.as_deref())?,
        Task::Test { arguments } => {
            if !task::test(&arguments)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Lint => task::lint()?,
        Task::Tidy => task::tidy()?,
        Task::Fmt => task::fmt()?,
        Task::Doc => task::doc()?,
        Task::Demo { arguments } => {
            let status = task::demo(&arguments)?;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        Task::Fuzz { only, seconds } => task::fuzz(only.as_deref(), seconds)?,
        Task::Soak { deaths } => task::soak(deaths)?,
        Task::Bench { arguments } => task::bench(&arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
