//! Keys and values as they lie on disk and in the changelog. The golden files pin every byte.
//!
//! ```text
//! stored key    u16 big-endian key group, state key
//! state key     varint length of the key, the key, a suffix
//! stored value  u8 format (1), varint schema index, i64 big-endian write time, body
//! ```
//!
//! A varint is an unsigned LEB128 number in its shortest form. The key group is murmur2 of the key
//! modulo [`KEY_GROUPS`]: state of one group lies together, so that it can move together.

use crate::model::murmur2::murmur2;
use crate::model::state::STATE_KEY_BYTES_MAX;

/// Number of key groups. Never changes: stored keys begin with theirs.
pub const KEY_GROUPS: u32 = 1 << 15;
/// The format of stored values.
pub const FORMAT: u8 = 1;
/// Bytes of the key group before the state key.
pub const GROUP_BYTES: usize = 2;
/// Write time of a value that was written before the first event watermark.
pub const BEFORE_EVENT_TIME: i64 = i64::MIN;

/// Why bytes are no state key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateKeyError {
    #[error("its {0} bytes are too many; expected at most {STATE_KEY_BYTES_MAX}")]
    TooLong(usize),
    #[error("it does not begin with a length in its shortest form (an unsigned LEB128 number)")]
    Length,
    #[error("its length says {said} bytes of key, but {left} follow")]
    Truncated { said: usize, left: usize },
}

/// The key of a state key, and its suffix.
///
/// # Errors
/// See [`StateKeyError`].
#[inline]
pub fn split_state_key(state_key: &[u8]) -> Result<(&[u8], &[u8]), StateKeyError> {
    if state_key.len() > STATE_KEY_BYTES_MAX {
        return Err(StateKeyError::TooLong(state_key.len()));
    }
    split_key(state_key)
}

/// Like [`split_state_key`], without a limit of the whole: a timer's key and tag have their own.
#[inline]
pub(super) fn split_key(state_key: &[u8]) -> Result<(&[u8], &[u8]), StateKeyError> {
    let (said, rest) = match state_key {
        [first, rest @ ..] if *first < 0x80 => (usize::from(*first), rest),
        // Two bytes hold every length up to the longest key.
        [first, second, rest @ ..] if (1..0x80).contains(second) => {
            (usize::from(first & 0x7f) | usize::from(*second) << 7, rest)
        }
        _ => return Err(StateKeyError::Length),
    };
    rest.split_at_checked(said).ok_or(StateKeyError::Truncated { said, left: rest.len() })
}

/// The key group of a key.
#[inline]
#[must_use]
pub fn key_group(key: &[u8]) -> u16 {
    (murmur2(key) % KEY_GROUPS) as u16
}

/// Appends a state key.
pub fn write_state_key(key: &[u8], suffix: &[u8], out: &mut Vec<u8>) {
    write_varint(key.len() as u32, out);
    out.extend_from_slice(key);
    out.extend_from_slice(suffix);
}

/// Appends a stored key.
pub fn write_stored_key(key: &[u8], suffix: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&key_group(key).to_be_bytes());
    write_state_key(key, suffix, out);
}

/// A stored value, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredValue<'a> {
    /// Index of its schema among those that the store has seen.
    pub schema: u32,
    /// Milliseconds since the Unix epoch; [`BEFORE_EVENT_TIME`] before the first event watermark.
    pub write_time: i64,
    pub body: &'a [u8],
}

/// Why bytes are no stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredValueError {
    #[error("found no bytes, expected a stored value")]
    Empty,
    #[error(
        "found format {0}, expected {FORMAT}: a newer version of Wasmill wrote it, or the bytes are damaged"
    )]
    Format(u8),
    #[error("found {0} bytes, too few for a stored value")]
    Truncated(usize),
}

impl<'a> StoredValue<'a> {
    /// Takes a stored value apart.
    ///
    /// # Errors
    /// See [`StoredValueError`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StoredValueError> {
        match bytes {
            [FORMAT, schema, rest @ ..] if *schema < 0x80 => match rest.split_first_chunk::<8>() {
                Some((time, body)) => {
                    Ok(Self { schema: u32::from(*schema), write_time: i64::from_be_bytes(*time), body })
                }
                None => Err(StoredValueError::Truncated(bytes.len())),
            },
            _ => Self::parse_rare(bytes),
        }
    }

    #[cold]
    fn parse_rare(bytes: &'a [u8]) -> Result<Self, StoredValueError> {
        let (format, rest) = bytes.split_first().ok_or(StoredValueError::Empty)?;
        if *format != FORMAT {
            return Err(StoredValueError::Format(*format));
        }
        let truncated = StoredValueError::Truncated(bytes.len());
        let (schema, rest) = read_varint(rest).ok_or(truncated)?;
        let (time, body) = rest.split_first_chunk::<8>().ok_or(truncated)?;
        Ok(Self { schema, write_time: i64::from_be_bytes(*time), body })
    }

    /// Appends its stored form.
    pub fn write(&self, out: &mut Vec<u8>) {
        let header = ValueHeader::new(self.schema, self.write_time);
        out.extend_from_slice(header.bytes());
        out.extend_from_slice(self.body);
    }
}

/// What stands before the body of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueHeader {
    len: u8,
    bytes: [u8; Self::BYTES_MAX],
}

impl ValueHeader {
    /// Format, the longest varint of 32 bits, write time.
    const BYTES_MAX: usize = 1 + 5 + 8;

    pub(super) fn new(schema: u32, write_time: i64) -> Self {
        let mut header = Self { len: 0, bytes: [0; Self::BYTES_MAX] };
        header.push(FORMAT);
        let mut rest = schema;
        while rest >= 0x80 {
            header.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        header.push(rest as u8);
        for byte in write_time.to_be_bytes() {
            header.push(byte);
        }
        header
    }

    fn push(&mut self, byte: u8) {
        if let Some(at) = self.bytes.get_mut(usize::from(self.len)) {
            *at = byte;
            self.len += 1;
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Appends an unsigned LEB128 number.
pub(super) fn write_varint(value: u32, out: &mut Vec<u8>) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// An unsigned LEB128 number of at most 32 bits, and what follows it.
fn read_varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn state_keys_are_split_or_refused() {
        assert_eq!(split_state_key(&[1, b'a', 1, 2]), Ok((&b"a"[..], &[1, 2][..])));
        assert_eq!(split_state_key(&[0, 0xff]), Ok((&b""[..], &[0xff][..])));
        assert_eq!(split_state_key(&[]), Err(StateKeyError::Length));
        assert_eq!(split_state_key(&[0x81, 0x00, 1]), Err(StateKeyError::Length), "not the shortest form");
        assert_eq!(split_state_key(&[0x80, 0x80, 1]), Err(StateKeyError::Length), "three bytes of length");
        assert_eq!(split_state_key(&[3, 1, 2]), Err(StateKeyError::Truncated { said: 3, left: 2 }));
        assert_eq!(split_state_key(&[0; 4097]), Err(StateKeyError::TooLong(4097)));
    }

    #[test]
    fn damaged_values_are_told_apart() {
        assert_eq!(StoredValue::parse(&[]), Err(StoredValueError::Empty));
        assert_eq!(StoredValue::parse(&[2, 0, 0]), Err(StoredValueError::Format(2)));
        assert_eq!(StoredValue::parse(&[1, 0, 0]), Err(StoredValueError::Truncated(3)));
        assert_eq!(StoredValue::parse(&[1, 0xff, 0xff, 0xff]), Err(StoredValueError::Truncated(4)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            key in prop::collection::vec(any::<u8>(), 0..300),
            suffix in prop::collection::vec(any::<u8>(), 0..9),
            schema in prop_oneof![0..300_u32, any::<u32>()],
            write_time in any::<i64>(),
        ) {
            let mut stored = Vec::new();
            write_stored_key(&key, &suffix, &mut stored);
            prop_assert_eq!(&stored[..GROUP_BYTES], &key_group(&key).to_be_bytes()[..]);
            prop_assert_eq!(split_state_key(&stored[GROUP_BYTES..]), Ok((&key[..], &suffix[..])));
            let value = StoredValue { schema, write_time, body: &suffix };
            let mut bytes = Vec::new();
            value.write(&mut bytes);
            prop_assert_eq!(StoredValue::parse(&bytes), Ok(value));
        }
    }
}
