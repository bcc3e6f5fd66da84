use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;

use crate::setup;
use crate::setup::Purpose;

/// Builds guests to components, prints their paths, and copies them to `out` if that is given.
///
/// # Errors
/// A guest does not build, or cannot be copied.
pub fn guests(only: Option<&str>, out: Option<&Path>) -> Result<()> {
    setup::run(Purpose::Guests)?;
    for component in crate::guests::build(only)? {
        let shown = match (out, component.file_name()) {
            (Some(out), Some(name)) => {
                fs::create_dir_all(out).with_context(|| format!("create {}", out.display()))?;
                let copy = out.join(name);
                fs::copy(&component, &copy).with_context(|| format!("write {}", copy.display()))?;
                copy
            }
            _ => component,
        };
        println!("{}", shown.display());
    }
    Ok(())
}
