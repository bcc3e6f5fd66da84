//! Event times of a batch: read once from its columns, then only counted and compared.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrowPrimitiveType;
use arrow_array::BooleanArray;
use arrow_array::Int64Array;
use arrow_array::StructArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::types::TimestampNanosecondType;
use arrow_buffer::NullBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use arrow_select::filter::FilterBuilder;

use crate::model::failure::Stop;
use crate::model::record_batch::RawRecords;
use crate::model::record_batch::Rows;
use crate::pipeline::ports::Decoded;
use crate::pipeline::sending::SourceRows;
use crate::pipeline::settings::EventTimeSettings;

/// The event time of each row, milliseconds. A row may have none.
#[derive(Debug, Clone, Default)]
pub struct EventTimes {
    millis: ScalarBuffer<i64>,
    nulls: Option<NullBuffer>,
}

impl EventTimes {
    /// Reads them from decoded rows, or from the records' timestamps.
    ///
    /// # Errors
    /// When the rows of a port with a fixed type do not have the field as a time. The upload check
    /// has ruled that out.
    pub fn of<R: RawRecords>(
        settings: &EventTimeSettings,
        records: &R,
        decoded: &Decoded,
    ) -> Result<Self, Stop> {
        match &settings.field {
            None => {
                Ok(Self::from_options(decoded.records.iter().map(|index| records.timestamp(*index as usize))))
            }
            Some(field) => match column(&decoded.rows, field) {
                Ok(times) => Ok(times),
                // A topic's schema may have it or not: a record without it has no event time.
                Err(_) if decoded.schema.is_some() => {
                    Ok(Self::from_options(std::iter::repeat_n(None, decoded.rows.count)))
                }
                Err(found) => Err(Stop::new(
                    "event-time-field",
                    format!(
                        "the event time of `{}` is the field `{field}` of its value, but {found}; expected a timestamp or a long",
                        records.topic_partition().topic
                    ),
                    "Correct `event_time` in the transform's manifest or in the pipeline file",
                )),
            },
        }
    }

    fn from_options(times: impl Iterator<Item = Option<i64>>) -> Self {
        let array: Int64Array = times.collect();
        let (_, millis, nulls) = array.into_parts();
        Self { millis, nulls: nulls.filter(|nulls| nulls.null_count() > 0) }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.millis.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.millis.is_empty()
    }

    #[must_use]
    pub fn slice(&self, offset: usize, len: usize) -> Self {
        Self {
            millis: self.millis.slice(offset, len),
            nulls: self.nulls.as_ref().map(|nulls| nulls.slice(offset, len)),
        }
    }

    /// The first row from `start` on that is at `time` or later.
    #[must_use]
    pub fn first_from(&self, start: usize, time: i64) -> Option<usize> {
        let millis = self.millis.get(start..)?;
        let found = match &self.nulls {
            None => millis.iter().position(|at| *at >= time),
            Some(nulls) => (start..).zip(millis).position(|(row, at)| *at >= time && nulls.is_valid(row)),
        };
        found.map(|row| start + row)
    }

    /// The rows before `time`, ascending. Allocates only when there are any.
    #[must_use]
    pub fn before(&self, time: i64) -> Vec<usize> {
        let early = |(row, at): (usize, &i64)| (*at < time && self.is_valid(row)).then_some(row);
        self.millis.iter().enumerate().filter_map(early).collect()
    }

    /// The largest of the rows that were not set aside.
    #[must_use]
    pub fn max_of(&self, rows: &SourceRows) -> Option<i64> {
        if self.nulls.is_none() && !rows.any_dropped() {
            return self.millis.iter().copied().max();
        }
        let counted =
            |(row, at): (usize, &i64)| (self.is_valid(row) && !rows.is_dropped(row as u32)).then_some(*at);
        self.millis.iter().enumerate().filter_map(counted).max()
    }

    fn is_valid(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// What is left without the rows of `drop`, which ascend.
    fn without(&self, drop: &[usize]) -> Self {
        let mut drop = drop.iter().copied().peekable();
        let kept = (0..self.len()).filter(|row| drop.next_if_eq(row).is_none());
        Self::from_options(kept.map(|row| self.millis.get(row).copied().filter(|_| self.is_valid(row))))
    }
}

/// The field as times, or what was found in its place.
fn column(rows: &Rows, field: &str) -> Result<EventTimes, String> {
    let Some(value) = rows.value.as_ref().and_then(|value| value.as_any().downcast_ref::<StructArray>())
    else {
        return Err("the value is no record".to_owned());
    };
    let Some(column) = value.column_by_name(field) else {
        return Err("the value has no such field".to_owned());
    };
    let millis = match column.data_type() {
        DataType::Int64 => values::<Int64Type>(column),
        DataType::Timestamp(TimeUnit::Millisecond, _) => values::<TimestampMillisecondType>(column),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            values::<TimestampMicrosecondType>(column).map(|micros| scaled(&micros, 1_000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            values::<TimestampNanosecondType>(column).map(|nanos| scaled(&nanos, 1_000_000))
        }
        other => return Err(format!("that field is of the type {other}")),
    };
    let millis = millis.ok_or_else(|| "its column is not of its own type".to_owned())?;
    // A tombstone has no fields, whatever its children hold.
    let nulls = NullBuffer::union(value.nulls(), column.nulls()).filter(|nulls| nulls.null_count() > 0);
    Ok(EventTimes { millis, nulls })
}

fn values<T: ArrowPrimitiveType<Native = i64>>(column: &dyn Array) -> Option<ScalarBuffer<i64>> {
    column.as_primitive_opt::<T>().map(|array| array.values().clone())
}

/// Milliseconds of a finer unit, downwards.
fn scaled(times: &ScalarBuffer<i64>, unit: i64) -> ScalarBuffer<i64> {
    times.iter().map(|time| time.div_euclid(unit)).collect()
}

/// Decoded rows with their event times, a part of which may have been dealt with.
#[derive(Debug)]
pub struct TimedRows {
    decoded: Decoded,
    times: EventTimes,
    /// The next row, and the raw index at which it may stand at the earliest.
    row: usize,
    start: usize,
}

/// The rows for which one watermark holds.
#[derive(Debug)]
pub struct TimedPart {
    pub decoded: Decoded,
    /// Empty without event time.
    pub times: EventTimes,
}

impl TimedRows {
    /// Rows of the raw records from `start` on. `times` is empty without event time.
    #[must_use]
    pub fn new(decoded: Decoded, times: EventTimes, start: usize) -> Self {
        Self { decoded, times, row: 0, start }
    }

    /// Raw indexes that are not dealt with.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.decoded.end
    }

    /// The next row that is at `time` or later.
    #[must_use]
    pub fn first_from(&self, time: i64) -> Option<usize> {
        self.times.first_from(self.row, time)
    }

    /// Splits behind a row, or takes all; none is left when that was all. Only what is taken costs.
    #[must_use]
    pub fn split_after(mut self, row: Option<usize>) -> (TimedPart, Option<Self>) {
        let last = row.and_then(|row| Some((row, *self.decoded.records.get(row)?)));
        let (kept, end) = match last {
            Some((row, index)) => (row + 1, index as usize + 1),
            None => (self.decoded.rows.count, self.decoded.end),
        };
        if self.row == 0 && end >= self.decoded.end {
            return (TimedPart { decoded: self.decoded, times: self.times }, None);
        }
        let count = kept.saturating_sub(self.row);
        let bad_end = self.decoded.bad.partition_point(|(index, _)| (*index as usize) < end);
        let decoded = Decoded {
            rows: sliced(&self.decoded.rows, self.row, count),
            schema: self.decoded.schema,
            records: self.decoded.records.get(self.row..kept).unwrap_or_default().to_vec(),
            bad: self.decoded.bad.drain(..bad_end).collect(),
            end,
        };
        let times =
            if self.times.is_empty() { EventTimes::default() } else { self.times.slice(self.row, count) };
        self.row = kept;
        self.start = end;
        (TimedPart { decoded, times }, (end < self.decoded.end).then_some(self))
    }
}

impl TimedPart {
    /// Takes rows out, which ascend; gives the raw indexes of their records.
    ///
    /// # Errors
    /// When a column is of a type that cannot be filtered, which no decoded column is.
    pub fn take_out(&mut self, rows: &[usize]) -> Result<Vec<u32>, Stop> {
        let mut keep = vec![true; self.decoded.rows.count];
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            if let (Some(keep), Some(index)) = (keep.get_mut(*row), self.decoded.records.get(*row)) {
                *keep = false;
                taken.push(*index);
            }
        }
        self.times = self.times.without(rows);
        self.decoded.records.retain(|index| taken.binary_search(index).is_err());
        self.decoded.rows = filtered(&self.decoded.rows, &BooleanArray::from(keep)).map_err(|error| {
            Stop::new(
                "internal-filter",
                format!("late rows cannot be taken out of a batch: {error}"),
                "This is a mistake in Wasmill: please report it with the transform's manifest",
            )
        })?;
        Ok(taken)
    }
}

fn sliced(rows: &Rows, offset: usize, len: usize) -> Rows {
    Rows {
        count: len,
        key: rows.key.as_ref().map(|root| root.slice(offset, len)),
        value: rows.value.as_ref().map(|root| root.slice(offset, len)),
        timestamp: rows.timestamp.as_ref().map(|root| root.slice(offset, len).into()),
        headers: rows.headers.as_ref().map(|root| root.slice(offset, len)),
        offset: rows.offset.as_ref().map(|root| root.slice(offset, len).into()),
    }
}

fn filtered(rows: &Rows, keep: &BooleanArray) -> Result<Rows, ArrowError> {
    let filter = FilterBuilder::new(keep).optimize().build();
    let root = |root: &dyn Array| filter.filter(root);
    let number = |root: &Int64Array| {
        filter.filter(root).map(|array| Arc::new(array.as_primitive::<Int64Type>().clone()))
    };
    Ok(Rows {
        count: filter.count(),
        key: rows.key.as_deref().map(root).transpose()?,
        value: rows.value.as_deref().map(root).transpose()?,
        timestamp: rows.timestamp.as_deref().map(number).transpose()?,
        headers: rows.headers.as_deref().map(root).transpose()?,
        offset: rows.offset.as_deref().map(number).transpose()?,
    })
}
