//! Sizes and times as people write them. The unit of a key stands in its name.

use bytesize::ByteSize;

/// Reads a size: a number of bytes, or text with a unit, `64MiB`, `1.5 GiB`, `500kB`.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    // A sign, or nothing but a unit, is no size.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<ByteSize>().ok().map(|size| size.as_u64())
}

/// Writes a size so that [`parse_bytes`] reads the same number: `64MiB`, or plain bytes where no
/// binary unit divides it.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_unit() {
        assert_eq!(parse_bytes("64MiB"), Some(64 << 20));
        assert_eq!(parse_bytes("1.5 GiB"), Some(3 << 29));
        assert_eq!(parse_bytes("500kB"), Some(500_000));
        assert_eq!(parse_bytes("17"), Some(17));
        for bad in ["", "MiB", "-1", "64 parsec", "1,5MiB"] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in prop_oneof![any::<u32>().prop_map(u64::from), (0u64..5000).prop_map(|n| n << 20)]) {
            prop_assert_eq!(parse_bytes(&format_bytes(bytes)), Some(bytes));
        }
    }
}
