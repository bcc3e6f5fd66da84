//! Where this checkout keeps its sources and its build output.

use std::path::Path;
use std::path::PathBuf;

/// The folder of the root `Cargo.toml`.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Cargo's build folder: `CARGO_TARGET_DIR`, else `target` in the checkout.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // Cargo reads a relative one from the current folder; tasks and tests run in different ones.
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}
