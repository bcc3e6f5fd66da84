//! One task per file. Each is a function that returns when the task is done.

mod bench;
mod demo;
mod doc;
mod fmt;
mod guests;
mod kafka;
mod lint;
mod registry;
mod test;
mod tidy;

pub use bench::bench;
pub use demo::demo;
pub use doc::doc;
pub use fmt::fmt;
pub use guests::guests;
pub use kafka::kafka;
pub use lint::lint;
pub use registry::registry;
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
