//! Short byte strings in place, longer ones on the heap: most keys and values cost no memory of
//! their own, and no second cache miss.

use crate::state::format::ValueHeader;

/// Longest value in place. With it a slot takes half a cache line.
const VALUE_INLINE: usize = 30;
/// Longest key in place.
const KEY_INLINE: usize = 22;

/// What is known of a value at one stage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::state) enum Slot {
    /// Nothing: not read yet, or not written.
    #[default]
    Unset,
    /// There is no value.
    Absent,
    Inline {
        len: u8,
        bytes: [u8; VALUE_INLINE],
    },
    Heap(Box<[u8]>),
}

impl Slot {
    /// A stored value.
    #[inline]
    pub(in crate::state) fn value(header: &ValueHeader, body: &[u8]) -> Self {
        let header = header.bytes();
        let len = header.len() + body.len();
        let mut bytes = [0; VALUE_INLINE];
        if let Some((head, rest)) = bytes.split_at_mut_checked(header.len())
            && let Some(tail) = rest.get_mut(..body.len())
        {
            head.copy_from_slice(header);
            tail.copy_from_slice(body);
            return Self::Inline { len: len as u8, bytes };
        }
        let mut heap = Vec::with_capacity(len);
        heap.extend_from_slice(header);
        heap.extend_from_slice(body);
        Self::Heap(heap.into_boxed_slice())
    }

    /// The value that is stored, or that there is none.
    pub(in crate::state) fn stored(value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return Self::Absent };
        let mut bytes = [0; VALUE_INLINE];
        match bytes.get_mut(..value.len()) {
            Some(inline) => {
                inline.copy_from_slice(value);
                Self::Inline { len: value.len() as u8, bytes }
            }
            None => Self::Heap(value.into()),
        }
    }

    #[inline]
    pub(in crate::state) fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }

    /// The stored value, if it is known and there is one.
    #[inline]
    pub(in crate::state) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Unset | Self::Absent => None,
            Self::Inline { len, bytes } => bytes.get(..usize::from(*len)),
            Self::Heap(bytes) => Some(bytes),
        }
    }

    #[inline]
    pub(in crate::state) fn len(&self) -> usize {
        match self {
            Self::Unset | Self::Absent => 0,
            Self::Inline { len, .. } => usize::from(*len),
            Self::Heap(bytes) => bytes.len(),
        }
    }

    /// Bytes outside of the slot.
    #[inline]
    pub(super) fn heap_bytes(&self) -> usize {
        if let Self::Heap(bytes) = self { bytes.len() } else { 0 }
    }
}

/// A stored key.
#[derive(Debug)]
pub(super) enum Key {
    Inline { len: u8, bytes: [u8; KEY_INLINE] },
    Heap(Box<[u8]>),
}

impl Key {
    /// Of a group and a state key.
    pub(super) fn new(group: [u8; 2], state_key: &[u8]) -> Self {
        let mut bytes = [0; KEY_INLINE];
        if let Some((head, rest)) = bytes.split_first_chunk_mut::<2>()
            && let Some(tail) = rest.get_mut(..state_key.len())
        {
            *head = group;
            tail.copy_from_slice(state_key);
            return Self::Inline { len: 2 + state_key.len() as u8, bytes };
        }
        let mut heap = Vec::with_capacity(2 + state_key.len());
        heap.extend_from_slice(&group);
        heap.extend_from_slice(state_key);
        Self::Heap(heap.into_boxed_slice())
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Heap(bytes) => bytes,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        if let Self::Heap(bytes) = self { bytes.len() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_values_and_keys_are_kept_alike() {
        assert_eq!((size_of::<Slot>(), size_of::<Key>()), (32, 24));
        let header = ValueHeader::new(3, 7);
        for len in [0, 1, 19, 20, 21, 22, 30, 31, 200] {
            let body: Vec<u8> = (0..len).collect();
            let stored = [header.bytes(), &body].concat();
            assert_eq!(Slot::value(&header, &body).bytes(), Some(&stored[..]));
            assert_eq!(Slot::stored(Some(&body)).bytes(), Some(&body[..]));
            assert_eq!(Slot::stored(Some(&body)).len(), body.len());
            assert_eq!(Key::new([1, 2], &body).bytes(), [&[1, 2][..], &body].concat());
        }
        assert_eq!(Slot::stored(None), Slot::Absent);
    }
}
