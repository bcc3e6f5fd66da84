//! What tells the entries of a map, a set or a list apart.

use std::borrow::Cow;

use crate::types::Date;
use crate::types::LocalTimestampMicros;
use crate::types::LocalTimestampMillis;
use crate::types::LocalTimestampNanos;
use crate::types::TimeMicros;
use crate::types::TimeMillis;
use crate::types::TimestampMicros;
use crate::types::TimestampMillis;
use crate::types::TimestampNanos;
use crate::types::Uuid;

/// The key of an entry in a [`Map`](crate::Map) or [`Set`](crate::Set): text, bytes, whole numbers,
/// booleans, UUIDs, dates and times, and pairs that begin with one of the latter.
///
/// It is written so that the order of the bytes is that of the values: texts as UTF-8, numbers
/// big-endian with the sign bit turned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of an entry in state",
    note = "use text, bytes, i32, i64, bool, Uuid, [u8; N], a date or time, or a pair whose first part is none of text and bytes"
)]
pub trait EntryKey {
    /// Appends the key.
    fn put(&self, out: &mut Vec<u8>);
}

/// A form of the key `K`: the key itself, what it lends (`str` of `String`), or a reference to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no form of the key `{K}`",
    note = "look entries up by the key's own type, or for text and bytes by `&str` and `&[u8]`"
)]
pub trait KeyOf<K>: EntryKey {}

impl<K, T: KeyOf<K> + ?Sized> KeyOf<K> for &T {}

/// A key that can be given out when entries are listed.
pub trait OwnedEntryKey: EntryKey + Sized {
    /// Reads a key that [`EntryKey::put`] wrote; none if it is no such key.
    fn take(bytes: &[u8]) -> Option<Self>;
}

/// A key of always the same length, which can stand before another.
pub trait FixedEntryKey: OwnedEntryKey {
    /// How many bytes.
    const BYTES: usize;
}

macro_rules! bytes {
    ($($borrowed:ty, $owned:ty: |$from:ident| $owning:expr;)+) => {$(
        impl EntryKey for $borrowed {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_ref());
            }
        }

        impl EntryKey for $owned {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_ref());
            }
        }

        impl EntryKey for Cow<'_, $borrowed> {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                (**self).put(out);
            }
        }

        impl OwnedEntryKey for $owned {
            fn take($from: &[u8]) -> Option<Self> {
                $owning
            }
        }

        impl KeyOf<$owned> for $borrowed {}
        impl KeyOf<$owned> for $owned {}
        impl KeyOf<$owned> for Cow<'_, $borrowed> {}
    )+};
}

bytes! {
    str, String: |bytes| Some(std::str::from_utf8(bytes).ok()?.to_owned());
    [u8], Vec<u8>: |bytes| Some(bytes.to_vec());
}

impl<T: EntryKey + ?Sized> EntryKey for &T {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
}

macro_rules! number {
    ($($rust:ty: $sign:expr),+) => {$(
        impl EntryKey for $rust {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&(self ^ $sign).to_be_bytes());
            }
        }

        impl OwnedEntryKey for $rust {
            fn take(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_be_bytes(bytes.try_into().ok()?) ^ $sign)
            }
        }

        impl FixedEntryKey for $rust {
            const BYTES: usize = size_of::<$rust>();
        }

        impl KeyOf<$rust> for $rust {}
    )+};
}

// `u64` numbers the elements of lists.
number!(i32: i32::MIN, i64: i64::MIN, u64: 0);

macro_rules! wrapped {
    ($($rust:ident),+) => {$(
        impl EntryKey for $rust {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
        }

        impl OwnedEntryKey for $rust {
            fn take(bytes: &[u8]) -> Option<Self> {
                OwnedEntryKey::take(bytes).map(Self)
            }
        }

        impl FixedEntryKey for $rust {
            const BYTES: usize = size_of::<$rust>();
        }

        impl KeyOf<$rust> for $rust {}
    )+};
}

wrapped!(
    Date,
    TimeMillis,
    TimeMicros,
    TimestampMillis,
    TimestampMicros,
    TimestampNanos,
    LocalTimestampMillis,
    LocalTimestampMicros,
    LocalTimestampNanos,
    Uuid
);

impl<const N: usize> EntryKey for [u8; N] {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> OwnedEntryKey for [u8; N] {
    fn take(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl<const N: usize> FixedEntryKey for [u8; N] {
    const BYTES: usize = N;
}

impl<const N: usize> KeyOf<[u8; N]> for [u8; N] {}
impl KeyOf<bool> for bool {}
impl KeyOf<()> for () {}
impl<A: FixedEntryKey, B: KeyOf<K>, K> KeyOf<(A, K)> for (A, B) {}

impl EntryKey for bool {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl OwnedEntryKey for bool {
    fn take(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl FixedEntryKey for bool {
    const BYTES: usize = 1;
}

impl EntryKey for () {
    #[inline]
    fn put(&self, _: &mut Vec<u8>) {}
}

impl OwnedEntryKey for () {
    fn take(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl<A: FixedEntryKey, B: EntryKey> EntryKey for (A, B) {
    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
}

impl<A: FixedEntryKey, B: OwnedEntryKey> OwnedEntryKey for (A, B) {
    fn take(bytes: &[u8]) -> Option<Self> {
        let (first, second) = bytes.split_at_checked(A::BYTES)?;
        Some((A::take(first)?, B::take(second)?))
    }
}

impl<A: FixedEntryKey, B: FixedEntryKey> FixedEntryKey for (A, B) {
    const BYTES: usize = A::BYTES + B::BYTES;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(key: &(impl EntryKey + ?Sized)) -> Vec<u8> {
        let mut out = Vec::new();
        key.put(&mut out);
        out
    }

    fn ascending<K: OwnedEntryKey + PartialEq + std::fmt::Debug>(keys: &[K]) {
        for key in keys {
            assert_eq!(K::take(&bytes(key)).as_ref(), Some(key));
        }
        let written: Vec<_> = keys.iter().map(bytes).collect();
        assert!(written.is_sorted(), "{keys:?} {written:?}");
    }

    #[test]
    fn bytes_are_in_the_order_of_the_values() {
        ascending(&[i64::MIN, -256, -1, 0, 1, 255, 256, i64::MAX]);
        ascending(&[i32::MIN, -1, 0, 1, i32::MAX]);
        ascending(&["".to_owned(), "a".to_owned(), "ab".to_owned(), "b".to_owned(), "é".to_owned()]);
        ascending(&[false, true]);
        ascending(&[Date(-1), Date(0), Date(1)]);
        ascending(&[(-1_i64, "b".to_owned()), (0, "".to_owned()), (0, "a".to_owned()), (1, "".to_owned())]);
        ascending(&[((1_i32, true), 5_i64), ((1, true), 6), ((2, false), 0)]);
        ascending(&[Uuid([0; 16]), Uuid([1; 16])]);
    }

    #[test]
    fn borrowed_keys_are_written_as_owned_ones() {
        assert_eq!(bytes("key"), bytes(&"key".to_owned()));
        assert_eq!(bytes(&Cow::Borrowed("key")), bytes("key"));
        assert_eq!(bytes([1, 2].as_slice()), bytes(&vec![1_u8, 2]));
    }

    #[test]
    fn other_bytes_are_no_key() {
        assert_eq!(i64::take(&[0; 7]), None);
        assert_eq!(bool::take(&[2]), None);
        assert_eq!(String::take(&[0xff]), None);
        assert_eq!(<(i64, String)>::take(&[0; 7]), None);
        assert_eq!(<()>::take(&[0]), None);
    }
}
