//! Refusals of a component.

use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::limits::COMPONENT_BYTES_MAX;

/// Longest quotation of what was found, in bytes.
const FOUND_BYTES_MAX: usize = 400;

pub(in crate::wasm) fn refuse(
    code: &'static str,
    field: impl Into<String>,
    message: impl Into<String>,
    found: impl AsRef<str>,
    expected: impl Into<String>,
    remedy: impl Into<String>,
) -> Refusal {
    Refusal {
        code: Code(code),
        field: field.into(),
        message: message.into(),
        found: crate::wasm::cut::cut(found.as_ref(), FOUND_BYTES_MAX).to_owned(),
        expected: expected.into(),
        remedy: remedy.into(),
    }
}

/// The refusal of a component of more than [`COMPONENT_BYTES_MAX`] bytes. Whoever receives an
/// upload gives it as soon as the size is known, without reading on.
#[must_use]
pub fn too_large(found_bytes: u64) -> Refusal {
    refuse(
        "component-too-large",
        "component",
        "the component is too large",
        format!("{found_bytes} bytes"),
        format!("at most {COMPONENT_BYTES_MAX} bytes"),
        "Build in release mode, strip debug information (`wasm-tools strip`), and leave unused data out.",
    )
}
