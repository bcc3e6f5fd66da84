//! What a new machine lacks: installed where that is possible, else named in one command.

mod requirement;
mod system;

use anyhow::Result;
use anyhow::bail;
use clap::ValueEnum;

use crate::command;
use crate::wasm_target;
use crate::wasm_target::Route;
use requirement::Requirement;
use system::System;

/// What the machine is set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Checking sources: a C and C++ compiler, rustfmt, clippy.
    Lint,
    /// Building, guests included: also the Wasm target.
    Guests,
    /// Running the demo: also Java, Maven and Kafka.
    Demo,
    /// The whole test suite: also the schema registry.
    Test,
}

impl Purpose {
    fn runs_servers(self) -> bool {
        matches!(self, Self::Demo | Self::Test)
    }
}

/// Checks for everything that `purpose` needs, and installs what is missing where it can: as root on Debian and
/// Ubuntu. Quick when nothing is missing.
///
/// # Errors
/// Something is missing and cannot be installed from here; the message has the one command that does.
pub fn run(purpose: Purpose) -> Result<()> {
    let missing = requirement::missing(purpose);
    if !missing.is_empty() {
        install(&missing)?;
        let still = requirement::missing(purpose);
        if !still.is_empty() {
            bail!("still missing after the installation: {}", names(&still));
        }
    }
    if purpose == Purpose::Lint {
        return components();
    }
    let route = wasm_route()?;
    eprintln!("Guests: {}", route.describe());
    if purpose.runs_servers() {
        crate::servers::install_kafka()?;
    }
    if purpose == Purpose::Test {
        crate::servers::install_registry()?;
    }
    Ok(())
}

fn names(missing: &[Requirement]) -> String {
    missing.iter().map(Requirement::name).collect::<Vec<_>>().join(", ")
}

fn install(missing: &[Requirement]) -> Result<()> {
    let system = System::of_this_machine();
    let packages = requirement::packages(missing, system);
    eprintln!("Missing: {}", names(missing));
    if !system.can_install() {
        bail!("missing: {}. Install with:\n\n    {}\n", names(missing), system.install_line(&packages));
    }
    system::apt_get_install(&packages)
}

/// rustup's minimal profile has neither rustfmt nor clippy.
fn components() -> Result<()> {
    for (component, arguments) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        let mut probe = command::cargo();
        if command::output(probe.args(arguments)).is_err() {
            let mut rustup = std::process::Command::new("rustup");
            rustup.args(["component", "add", component]).current_dir(crate::checkout::root());
            command::run(&mut rustup)?;
        }
    }
    Ok(())
}

fn wasm_route() -> Result<Route> {
    if let Some(route) = Route::ready()? {
        return Ok(route);
    }
    eprintln!("Adding the target {} with rustup", wasm_target::TARGET);
    if wasm_target::add_with_rustup()? {
        return Ok(Route::Rustup);
    }
    let system = System::of_this_machine();
    if system != System::Debian {
        bail!(
            "the Rust target {target} is missing and rustup could not add it. Try again where rustup reaches its \
             servers:\n\n    rustup target add {target}\n",
            target = wasm_target::TARGET
        );
    }
    if !wasm_target::debian_packages_installed() {
        eprintln!("rustup could not add it; taking Debian's compiler for the guests instead");
        if !system.can_install() {
            bail!(
                "the Rust target {} is missing and rustup could not add it. Install Debian's compiler for it, then \
                 run this again:\n\n    {}\n",
                wasm_target::TARGET,
                system.install_line(&wasm_target::DEBIAN_PACKAGES)
            );
        }
        system::apt_get_install(&wasm_target::DEBIAN_PACKAGES)?;
    }
    wasm_target::build_debian_sysroot()
}
