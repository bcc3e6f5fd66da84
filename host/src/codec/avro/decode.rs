//! Running a plan over a datum.

use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
use arrow_array::types::IntervalMonthDayNano;
use arrow_buffer::i256;

use crate::codec::avro::cursor::Cursor;
use crate::codec::avro::plan::Op;
use crate::codec::avro::plan::Plan;
use crate::codec::columns::Columns;
use crate::codec::columns::Layout;
use crate::codec::columns::NodeId;
use crate::codec::columns::Store;
use crate::codec::columns::slot;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;

/// Most items of a datum that take no bytes (nulls, empty records), so that a short record cannot
/// become a long column.
const EMPTY_ITEMS_MAX: usize = 1 << 16;

/// Whether each text is validated as it is read, or all of a column at the end of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utf8 {
    AtEnd,
    EachValue,
}

/// Reads one datum, all of `bytes`, as one row. After a fault the row is unfinished: truncate.
///
/// # Errors
/// The fault, with the byte position at which it was found; `trail` has the path.
#[inline]
pub(crate) fn datum(
    plan: &Plan,
    bytes: &[u8],
    columns: &mut Columns,
    utf8: Utf8,
    trail: &mut Trail,
) -> Result<(), (Fault, usize)> {
    let mut cursor = Cursor::new(bytes);
    let Columns { layout, store } = columns;
    let mut run = Run { layout, store, utf8, empty_items: 0, trail };
    let result = run.plan(plan, &mut cursor);
    match result {
        Ok(()) if cursor.remaining() == 0 => Ok(()),
        Ok(()) => {
            trail.found(format_args!("{} bytes", cursor.remaining()));
            Err((Fault::AvroTrailing, bytes.len() - cursor.remaining()))
        }
        Err(fault) => Err((fault, bytes.len() - cursor.remaining())),
    }
}

/// Reads one value that is known to be well-formed, like a default.
pub(crate) fn values(
    plan: &Plan,
    bytes: &[u8],
    layout: &Layout,
    store: &mut Store,
    utf8: Utf8,
    trail: &mut Trail,
) -> Result<(), Fault> {
    Run { layout, store, utf8, empty_items: 0, trail }.plan(plan, &mut Cursor::new(bytes))
}

struct Run<'a> {
    layout: &'a Layout,
    store: &'a mut Store,
    utf8: Utf8,
    empty_items: usize,
    trail: &'a mut Trail,
}

impl Run<'_> {
    fn plan(&mut self, plan: &Plan, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        for (index, op) in plan.ops.iter().enumerate() {
            if let Err(fault) = self.op(op, cursor) {
                if let Some(label) = plan.labels.get(index) {
                    self.trail.deepest(label);
                }
                return Err(fault);
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn op(&mut self, op: &Op, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        match op {
            Op::Valid(nulls) => slot(&mut self.store.nulls, *nulls)?.valid(),
            Op::Row(len) => *slot(&mut self.store.lens, *len)? += 1,
            Op::Boolean(column) => {
                let byte = cursor.byte()?;
                if byte > 1 {
                    self.trail.found(byte);
                    return Err(Fault::AvroBoolean);
                }
                slot(&mut self.store.booleans, *column)?.push(byte == 1);
            }
            Op::Int(column) => slot(&mut self.store.int32, *column)?.push(cursor.int()?),
            Op::Long(column) => slot(&mut self.store.int64, *column)?.push(cursor.long()?),
            Op::Float(column) => {
                slot(&mut self.store.float32, *column)?.push(f32::from_le_bytes(cursor.chunk()?));
            }
            Op::Double(column) => {
                slot(&mut self.store.float64, *column)?.push(f64::from_le_bytes(cursor.chunk()?));
            }
            Op::Bytes(column) => self.bytes(*column, cursor)?,
            Op::Text(column) => {
                if self.utf8 == Utf8::EachValue {
                    self.check_utf8(*cursor)?;
                }
                self.bytes(*column, cursor)?;
            }
            Op::Fixed { column, size } => {
                let bytes = cursor.take(*size)?;
                let column = slot(&mut self.store.fixed, *column)?;
                column.data.extend_from_slice(bytes);
                column.len += 1;
            }
            Op::Enum { column, symbols } => {
                let index = cursor.int()?;
                if !(0..*symbols).contains(&index) {
                    self.trail.found(index);
                    return Err(Fault::AvroEnum);
                }
                slot(&mut self.store.int32, *column)?.push(index);
            }
            Op::Nullable { nulls, null_branch, node, some } => {
                let branch = cursor.long()?;
                if branch == i64::from(*null_branch) {
                    self.store.placeholder(self.layout, *node)?;
                } else if branch == i64::from(1 - *null_branch) {
                    slot(&mut self.store.nulls, *nulls)?.valid();
                    self.plan(some, cursor)?;
                } else {
                    self.trail.found(branch);
                    return Err(Fault::AvroUnion);
                }
            }
            Op::SkipFixed(size) => {
                cursor.take(*size)?;
            }
            Op::SkipNumber => {
                cursor.long()?;
            }
            Op::SkipBytes => {
                let len = cursor.length()?;
                cursor.take(len)?;
            }
            other => return self.rare(other, cursor),
        }
        Ok(())
    }

    /// The steps that plain records seldom have, apart to keep the loop over the others small.
    fn rare(&mut self, op: &Op, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let store = &mut *self.store;
        match op {
            Op::NullRow(node) => {
                store.grow_by_default(0)?;
                store.placeholder(self.layout, *node)?;
            }
            Op::IntToLong(column) => slot(&mut store.int64, *column)?.push(cursor.int()?.into()),
            Op::IntToFloat(column) => slot(&mut store.float32, *column)?.push(cursor.int()? as f32),
            Op::IntToDouble(column) => slot(&mut store.float64, *column)?.push(cursor.int()?.into()),
            Op::LongToFloat(column) => slot(&mut store.float32, *column)?.push(cursor.long()? as f32),
            Op::LongToDouble(column) => slot(&mut store.float64, *column)?.push(cursor.long()? as f64),
            Op::FloatToDouble(column) => {
                slot(&mut store.float64, *column)?.push(f32::from_le_bytes(cursor.chunk()?).into());
            }
            Op::EnumMap { column, symbols } => {
                let index = cursor.int()?;
                let Some(mapped) = usize::try_from(index).ok().and_then(|index| symbols.get(index)) else {
                    self.trail.found(index);
                    return Err(Fault::AvroEnum);
                };
                if *mapped < 0 {
                    self.trail.found(format_args!("the writer's symbol {index}"));
                    return Err(Fault::AvroSymbol);
                }
                slot(&mut store.int32, *column)?.push(*mapped);
            }
            Op::Decimal128 { column, precision, size } => {
                let bytes = sized(cursor, *size)?;
                let value = sign_extended::<16>(bytes).map(i128::from_be_bytes);
                let value = value.filter(|v| Decimal128Type::is_valid_decimal_precision(*v, *precision));
                slot(&mut store.decimal128, *column)?.push(value.ok_or(Fault::AvroDecimal)?);
            }
            Op::Decimal256 { column, precision, size } => {
                let bytes = sized(cursor, *size)?;
                let value = sign_extended::<32>(bytes).map(i256::from_be_bytes);
                let value = value.filter(|v| Decimal256Type::is_valid_decimal_precision(*v, *precision));
                slot(&mut store.decimal256, *column)?.push(value.ok_or(Fault::AvroDecimal)?);
            }
            Op::UuidText(column) => {
                let text = sized(cursor, None)?;
                let uuid = (text.len() == 36).then(|| uuid::Uuid::try_parse_ascii(text));
                let Some(Ok(uuid)) = uuid else {
                    return Err(Fault::AvroUuid);
                };
                let column = slot(&mut store.fixed, *column)?;
                column.data.extend_from_slice(uuid.as_bytes());
                column.len += 1;
            }
            Op::Duration(column) => {
                let [months, days, millis] =
                    [cursor.chunk()?, cursor.chunk()?, cursor.chunk()?].map(u32::from_le_bytes);
                let (Ok(months), Ok(days)) = (i32::try_from(months), i32::try_from(days)) else {
                    return Err(Fault::AvroDuration);
                };
                let value = IntervalMonthDayNano::new(months, days, i64::from(millis) * 1_000_000);
                slot(&mut store.interval, *column)?.push(value);
            }
            Op::Array { list, child, item } => self.array(*list, *child, item, cursor)?,
            Op::Map { list, key, child, item } => self.map(*list, *key, *child, item, cursor)?,
            Op::WriterUnion(branches) => {
                let plan = self.branch(branches, cursor)?.as_ref().ok_or(Fault::AvroBranch)?;
                self.plan(plan, cursor)?;
            }
            Op::Branch { union, type_id, child } => store.branch(self.layout, *union, *type_id, *child)?,
            Op::Default { plan, bytes } => {
                store.grow_by_default(bytes.len())?;
                self.plan(plan, &mut Cursor::new(bytes))?;
            }
            Op::SkipArray(item) => self.skip_blocks(item, false, cursor)?,
            Op::SkipMap(item) => self.skip_blocks(item, true, cursor)?,
            Op::SkipUnion(branches) => {
                let plan = self.branch(branches, cursor)?;
                self.plan(plan, cursor)?;
            }
            _ => return Err(Fault::Internal),
        }
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, column: u32, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let len = cursor.length()?;
        slot(&mut self.store.bytes, column)?.push_prefix(cursor.rest(), len)?;
        cursor.take(len)?;
        Ok(())
    }

    #[cold]
    fn check_utf8(&mut self, mut cursor: Cursor<'_>) -> Result<(), Fault> {
        let len = cursor.length()?;
        match simdutf8::compat::from_utf8(cursor.take(len)?) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.trail.found(format_args!("after {} good bytes of {len}", error.valid_up_to()));
                Err(Fault::AvroUtf8)
            }
        }
    }

    fn branch<'p, T>(&mut self, branches: &'p [T], cursor: &mut Cursor<'_>) -> Result<&'p T, Fault> {
        let index = cursor.long()?;
        let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
        if branch.is_none() {
            self.trail.found(index);
        }
        branch.ok_or(Fault::AvroUnion)
    }

    fn array(&mut self, list: u32, child: NodeId, item: &Plan, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        while let Some((count, _)) = self.block(item.bytes_min, cursor)? {
            if self.empty_items(item, count)? {
                continue;
            }
            for _ in 0..count {
                self.plan(item, cursor)?;
            }
        }
        self.store.end_list(self.layout, list, child)
    }

    /// Appends items of which nothing is read (nulls, records without fields) all at once. Gives
    /// false for others; of those it counts the steps that read nothing, so that a short record
    /// cannot keep the thread.
    fn empty_items(&mut self, item: &Plan, count: usize) -> Result<bool, Fault> {
        let is_empty = |op: &Op| matches!(op, Op::Row(_) | Op::Fixed { size: 0, .. });
        if item.bytes_min > 0 || !item.ops.iter().all(is_empty) {
            let steps = item.ops.len().saturating_sub(item.bytes_min);
            self.store.grow(count.saturating_mul(steps))?;
            return Ok(false);
        }
        for op in &item.ops {
            match op {
                Op::Row(len) => *slot(&mut self.store.lens, *len)? += count,
                Op::Fixed { column, .. } => slot(&mut self.store.fixed, *column)?.len += count,
                _ => return Err(Fault::Internal),
            }
        }
        Ok(true)
    }

    fn map(
        &mut self,
        list: u32,
        key: u32,
        child: NodeId,
        item: &Plan,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Fault> {
        while let Some((count, _)) = self.block(item.bytes_min.saturating_add(1), cursor)? {
            self.store.grow(count.saturating_mul(item.ops.len().saturating_sub(item.bytes_min)))?;
            for _ in 0..count {
                if self.utf8 == Utf8::EachValue {
                    self.check_utf8(*cursor)?;
                }
                self.bytes(key, cursor)?;
                self.plan(item, cursor)?;
            }
        }
        self.store.end_list(self.layout, list, child)
    }

    fn skip_blocks(&mut self, item: &Plan, keys: bool, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        while let Some((count, bytes)) = self.block(item.bytes_min + usize::from(keys), cursor)? {
            if let Some(bytes) = bytes {
                cursor.take(bytes)?;
                continue;
            }
            if item.ops.is_empty() && !keys {
                continue;
            }
            for _ in 0..count {
                if keys {
                    let len = cursor.length()?;
                    cursor.take(len)?;
                }
                self.plan(item, cursor)?;
            }
        }
        Ok(())
    }

    /// The next block's count, and its bytes where they are given; none at the end. The count is
    /// no more than the remaining bytes can hold.
    fn block(
        &mut self,
        item_bytes_min: usize,
        cursor: &mut Cursor<'_>,
    ) -> Result<Option<(usize, Option<usize>)>, Fault> {
        let signed = cursor.long()?;
        if signed == 0 {
            return Ok(None);
        }
        let bytes = if signed < 0 { Some(cursor.length()?) } else { None };
        let count = usize::try_from(signed.unsigned_abs()).unwrap_or(usize::MAX);
        let fits = match count.checked_mul(item_bytes_min) {
            Some(0) => {
                self.empty_items = self.empty_items.saturating_add(count);
                self.empty_items <= EMPTY_ITEMS_MAX
            }
            Some(min) => min <= cursor.remaining(),
            None => false,
        };
        if !fits {
            self.trail.found(format_args!("{signed} items"));
            return Err(Fault::AvroCount);
        }
        Ok(Some((count, bytes)))
    }
}

/// The bytes of a fixed or of a length-prefixed value.
#[inline]
fn sized<'a>(cursor: &mut Cursor<'a>, size: Option<usize>) -> Result<&'a [u8], Fault> {
    let size = match size {
        Some(size) => size,
        None => cursor.length()?,
    };
    cursor.take(size)
}

/// A big-endian two's complement number of any length, if it fits `N` bytes. No bytes are none.
fn sign_extended<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut value = [sign; N];
    match bytes.len().checked_sub(N) {
        None | Some(0) => value.get_mut(N - bytes.len()..)?.copy_from_slice(bytes),
        Some(excess) => {
            let (leading, low) = bytes.split_at_checked(excess)?;
            // What is cut off must only repeat the sign.
            let same_sign = low.first()? & 0x80 == sign & 0x80;
            if !same_sign || leading.iter().any(|byte| *byte != sign) {
                return None;
            }
            value.copy_from_slice(low);
        }
    }
    Some(value)
}
