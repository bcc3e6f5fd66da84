//! Core modules that carry component type information, made into components.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use wit_component::ComponentEncoder;

use crate::model::failure::Refusal;
use crate::wasm::upload::allow_list;
use crate::wasm::upload::refusal::refuse;
use crate::wasm::upload::structure;
use crate::wasm::upload::structure::Kind;

/// Wraps a core module into a component; gives a component back as it is.
///
/// # Errors
/// `component-core-module` when the module does not say which world it implements, `import-forbidden`
/// when it imports anything but ours, `component-invalid` when it does not fit its world, and
/// everything that [`structure::read`] refuses.
pub fn componentize(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let structure = structure::read(bytes)?;
    if structure.kind == Kind::Component {
        return Ok(bytes.to_vec());
    }
    allow_list::check(&structure)?;
    if !structure.has_component_type {
        return Err(refuse(
            "component-core-module",
            "component",
            "this is a core module that does not say which interfaces it implements",
            "no `component-type` section",
            "a component, or a core module with such a section",
            "Build with an SDK: its bindings leave the section in the module. A linker's `--strip-all` keeps it; `wasm-strip` and `wasm-opt --strip` do not.",
        ));
    }
    // The encoder reads what a stranger wrote; a panic of it must not be ours.
    let encoded = catch_unwind(AssertUnwindSafe(|| {
        let mut encoder = ComponentEncoder::default();
        encoder.validate(false).module(bytes)?;
        encoder.encode()
    }));
    match encoded {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(error)) => Err(structure::invalid(&format!("{error:#}"))),
        Err(_) => Err(structure::invalid("its component type section cannot be read")),
    }
}
