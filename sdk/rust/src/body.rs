//! Avro bodies: what state values are, and the keys of state that are records.

use std::fmt;

use crate::avro_type::AvroType;
use crate::avro_type::Read;

/// How the attributes of a field change the body of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Carried by a fixed type, of this size where the type does not give it.
    pub fixed: Option<usize>,
    /// Null is the second branch of an option.
    pub null_last: bool,
}

impl Form {
    /// No attributes.
    pub const PLAIN: Self = Self { fixed: None, null_last: false };
}

/// A type that is written as an Avro body, in the one form that Avro's readers all agree on: arrays
/// and maps in one block, without byte sizes.
pub trait Encode: AvroType {
    /// Appends the body. After an error what was appended is unfinished.
    ///
    /// # Errors
    /// When the value does not fit the type that the field gives it: a decimal with more digits than
    /// its fixed type holds.
    fn encode(&self, form: Form, out: &mut Vec<u8>) -> Result<(), BodyError>;
}

/// A type that is read from an Avro body.
pub trait Decode<'a>: AvroType + Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// When the bytes are no such value.
    fn decode(form: Form, body: &mut Body<'a>) -> Result<Self, BodyError>;
}

/// A type that state can hold: every Avro type, also derived with `#[derive(Record)]`.
///
/// State gives borrowing types out with the life of the borrow: a `Value<Customer<'_>>` gives a
/// `Customer<'a>` whose texts lie in the state's own buffer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in state",
    label = "no Avro type that state can hold",
    note = "use an Avro type, or derive `Record` for your own; write `'_` for its lifetime"
)]
pub trait Stored: AvroType + 'static {
    /// The type as it is borrowed for `'a`; the type itself, if it borrows nothing.
    type Of<'a>: Read<'a> + crate::Write<Builder = Self::Column> + Encode + Decode<'a>;
    /// What builds its column.
    #[doc(hidden)]
    type Column: crate::builder::Builder;
}

/// A type that state can hold and that borrows nothing.
pub trait StoredOwned: for<'a> Stored<Of<'a> = Self> + Encode {}

impl<T: for<'a> Stored<Of<'a> = Self> + Encode> StoredOwned for T {}

/// The whole body of a value, or bytes that are none.
pub(crate) fn decode_all<T: Stored>(bytes: &[u8]) -> Result<T::Of<'_>, BodyError> {
    let mut body = Body::new(bytes);
    let value = T::Of::decode(Form::PLAIN, &mut body)?;
    if body.is_empty() { Ok(value) } else { Err(TRAILING) }
}

/// Bytes that are no Avro body of their type, or a value that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyError(&'static str);

impl BodyError {
    /// What was found wrong.
    #[cold]
    #[must_use]
    pub const fn new(what: &'static str) -> Self {
        Self(what)
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BodyError {}

const SHORT: BodyError = BodyError("the body ends too early");
const TRAILING: BodyError = BodyError("the body is longer than its value");
const LONG: BodyError = BodyError("a number has more than 64 bits");
const INT: BodyError = BodyError("an int has more than 32 bits");
const LENGTH: BodyError = BodyError("a length is negative");
const NOT_UTF8: BodyError = BodyError("a text is not UTF-8");
const BOOLEAN: BodyError = BodyError("a boolean is neither 0 nor 1");
pub(crate) const BRANCH: BodyError = BodyError("a union has no such branch");

/// What is left to read of a body.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    /// A body of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next so many bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline(always)]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], BodyError> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline(always)]
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], BodyError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A `boolean`.
    ///
    /// # Errors
    /// When the byte is neither 0 nor 1.
    #[inline]
    pub fn boolean(&mut self) -> Result<bool, BodyError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(BOOLEAN),
        }
    }

    /// A `long`.
    ///
    /// # Errors
    /// When it does not end, or has more than 64 bits.
    #[inline(always)]
    pub fn long(&mut self) -> Result<i64, BodyError> {
        let zigzag = match *self.0 {
            [low @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                u64::from(low)
            }
            [low, high @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                u64::from(low & 0x7f) | u64::from(high) << 7
            }
            _ => self.varint()?,
        };
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// A number of three bytes and more.
    #[inline(never)]
    fn varint(&mut self) -> Result<u64, BodyError> {
        let mut value = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if index == 9 && *byte > 1 || index > 9 {
                return Err(LONG);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = self.0.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(SHORT)
    }

    /// An `int`.
    ///
    /// # Errors
    /// When it does not end, or has more than 32 bits.
    #[inline(always)]
    pub fn int(&mut self) -> Result<i32, BodyError> {
        i32::try_from(self.long()?).map_err(|_| INT)
    }

    /// `bytes`.
    ///
    /// # Errors
    /// When there are fewer than announced.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], BodyError> {
        let len = usize::try_from(self.long()?).map_err(|_| LENGTH)?;
        self.take(len)
    }

    /// A `string`.
    ///
    /// # Errors
    /// When it is not UTF-8, or shorter than announced.
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, BodyError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| NOT_UTF8)
    }

    /// The items of an array or a map, each read by `item`.
    ///
    /// # Errors
    /// As of `item`, and when a count or a size is wrong.
    pub fn items(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), BodyError>,
    ) -> Result<(), BodyError> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The size of the block in bytes, for those who skip it.
                self.long()?;
                count = count.checked_neg().ok_or(LENGTH)?;
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }
}

/// Appends a `long`, an `int`, or the length or count of something.
#[inline(always)]
pub fn put_long(value: i64, out: &mut Vec<u8>) {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    if zigzag < 0x80 {
        out.push(zigzag as u8);
    } else if zigzag < 0x4000 {
        out.extend_from_slice(&[zigzag as u8 | 0x80, (zigzag >> 7) as u8]);
    } else {
        put_varint(zigzag, out);
    }
}

#[inline(never)]
fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `bytes` or a `string`.
#[inline(always)]
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_long(bytes.len() as i64, out);
    out.extend_from_slice(bytes);
}

/// Appends the items of an array or a map.
///
/// # Errors
/// As of `item`.
pub(crate) fn put_items<T>(
    items: impl ExactSizeIterator<Item = T>,
    out: &mut Vec<u8>,
    mut item: impl FnMut(T, &mut Vec<u8>) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    if items.len() > 0 {
        put_long(items.len() as i64, out);
        for value in items {
            item(value, out)?;
        }
    }
    put_long(0, out);
    Ok(())
}

impl<T: Encode> Encode for &T {
    #[inline(always)]
    fn encode(&self, form: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        (**self).encode(form, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_round_trip_at_every_length() {
        let mut values = vec![0, -1, 1, i64::MAX, i64::MIN];
        for bits in 0..63 {
            values.extend([1_i64 << bits, -(1_i64 << bits), (1_i64 << bits) - 1]);
        }
        for value in values {
            let mut out = Vec::new();
            put_long(value, &mut out);
            let mut body = Body::new(&out);
            assert_eq!(body.long(), Ok(value));
            assert!(body.is_empty());
            for end in 0..out.len() {
                assert_eq!(Body::new(&out[..end]).long(), Err(SHORT), "{value}");
            }
        }
    }

    #[test]
    fn longs_have_the_bytes_of_the_specification() {
        for (value, bytes) in [(0, [0].as_slice()), (-1, &[1]), (1, &[2]), (-64, &[0x7f]), (64, &[0x80, 1])] {
            let mut out = Vec::new();
            put_long(value, &mut out);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(Body::new(&[0x80; 12]).long(), Err(LONG));
        assert_eq!(Body::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).long(), Err(LONG));
        let mut out = Vec::new();
        put_long(1 << 40, &mut out);
        assert_eq!(Body::new(&out).int(), Err(INT));
        assert_eq!(Body::new(&[2]).boolean(), Err(BOOLEAN));
        assert_eq!(Body::new(&[1]).bytes(), Err(LENGTH));
        assert_eq!(Body::new(&[4, 0xff, 0xff]).string(), Err(NOT_UTF8));
    }

    #[test]
    fn blocks_with_byte_sizes_are_read() {
        let mut seen = Vec::new();
        // Two items in a block of 2 bytes, one in a block without size, the end.
        let mut body = Body::new(&[3, 4, 2, 4, 2, 6, 0]);
        body.items(|body| {
            seen.push(body.long()?);
            Ok(())
        })
        .expect("an array");
        assert_eq!(seen, [1, 2, 3]);
    }
}
