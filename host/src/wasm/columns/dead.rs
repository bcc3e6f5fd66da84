//! Rows that lie under a null parent. They hold placeholders: anything that the format allows.
//!
//! A mask marks dead rows as null; no mask means that every row is alive.

use arrow_buffer::BooleanBufferBuilder;
use arrow_buffer::NullBuffer;
use arrow_buffer::OffsetBuffer;
use arrow_buffer::ScalarBuffer;

use crate::wasm::columns::column_error::ColumnError;

/// A column that may not be null may still hold nulls under a null parent. Without its validity it
/// is what its type promises.
///
/// # Errors
/// When a row that is alive is null.
pub(super) fn without_placeholders(
    nulls: Option<NullBuffer>,
    dead: Option<&NullBuffer>,
) -> Result<Option<NullBuffer>, ColumnError> {
    let Some(nulls) = nulls else { return Ok(None) };
    let is_dead = |row: usize| dead.is_some_and(|dead| dead.is_null(row));
    match (0..nulls.len()).find(|row| nulls.is_null(*row) && !is_dead(*row)) {
        None => Ok(None),
        Some(row) => Err(ColumnError::new(format!(
            "row {row} is null; expected a value, since the field is not nullable"
        ))),
    }
}

/// The items of dead lists. Null lists have no items as a rule: then there is no mask.
pub(super) fn items(
    offsets: &OffsetBuffer<i32>,
    dead: Option<&NullBuffer>,
    count: usize,
) -> Option<NullBuffer> {
    let dead = dead?;
    let mut items: Option<BooleanBufferBuilder> = None;
    for (row, pair) in offsets.windows(2).enumerate() {
        let [start, end] = pair else { continue };
        if start < end && dead.is_null(row) {
            let items = items.get_or_insert_with(|| all(count, true));
            for item in *start..*end {
                items.set_bit(usize::try_from(item).unwrap_or_default(), false);
            }
        }
    }
    items.map(|mut items| NullBuffer::new(items.finish()))
}

/// The rows of each branch of a union to which no live row of the union refers. Every offset is
/// below the length of its branch.
pub(super) fn branches(
    type_ids: &ScalarBuffer<i8>,
    offsets: &ScalarBuffer<i32>,
    dead: Option<&NullBuffer>,
    lengths: &[usize],
) -> Option<Vec<NullBuffer>> {
    let dead = dead?;
    let mut live: Vec<_> = lengths.iter().map(|length| all(*length, false)).collect();
    for (row, (id, offset)) in type_ids.iter().zip(offsets.iter()).enumerate() {
        if dead.is_valid(row)
            && let Some(branch) = usize::try_from(*id).ok().and_then(|id| live.get_mut(id))
        {
            branch.set_bit(usize::try_from(*offset).unwrap_or_default(), true);
        }
    }
    Some(live.into_iter().map(|mut live| NullBuffer::new(live.finish())).collect())
}

fn all(count: usize, value: bool) -> BooleanBufferBuilder {
    let mut bits = BooleanBufferBuilder::new(count);
    bits.append_n(count, value);
    bits
}
