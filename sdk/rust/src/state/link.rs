//! The calls to the host that state and timers need. In Wasm they are the component's imports;
//! natively they go to the host of the thread's [`Runner`](crate::native::Runner).
//!
//! They are functions, not methods of [`Host`](crate::Host), so that a component without state holds
//! none of them.

use crate::binaries::Binaries;
use crate::error::Error;
use crate::timers::TimeDomain;

/// What a scan looks for: the suffixes under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanRange {
    /// The key, without its length.
    pub key: Vec<u8>,
    /// What the suffixes begin with.
    pub prefix: Vec<u8>,
    /// The first suffix.
    pub start: Option<Vec<u8>>,
    /// The suffix after the last.
    pub end: Option<Vec<u8>>,
}

/// A part of what a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// In ascending order.
    pub suffixes: Binaries,
    /// As many.
    pub values: Binaries,
    /// None when this was all.
    pub cursor: Option<Vec<u8>>,
}

/// Why the host refused a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What the call was given is wrong.
    Invalid(String),
    /// The invocation would write more than so many bytes.
    Limit(u64),
}

/// The error for a call on a store or on timers that the host refused.
#[cold]
#[inline(never)]
fn refused(what: &str, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Invalid(why) => Error::fatal(format!("state `{what}`: {why}")),
        // A trap lets the host bisect the batch, until only the record that writes too much is set
        // aside.
        Refusal::Limit(bytes) => panic!("the state that this batch writes exceeds {bytes} bytes"),
    }
}

#[cfg(target_arch = "wasm32")]
use crate::guest::state as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::native::host_link as host;

/// The values under keys; `name` is the store's, for errors.
pub(crate) fn get_many(store: u32, name: &str, keys: &Binaries) -> Result<Binaries, Error> {
    let values = host::get_many(store, keys).map_err(|refusal| refused(name, refusal))?;
    if values.len() == keys.len() { Ok(values) } else { Err(miscounted(name, keys.len(), values.len())) }
}

#[cold]
#[inline(never)]
fn miscounted(name: &str, keys: usize, values: usize) -> Error {
    Error::fatal(format!("state `{name}`: the host gave {values} values for {keys} keys"))
}

/// Writes a value a key; an absent one deletes.
pub(crate) fn put_many(store: u32, name: &str, keys: &Binaries, values: &Binaries) -> Result<(), Error> {
    host::put_many(store, keys, values).map_err(|refusal| refused(name, refusal))
}

/// A page of a scan.
pub(crate) fn scan(
    store: u32,
    name: &str,
    range: &ScanRange,
    limit: u32,
    cursor: Option<&[u8]>,
) -> Result<ScanPage, Error> {
    host::scan(store, range, limit, cursor).map_err(|refusal| refused(name, refusal))
}

/// Registers timers, at one time each.
pub(crate) fn register(
    domain: TimeDomain,
    keys: &Binaries,
    tags: &Binaries,
    times: &[[u8; 8]],
) -> Result<(), Error> {
    host::register(domain, keys, tags, times.as_flattened()).map_err(|refusal| refused("timers", refusal))
}

/// Cancels timers.
pub(crate) fn cancel(domain: TimeDomain, keys: &Binaries, tags: &Binaries) -> Result<(), Error> {
    host::cancel(domain, keys, tags).map_err(|refusal| refused("timers", refusal))
}
