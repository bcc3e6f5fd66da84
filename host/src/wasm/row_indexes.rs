//! Lists of row numbers, as guests pass them: one little-endian u32 each.

/// A list of rows that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::wasm) enum InvalidRows {
    #[error("{0} bytes are no whole number of 32-bit row indexes")]
    Fraction(usize),
    #[error("entry {at} is row {row}, but the batch has {count} rows")]
    OutOfRange { at: usize, row: u32, count: usize },
}

/// Reads row indexes, each below `count`.
pub(in crate::wasm) fn row_indexes(bytes: &[u8], count: usize) -> Result<Vec<u32>, InvalidRows> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(InvalidRows::Fraction(bytes.len()));
    }
    let rows: Vec<u32> = chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
    let bad = |row: u32| row as usize >= count;
    // One pass without branches; the entry is looked for only if there is one.
    if rows.iter().fold(false, |any, row| any | bad(*row)) {
        let (at, row) = (0..).zip(&rows).find(|(_, row)| bad(**row)).map_or((0, 0), |(at, row)| (at, *row));
        return Err(InvalidRows::OutOfRange { at, row, count });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_little_endian_and_within_the_batch() {
        assert_eq!(row_indexes(&[1, 0, 0, 0, 0, 1, 0, 0], 257), Ok(vec![1, 256]));
        assert_eq!(row_indexes(&[], 0), Ok(vec![]));
        assert_eq!(row_indexes(&[1, 0, 0], 9), Err(InvalidRows::Fraction(3)));
        let error = row_indexes(&[0, 0, 0, 0, 9, 0, 0, 0], 9).expect_err("out of range");
        assert_eq!(error, InvalidRows::OutOfRange { at: 1, row: 9, count: 9 });
    }
}
