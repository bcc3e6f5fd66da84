//! Record headers.

use crate::Record;

/// One header of a record. The same key may occur again; a value may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Record)]
pub struct Header<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// A header with a value.
    pub fn new(key: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { key, value: Some(value.as_ref()) }
    }
}
