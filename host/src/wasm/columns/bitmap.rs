//! Bit-packed columns: validity and booleans.

use arrow_buffer::BooleanBuffer;
use arrow_buffer::Buffer;
use arrow_buffer::NullBuffer;

use crate::wasm::columns::column_error::ColumnError;

/// The bytes that hold `len` bits.
#[inline]
pub(super) fn bytes_for(len: usize) -> usize {
    len.div_ceil(8)
}

/// Reads a validity buffer; none when no row is null.
///
/// # Errors
/// When it is too short, or disagrees with the declared count of nulls.
pub(super) fn validity(
    buffer: &Buffer,
    len: usize,
    declared: usize,
) -> Result<Option<NullBuffer>, ColumnError> {
    if buffer.is_empty() {
        return match declared {
            0 => Ok(None),
            _ => Err(ColumnError::new(format!(
                "`null-count` is {declared}, but there is no validity buffer; expected one of {} bytes",
                bytes_for(len)
            ))),
        };
    }
    if buffer.len() < bytes_for(len) {
        return Err(ColumnError::new(format!(
            "the validity buffer has {} bytes; expected {} for {len} rows",
            buffer.len(),
            bytes_for(len)
        )));
    }
    let nulls = NullBuffer::new(BooleanBuffer::new(buffer.clone(), 0, len));
    if nulls.null_count() != declared {
        return Err(ColumnError::new(format!(
            "`null-count` is {declared}, but the validity buffer marks {} of {len} rows as null",
            nulls.null_count()
        )));
    }
    Ok((declared > 0).then_some(nulls))
}
