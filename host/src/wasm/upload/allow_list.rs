//! What a component may import: our interfaces, and nothing else.

use crate::model::failure::Refusal;
use crate::wasm::imports::CONTRACT_VERSION;
use crate::wasm::imports::INTERFACES;
use crate::wasm::upload::refusal::refuse;
use crate::wasm::upload::structure::Kind;
use crate::wasm::upload::structure::Structure;

/// The package of the contract.
const PACKAGE: &str = "wasmill:transform/";
/// The versions that this host links: every patch of 0.1.
const VERSION_PREFIX: &str = "0.1.";

/// Checks imports and the handlers' exports by name. Types are checked when the component is linked.
///
/// # Errors
/// `import-forbidden`, `import-version`, `export-missing`, `export-version`.
pub fn check(structure: &Structure) -> Result<(), Refusal> {
    for (interface, function) in &structure.imports {
        check_import(interface, function, structure.kind)?;
    }
    if structure.kind == Kind::CoreModule {
        return Ok(());
    }
    check_exports(&structure.exports)
}

fn check_import(interface: &str, function: &str, kind: Kind) -> Result<(), Refusal> {
    if let Some((name, version)) = ours(interface)
        && INTERFACES.contains(&name)
    {
        if version.starts_with(VERSION_PREFIX) {
            return Ok(());
        }
        return Err(refuse(
            "import-version",
            format!("component.imports.{interface}"),
            "the component was built for another version of the contract",
            format!("`{interface}`"),
            format!("version {VERSION_PREFIX}x of `{PACKAGE}{name}`"),
            "Build it with the SDK that belongs to this host, or run a host that knows that version.",
        ));
    }
    let found = if function.is_empty() || kind == Kind::Component {
        format!("`{interface}`")
    } else {
        format!("`{interface}` (`{function}`)")
    };
    Err(refuse(
        "import-forbidden",
        format!("component.imports.{interface}"),
        "the component imports what no transform is given",
        found,
        format!("imports of `{PACKAGE}{{{}}}` alone", INTERFACES.join(", ")),
        remedy(interface),
    ))
}

fn remedy(interface: &str) -> &'static str {
    if interface.starts_with("wasi:")
        || interface.starts_with("wasi_snapshot_preview1")
        || interface == "wasi_unstable"
    {
        "Build without WASI: in Rust for the target `wasm32-unknown-unknown`; in Python with `componentize-py ... --stub-wasi`; in JavaScript with every WASI feature disabled; in Go and C with the SDK's stub adapter. Time comes from `clock`, log lines go to `log`, settings come from `config`."
    } else if interface == "env" {
        "Link every function that your code calls: an import from `env` is a function that the linker did not find."
    } else if interface.starts_with("wasmill:") {
        "Remove it, or run a host that offers it: interfaces of this version are listed in `wit/`."
    } else {
        "Remove the dependency that needs it."
    }
}

fn check_exports(exports: &[String]) -> Result<(), Refusal> {
    // Which interface a transform exports beside `handler` is its own affair; that it is called
    // with another version of one is not.
    match find_export(exports, "timer-handler") {
        Found::Other(version) => return Err(other_version("timer-handler", version)),
        Found::Ours | Found::None => {}
    }
    match find_export(exports, "handler") {
        Found::Ours => Ok(()),
        Found::Other(version) => Err(other_version("handler", version)),
        Found::None => Err(refuse(
            "export-missing",
            "component.exports",
            "this is a component, but no transform of Wasmill",
            if exports.is_empty() { "no exported interface".to_owned() } else { format!("{exports:?}") },
            format!("an export of `{PACKAGE}handler@{CONTRACT_VERSION}`"),
            "Use an SDK (`wasmill new` writes a first transform), or implement the world in `wit/world.wit`.",
        )),
    }
}

/// An export by name, in any version.
enum Found<'a> {
    None,
    /// A version that this host calls.
    Ours,
    Other(&'a str),
}

fn find_export<'a>(exports: &'a [String], name: &str) -> Found<'a> {
    let mut found = Found::None;
    for (_, version) in exports.iter().filter_map(|export| ours(export)).filter(|(known, _)| *known == name) {
        if version.starts_with(VERSION_PREFIX) {
            return Found::Ours;
        }
        found = Found::Other(version);
    }
    found
}

fn other_version(name: &str, version: &str) -> Refusal {
    refuse(
        "export-version",
        "component.exports",
        "the component was built for another version of the contract",
        format!("`{PACKAGE}{name}@{version}`"),
        format!("an export of `{PACKAGE}{name}@{CONTRACT_VERSION}`"),
        "Build it with the SDK that belongs to this host, or run a host that knows that version.",
    )
}

/// Name and version of an interface of ours.
fn ours(interface: &str) -> Option<(&str, &str)> {
    interface.strip_prefix(PACKAGE)?.split_once('@')
}
