//! One task per file. Each is a function that returns when the task is done.

mod bench;
mod demo;
mod doc;
mod fmt;
mod fuzz;
mod guests;
mod kafka;
mod lint;
mod registry;
mod soak;
mod test;
mod tidy;

pub use bench::bench;
pub use demo::demo;
pub use doc::doc;
pub use fmt::fmt;
pub use fuzz::fuzz;
pub use guests::guests;
pub use kafka::kafka;
pub use lint::lint;
pub use registry::registry;
pub use soak::soak;
pub use test::test;
pub use tidy::tidy;

use std::process::Command;

/// Cargo on the guests' workspace, for the host: `None` where this checkout has no guests.
fn guests_cargo(subcommand: &str) -> Option<Command> {
    let manifest = crate::guests::manifest();
    manifest.exists().then(|| {
        let mut cargo = crate::command::cargo();
        cargo.args([subcommand, "--manifest-path"]).arg(manifest);
        cargo.env("CARGO_TARGET_DIR", crate::guests::host_build_dir());
        cargo
    })
}

/// Cargo's formatter on the fuzz targets, which are a workspace of their own.
fn fuzz_fmt() -> Command {
    let mut cargo = crate::command::cargo();
    cargo.args(["fmt", "--manifest-path"]).arg(crate::checkout::root().join("fuzz/Cargo.toml"));
    cargo
}

/// Our crates whose speed is measured or shown. The profile of everyday work compiles them little
/// optimised, so that tests build fast.
const MEASURED: [&str; 6] = [
    "payments-filter",
    "wasmill",
    "wasmill-benches",
    "wasmill-registry-client",
    "wasmill-sdk",
    "wasmill-test-support",
];

/// Cargo with our crates compiled as for a release. The dependencies are so in every profile, and
/// stay as they are: nothing but our crates is built anew.
fn optimizing_cargo() -> Command {
    let mut cargo = crate::command::cargo();
    for package in MEASURED {
        for setting in ["opt-level=3", "codegen-units=1"] {
            cargo.arg("--config").arg(format!("profile.dev.package.{package}.{setting}"));
        }
    }
    // Incremental builds cut crates into pieces that are optimised apart.
    cargo.env("CARGO_INCREMENTAL", "0");
    cargo
}
