//! Packed byte strings, as they cross to a guest and back, and what their entries must be.
//!
//! Written by hand as the columns are: what comes in is read in the guest's memory.

use wasmtime::StoreContextMut;
use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::Lower;
use wasmtime::component::WasmList;

use crate::model::binaries::BinariesBuf;
use crate::model::binaries::BinariesError;
use crate::model::binaries::BinariesRef;
use crate::model::state_key::StateKey;
use crate::wasm::state::GuestState;

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in crate::wasm) struct BinariesIn {
    count: u32,
    validity: WasmList<u8>,
    offsets: WasmList<u8>,
    data: WasmList<u8>,
}

impl BinariesIn {
    /// The entries, where they lie in the guest's memory.
    pub(in crate::wasm) fn read<'a>(
        &self,
        memory: &'a StoreContextMut<'_, GuestState>,
    ) -> Result<BinariesRef<'a>, BinariesError> {
        BinariesRef::new(
            self.count as usize,
            self.validity.as_le_slice(memory),
            self.offsets.as_le_slice(memory),
            self.data.as_le_slice(memory),
        )
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::wasm) struct BinariesOut {
    count: u32,
    validity: Vec<u8>,
    offsets: Vec<u8>,
    data: Vec<u8>,
}

impl From<BinariesBuf> for BinariesOut {
    fn from(buf: BinariesBuf) -> Self {
        let (count, validity, offsets, data) = buf.into();
        Self { count, validity, offsets, data }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::wasm) struct BinariesLent<'a> {
    count: u32,
    validity: &'a [u8],
    offsets: &'a [u8],
    data: &'a [u8],
}

impl<'a> From<&'a BinariesBuf> for BinariesLent<'a> {
    fn from(buf: &'a BinariesBuf) -> Self {
        let (count, validity, offsets, data) = buf.parts();
        Self { count, validity, offsets, data }
    }
}

/// What is wrong with the first entry that is no state key.
pub(in crate::wasm) fn check_state_keys(keys: BinariesRef<'_>) -> Result<(), String> {
    for (entry, key) in keys.iter().enumerate() {
        let key = present(key, "key", entry)?;
        StateKey::parse(key).map_err(|error| format!("key {entry} is no state key: {error}"))?;
    }
    Ok(())
}

/// What is wrong with the first entry that is absent or too long.
pub(in crate::wasm) fn check_present(
    entries: BinariesRef<'_>,
    what: &str,
    bytes_max: usize,
) -> Result<(), String> {
    for (entry, bytes) in entries.iter().enumerate() {
        check_len(present(bytes, what, entry)?, what, entry, bytes_max)?;
    }
    Ok(())
}

/// What is wrong with the first entry that is too long.
pub(in crate::wasm) fn check_lens(
    entries: BinariesRef<'_>,
    what: &str,
    bytes_max: usize,
) -> Result<(), String> {
    // The rule in one comparison.
    if entries.data_len() <= bytes_max {
        return Ok(());
    }
    for (entry, bytes) in entries.iter().enumerate() {
        check_len(bytes.unwrap_or_default(), what, entry, bytes_max)?;
    }
    Ok(())
}

fn present<'a>(bytes: Option<&'a [u8]>, what: &str, entry: usize) -> Result<&'a [u8], String> {
    bytes.ok_or_else(|| format!("{what} {entry} is absent"))
}

fn check_len(bytes: &[u8], what: &str, entry: usize, bytes_max: usize) -> Result<(), String> {
    if bytes.len() > bytes_max {
        return Err(format!("{what} {entry} has {} bytes; expected at most {bytes_max}", bytes.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(entries: &[Option<&[u8]>]) -> BinariesBuf {
        entries.iter().copied().collect()
    }

    #[test]
    fn the_first_bad_entry_is_named() {
        let keys = binaries(&[Some(b"\x01a"), Some(b"\x02a")]);
        assert_eq!(
            check_state_keys(keys.as_ref()).expect_err("too short"),
            "key 1 is no state key: it says that `key` has 2 bytes, but only 1 follow"
        );
        let keys = binaries(&[Some(b"\x01a"), None]);
        assert_eq!(check_state_keys(keys.as_ref()).expect_err("absent"), "key 1 is absent");
        let tags = binaries(&[Some(b""), Some(b"abc"), None]);
        assert_eq!(
            check_present(tags.as_ref(), "tag", 2).expect_err("too long"),
            "tag 1 has 3 bytes; expected at most 2"
        );
        assert_eq!(check_present(tags.as_ref(), "tag", 3).expect_err("absent"), "tag 2 is absent");
        assert_eq!(check_lens(tags.as_ref(), "value", 3), Ok(()), "an absent value deletes");
        assert!(check_lens(tags.as_ref(), "value", 2).is_err());
    }
}
