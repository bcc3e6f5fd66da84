//! The guests under `guests/`: built to core modules by cargo, then wrapped into components.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;
use wit_component::ComponentEncoder;

use crate::wasm_target::Route;
use crate::wasm_target::TARGET;

/// A guest crate of the workspace `guests/Cargo.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guest {
    /// The package, which names the component too.
    package: String,
    /// Its `cdylib`, which names the core module.
    library: String,
}

/// Builds every guest, and returns the paths of the components, sorted.
///
/// # Errors
/// As of [`build`].
pub fn build_all() -> Result<Vec<PathBuf>> {
    build(None)
}

/// Builds the guest of this package name, or all of them. What did not change is left alone.
///
/// # Errors
/// No compiler for the target is ready, there is no such guest, or one does not build.
pub fn build(only: Option<&str>) -> Result<Vec<PathBuf>> {
    let Some(route) = Route::ready()? else {
        bail!("no Rust compiler for {TARGET} is ready: run `cargo xtask setup`");
    };
    // One build at a time: cargo would wait too, but the components are written after it.
    let _lock = crate::cache::lock(&output_dir().join("lock"))?;
    let guests = guests(only)?;
    let mut cargo = crate::command::cargo();
    cargo
        .args(["build", "--release", "--quiet", "--target", TARGET, "--manifest-path"])
        .arg(manifest())
        .arg("--target-dir")
        .arg(output_dir().join("build"));
    for guest in &guests {
        cargo.args(["--package", &guest.package]);
    }
    route.apply(&mut cargo);
    crate::command::run(&mut cargo)?;
    fs::create_dir_all(components_dir()).context("create the folder of the components")?;
    guests.iter().map(encode).collect()
}

/// Where the components are: `<name of the package>.wasm`.
pub fn components_dir() -> PathBuf {
    output_dir().join("components")
}

/// The build folder of the guests' own tests, which run on the host.
pub fn host_build_dir() -> PathBuf {
    output_dir().join("host")
}

/// The manifest of the guests' workspace; they have their own lock file and profile.
pub fn manifest() -> PathBuf {
    crate::checkout::root().join("guests/Cargo.toml")
}

/// Beside the host's build, so that it is cached and cleaned with it, and two checkouts never share one.
fn output_dir() -> PathBuf {
    crate::checkout::target_dir().join("guests")
}

fn encode(guest: &Guest) -> Result<PathBuf> {
    let core =
        output_dir().join("build").join(TARGET).join("release").join(format!("{}.wasm", guest.library));
    let component = components_dir().join(format!("{}.wasm", guest.package));
    if is_newer(&component, &core) {
        return Ok(component);
    }
    let module = fs::read(&core).with_context(|| format!("read {}", core.display()))?;
    let bytes = componentize(&module).with_context(|| format!("wrap {} into a component", core.display()))?;
    // Renamed into place: a test that reads it meanwhile sees the old one or the new one.
    let partial = component.with_extension("partial");
    fs::write(&partial, bytes).with_context(|| format!("write {}", partial.display()))?;
    fs::rename(&partial, &component).with_context(|| format!("rename {}", partial.display()))?;
    Ok(component)
}

/// Wraps a core module, which carries its component type, into a component.
fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

fn is_newer(file: &Path, than: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|meta| meta.modified());
    matches!((modified(file), modified(than)), (Ok(file), Ok(than)) if file > than)
}

fn guests(only: Option<&str>) -> Result<Vec<Guest>> {
    let mut cargo = crate::command::cargo();
    cargo.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest());
    let metadata: Value = serde_json::from_str(&crate::command::output(&mut cargo)?)
        .context("parse what `cargo metadata` says of the guests")?;
    let mut guests = named(&metadata);
    guests.sort_by(|left, right| left.package.cmp(&right.package));
    if let Some(only) = only {
        let known = guests.iter().map(|guest| guest.package.clone()).collect::<Vec<_>>().join(", ");
        guests.retain(|guest| guest.package == only);
        if guests.is_empty() {
            bail!("there is no guest `{only}`; there are: {known}");
        }
    }
    Ok(guests)
}

/// The packages with a `cdylib`; others of that workspace are shared code.
fn named(metadata: &Value) -> Vec<Guest> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut guests = Vec::new();
    for package in list(metadata.get("packages")) {
        let library = list(package.get("targets")).iter().find_map(|target| {
            let kinds = list(target.get("crate_types"));
            kinds.contains(&Value::from("cdylib")).then(|| text(target, "name")).flatten()
        });
        if let (Some(package), Some(library)) = (text(&package, "name"), library) {
            guests.push(Guest { package, library: library.replace('-', "_") });
        }
    }
    guests
}

#[cfg(test)]
mod tests {
    use super::Guest;
    use super::named;

    #[test]
    fn guests_are_the_packages_with_a_cdylib() {
        let metadata = serde_json::json!({"packages": [
            {"name": "mask-fields", "targets": [
                {"name": "unit", "crate_types": ["bin"]},
                {"name": "mask-fields", "crate_types": ["cdylib", "rlib"]}]},
            {"name": "shared", "targets": [{"name": "shared", "crate_types": ["lib"]}]},
        ]});
        let expected = Guest { package: "mask-fields".into(), library: "mask_fields".into() };
        assert_eq!(named(&metadata), [expected]);
    }

    #[test]
    fn a_module_without_component_type_is_refused() {
        assert!(super::componentize(b"\0asm\x01\0\0\0 garbage").is_err());
    }
}
