//! The Confluent wire format: a zero byte, the schema id as four big-endian bytes, the body.

use crate::codec::fault::Fault;
use crate::model::ids::RegistryId;

const MAGIC: u8 = 0;

/// Schema id and body of a framed key or value.
///
/// # Errors
/// [`Fault::WireTooShort`] under five bytes, [`Fault::WireMagic`] on another first byte.
#[inline]
pub fn split(bytes: &[u8]) -> Result<(RegistryId, &[u8]), Fault> {
    match bytes.split_first_chunk::<5>() {
        Some(([MAGIC, a, b, c, d], body)) => Ok((RegistryId(u32::from_be_bytes([*a, *b, *c, *d])), body)),
        None if bytes.first().is_none_or(|magic| *magic == MAGIC) => Err(Fault::WireTooShort),
        _ => Err(Fault::WireMagic),
    }
}

/// The five bytes before a body.
#[must_use]
pub fn header(id: RegistryId) -> [u8; 5] {
    let [a, b, c, d] = id.0.to_be_bytes();
    [MAGIC, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_from_other_bytes() {
        let mut framed = header(RegistryId(0x0102_0304)).to_vec();
        framed.push(9);
        assert_eq!(framed, [0, 1, 2, 3, 4, 9]);
        assert_eq!(split(&framed), Ok((RegistryId(0x0102_0304), &[9][..])));
        assert_eq!(split(&framed[..5]), Ok((RegistryId(0x0102_0304), &[][..])));
        assert_eq!(split(&framed[..4]), Err(Fault::WireTooShort));
        assert_eq!(split(&[]), Err(Fault::WireTooShort));
        assert_eq!(split(b"{\"a\":1}"), Err(Fault::WireMagic));
        assert_eq!(split(b"{"), Err(Fault::WireMagic));
    }
}
