//! The guests under `guests/`, built to components.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Context;
use anyhow::Result;

/// Set by the test runner to the folder of the components it built.
const BUILT_GUESTS: &str = "WASMILL_TEST_GUESTS";

/// The component of the guest crate `name`, such as `payments-filter`. Builds all guests once per process
/// unless the test runner has done so.
///
/// # Errors
/// There is no guest of that name, or it does not build.
pub fn guest(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let dir = match std::env::var_os(BUILT_GUESTS) {
        Some(dir) => PathBuf::from(dir),
        None => {
            let built = BUILT.get_or_init(|| {
                xtask::guests::build_all().map_err(|error| format!("{error:#}"))?;
                Ok(xtask::guests::components_dir())
            });
            built.clone().map_err(anyhow::Error::msg)?
        }
    };
    let component = dir.join(format!("{name}.wasm"));
    component.is_file().then_some(component).with_context(|| {
        format!("no guest `{name}` in {}: is it a member of guests/Cargo.toml?", dir.display())
    })
}
