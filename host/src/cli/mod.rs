//! The command line: one subcommand per file.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (a file, a setting or a request is
//! wrong), 4 the host cannot be reached.

mod api_client;
mod apply;
mod check;
mod compile_component;
mod componentize;
mod config;
mod demo;
mod dev;
mod exit;
mod new;
mod openapi;
mod pipeline_files;
mod progress;
mod run;
mod scaffold;
mod seek;
mod serve;
mod settings_args;
mod show;

use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

use crate::cli::exit::Failure;
use crate::config::settings::FAIL_POINT_VARIABLE;
use crate::model::fail_point;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Runs transforms, compiled to WebAssembly components, on Kafka streams.
#[derive(Debug, Parser)]
#[command(name = "wasmill", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  wasmill dev                     a playground in one process: broker, registry, API
  wasmill new my-transform        a Rust project that builds and passes its test
  wasmill apply -f pipeline.yaml  start a pipeline on a host
  wasmill run -f pipeline.yaml    run a pipeline without a control plane

Settings come from wasmill.yaml, then WASMILL_* variables, then flags; the later one wins.
`wasmill config` shows what they come to.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 host not reached.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Run(run::Run),
    Dev(dev::Dev),
    Apply(apply::Apply),
    Check(check::Check),
    Seek(seek::Seek),
    New(new::New),
    Componentize(componentize::Componentize),
    Openapi(openapi::Openapi),
    Config(config::Config),
    CompileComponent(compile_component::CompileComponent),
    Demo(demo::Demo),
}

/// Parses the arguments of the process and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    // One TLS implementation for every client of the process; only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    if let Err(failure) = arm_fail_point() {
        return failure.report();
    }
    let result = match arguments.command {
        Command::Serve(command) => command.execute(),
        Command::Run(command) => command.execute(),
        Command::Dev(command) => command.execute(),
        Command::Apply(command) => command.execute(),
        Command::Check(command) => command.execute(),
        Command::Seek(command) => command.execute(),
        Command::New(command) => command.execute(),
        Command::Componentize(command) => command.execute(),
        Command::Openapi(command) => command.execute(),
        Command::Config(command) => command.execute(),
        Command::CompileComponent(command) => command.execute(),
        Command::Demo(command) => command.execute(),
    };
    result.unwrap_or_else(|failure: Failure| failure.report())
}

/// Tests say where the process is to die.
fn arm_fail_point() -> Result<(), Failure> {
    let Some(text) = std::env::var_os(FAIL_POINT_VARIABLE) else {
        return Ok(());
    };
    fail_point::arm(&text.to_string_lossy()).map_err(|why| {
        let refusal = Refusal {
            code: Code("fail-point-unknown"),
            field: FAIL_POINT_VARIABLE.to_owned(),
            message: "it names no place at which to die".to_owned(),
            found: why,
            expected: "a place and a number, such as `offsets-sent:3`".to_owned(),
            remedy: "Unset the variable: it is for the tests of Wasmill alone.".to_owned(),
        };
        Failure::refused("the environment is wrong", vec![refusal])
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_visible_subcommand_has_an_about_and_an_example() {
        let mut root = Arguments::command();
        root.build();
        for command in root.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("wasmill {name}")), "{name} has no example");
        }
    }
}
