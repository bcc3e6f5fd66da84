//! Reading Avro's binary primitives.

use crate::codec::fault::Fault;

/// The unread rest of a datum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// The stop bits of eight bytes of a variable-length number.
const STOP_BITS: u64 = 0x8080_8080_8080_8080;

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(Fault::AvroTruncated);
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Fault::AvroTruncated);
        };
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err(Fault::AvroTruncated);
        };
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, Fault> {
        Ok(unzigzag(self.varint()?))
    }

    #[inline]
    pub(crate) fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?).map_err(|_| Fault::AvroInt)
    }

    /// A length of bytes that are there.
    #[inline]
    pub(crate) fn length(&mut self) -> Result<usize, Fault> {
        let length = match self.rest.split_first() {
            // Most lengths are below 64: one byte, even, without a stop bit.
            Some((first, rest)) if first & 0x81 == 0 => {
                self.rest = rest;
                i64::from(first >> 1)
            }
            _ => self.long()?,
        };
        let length = usize::try_from(length).map_err(|_| Fault::AvroLength)?;
        if length > self.rest.len() { Err(Fault::AvroTruncated) } else { Ok(length) }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Fault> {
        // Eight bytes at a time: no branch a byte, so that random lengths cost no mispredictions.
        if let Some(chunk) = self.rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let stops = !word & STOP_BITS;
            if stops != 0 {
                return self.ending_at(word, stops.trailing_zeros() + 1);
            }
        }
        self.varint_tail()
    }

    /// The number in the low `bits` of a word, stop bits included.
    #[inline]
    fn ending_at(&mut self, word: u64, bits: u32) -> Result<u64, Fault> {
        // Past the end where the number is cut off: missing bytes count as zeros.
        self.rest = self.rest.get((bits / 8) as usize..).ok_or(Fault::AvroTruncated)?;
        Ok(gather(word & (u64::MAX >> (64 - bits))))
    }

    #[inline(never)]
    fn varint_tail(&mut self) -> Result<u64, Fault> {
        let (4..8, Some(low), Some(high)) =
            (self.rest.len(), self.rest.first_chunk::<4>(), self.rest.last_chunk::<4>())
        else {
            return self.varint_slow();
        };
        // Two words that overlap.
        let shift = 8 * (self.rest.len() - 4);
        let word = u64::from(u32::from_le_bytes(*low)) | (u64::from(u32::from_le_bytes(*high)) << shift);
        let stops = !word & STOP_BITS;
        self.ending_at(word, stops.trailing_zeros() + 1)
    }

    fn varint_slow(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Fault::AvroVarint);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::AvroVarint)
    }
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Joins the low seven bits of each byte.
#[inline]
fn gather(word: u64) -> u64 {
    let word = word & 0x7f7f_7f7f_7f7f_7f7f;
    let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
    (word & 0x0000_0000_0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4)
}

/// Appends a zigzag variable-length number.
#[inline]
pub(crate) fn write_long(value: i64, out: &mut Vec<u8>) {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    if zigzag < 0x80 {
        out.push(zigzag as u8);
    } else if zigzag < 1 << 56 {
        // The reverse of reading: eight bytes at once, of which the first `len` count.
        let word = (zigzag & 0x0fff_ffff) | ((zigzag & 0x00ff_ffff_f000_0000) << 4);
        let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x0fff_c000_0fff_c000) << 2);
        let word = (word & 0x007f_007f_007f_007f) | ((word & 0x3f80_3f80_3f80_3f80) << 1);
        let len = (63 - zigzag.leading_zeros()) as usize / 7 + 1;
        let stops = STOP_BITS & ((1u64 << (8 * (len - 1))) - 1);
        let end = out.len() + len;
        out.extend_from_slice(&(word | stops).to_le_bytes());
        out.truncate(end);
    } else {
        let mut rest = zigzag;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own words, as slow as they are.
    fn slow(value: i64) -> Vec<u8> {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        let mut bytes = Vec::new();
        loop {
            let more = rest >= 0x80;
            bytes.push(rest as u8 & 0x7f | if more { 0x80 } else { 0 });
            rest >>= 7;
            if !more {
                return bytes;
            }
        }
    }

    #[test]
    fn numbers_of_every_length_are_written_and_read() {
        let mut values = vec![0, -1, 1, i64::MIN, i64::MAX];
        for bit in 0..63 {
            for near in -2..=2 {
                values.extend([(1i64 << bit) + near, -(1i64 << bit) + near]);
            }
        }
        for value in values {
            let mut bytes = Vec::new();
            write_long(value, &mut bytes);
            assert_eq!(bytes, slow(value), "{value}");
            // At the end of the bytes, and with more behind.
            for padding in [0, 1, 2, 3, 20] {
                bytes.resize(slow(value).len() + padding, 0xff);
                let mut cursor = Cursor::new(&bytes);
                assert_eq!(cursor.long(), Ok(value));
                assert_eq!(cursor.remaining(), padding);
            }
        }
    }

    #[test]
    fn ill_formed_numbers_are_told_apart() {
        assert_eq!(Cursor::new(&[]).long(), Err(Fault::AvroTruncated));
        for len in 1..10 {
            assert_eq!(Cursor::new(&[0x80; 9][..len]).long(), Err(Fault::AvroTruncated), "{len}");
        }
        assert_eq!(Cursor::new(&[0x80; 11]).long(), Err(Fault::AvroVarint));
        let mut over = [0xff; 10];
        over[9] = 2;
        assert_eq!(Cursor::new(&over).long(), Err(Fault::AvroVarint));
        assert_eq!(Cursor::new(&slow(1 << 31)).int(), Err(Fault::AvroInt));
        assert_eq!(Cursor::new(&slow(-1)).length(), Err(Fault::AvroLength));
        assert_eq!(Cursor::new(&[4, 0]).length(), Err(Fault::AvroTruncated));
        assert_eq!(Cursor::new(&[4, 0, 0]).length(), Ok(2));
    }
}
