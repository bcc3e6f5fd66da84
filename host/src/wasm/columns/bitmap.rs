//! Bit-packed columns: validity and booleans.

use arrow_buffer::BooleanBuffer;
use arrow_buffer::NullBuffer;

use crate::wasm::columns::arena::Arena;
use crate::wasm::columns::arena::Column;
use crate::wasm::columns::column_error::ColumnError;

/// The bytes that hold `len` bits.
#[inline]
pub(super) fn bytes_for(len: usize) -> usize {
    len.div_ceil(8)
}

/// Reads buffer 0 as validity; none when no row is null. Unless `is_exact`, the column may have
/// rows after these, and nulls among them.
///
/// # Errors
/// When it is too short, or disagrees with the declared count of nulls.
#[inline]
pub(super) fn validity(
    arena: &Arena,
    column: &Column,
    len: usize,
    is_exact: bool,
) -> Result<Option<NullBuffer>, ColumnError> {
    let declared = column.null_count;
    if arena.buffer_len(column, 0)? == 0 {
        return match declared {
            0 => Ok(None),
            _ => Err(ColumnError::new(format!(
                "`null-count` is {declared}, but there is no validity buffer; expected one of {} bytes",
                bytes_for(len)
            ))),
        };
    }
    let bits = arena.buffer(column, 0, bytes_for(len), len)?;
    let nulls = NullBuffer::new(BooleanBuffer::new(bits, 0, len));
    if nulls.null_count() > declared || (is_exact && nulls.null_count() < declared) {
        return Err(ColumnError::new(format!(
            "`null-count` is {declared}, but the validity buffer marks {} of {len} rows as null",
            nulls.null_count()
        )));
    }
    Ok((nulls.null_count() > 0).then_some(nulls))
}
