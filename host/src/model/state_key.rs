//! The keys of keyed state: `varint(n), key, suffix`, as `wit/state.wit` describes them.

use crate::model::state::STATE_KEY_BYTES_MAX;

/// A state key, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateKey<'a> {
    /// What the state is scoped to. The host spreads state by this alone.
    pub key: &'a [u8],
    /// What tells entries under one key apart.
    pub suffix: &'a [u8],
}

/// Why bytes are no state key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateKeyError {
    #[error("it has {0} bytes; expected at most {STATE_KEY_BYTES_MAX}")]
    TooLong(usize),
    #[error("it has no bytes; expected the length of `key`, which is 0 for the whole partition")]
    Empty,
    /// No length of a key that fits needs more than two bytes, and a longer spelling of a number
    /// would make two state keys of one key.
    #[error("its length of `key` is no LEB128 number of the fewest bytes, at most {STATE_KEY_BYTES_MAX}")]
    Length,
    #[error("it says that `key` has {declared} bytes, but only {left} follow")]
    Short { declared: usize, left: usize },
}

impl<'a> StateKey<'a> {
    /// Takes a state key apart.
    ///
    /// # Errors
    /// See [`StateKeyError`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StateKeyError> {
        if bytes.len() > STATE_KEY_BYTES_MAX {
            return Err(StateKeyError::TooLong(bytes.len()));
        }
        let (len, rest) = match *bytes {
            [] => return Err(StateKeyError::Empty),
            [len @ 0..0x80, ..] => (usize::from(len), bytes.get(1..)),
            [low, high @ 1..0x80, ..] => (usize::from(low & 0x7f) | usize::from(high) << 7, bytes.get(2..)),
            _ => return Err(StateKeyError::Length),
        };
        let rest = rest.unwrap_or_default();
        match rest.split_at_checked(len) {
            Some((key, suffix)) => Ok(Self { key, suffix }),
            None => Err(StateKeyError::Short { declared: len, left: rest.len() }),
        }
    }

    /// Appends the state key's bytes. `key` has at most [`STATE_KEY_BYTES_MAX`].
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let len = self.key.len();
        if len < 0x80 {
            out.push(len as u8);
        } else {
            debug_assert!(len <= STATE_KEY_BYTES_MAX, "a key of {len} bytes");
            out.extend_from_slice(&[len as u8 | 0x80, (len >> 7) as u8]);
        }
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.suffix);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_contract_are_taken_apart() {
        let parse = |bytes: &'static [u8]| StateKey::parse(bytes).expect("a state key");
        assert_eq!(parse(b"\x06acct-7"), StateKey { key: b"acct-7", suffix: b"" });
        assert_eq!(parse(b"\x01a\x01\x02"), StateKey { key: b"a", suffix: b"\x01\x02" });
        assert_eq!(parse(b"\x00\xff"), StateKey { key: b"", suffix: b"\xff" });
    }

    #[test]
    fn what_is_no_state_key_says_why() {
        let error = |bytes: &[u8]| StateKey::parse(bytes).expect_err("no state key");
        assert_eq!(error(b""), StateKeyError::Empty);
        assert_eq!(error(b"\x03ab"), StateKeyError::Short { declared: 3, left: 2 });
        assert_eq!(error(&[0; STATE_KEY_BYTES_MAX + 1]), StateKeyError::TooLong(STATE_KEY_BYTES_MAX + 1));
        // Zero in two bytes, a length in three, and one that never ends.
        for bytes in [b"\x80\x00".as_slice(), b"\x81\x80\x01", b"\xff"] {
            assert_eq!(error(bytes), StateKeyError::Length, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_together_comes_apart_again(
            key in prop::collection::vec(any::<u8>(), 0..300),
            suffix in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let mut bytes = Vec::new();
            StateKey { key: &key, suffix: &suffix }.append_to(&mut bytes);
            prop_assert_eq!(StateKey::parse(&bytes), Ok(StateKey { key: &key, suffix: &suffix }));
        }
    }
}
