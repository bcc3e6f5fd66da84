//! Where this checkout keeps its sources and its build output.

use std::path::Path;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The folder of the root `Cargo.toml`.
///
/// Cargo tells it to what it runs. What it told the compiler is second best: checkouts that share one
/// build folder also share what was compiled in another of them.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
        root.unwrap_or(&package).to_owned()
    });
    &ROOT
}

/// Cargo's build folder: `CARGO_TARGET_DIR`, else `target` in the checkout.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // Cargo reads a relative one from the current folder; tasks and tests run in different ones.
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}
