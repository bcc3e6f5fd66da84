//! Emitted rows become records.

use arrow_array::Array;
use arrow_array::BinaryArray;
use arrow_array::ListArray;
use arrow_array::StringArray;
use arrow_array::StructArray;

use crate::model::failure::Stage;
use crate::model::limits::HEADER_BYTES;
use crate::model::position::Partition;
use crate::model::record_batch::Emission;
use crate::model::record_batch::RawRecords;
use crate::model::state::FiredTimers;
use crate::pipeline::emit_order::EmittedRow;
use crate::pipeline::header_copy::HeaderCopy;
use crate::pipeline::observer::BatchFigures;
use crate::pipeline::outputs::Outputs;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::send;
use crate::pipeline::token::Origin;
use crate::pipeline::token::TimerPlace;
use crate::pipeline::token::Token;

/// Which rows of a batch lose their outputs.
#[derive(Debug)]
pub struct SourceRows {
    count: usize,
    /// Empty while none is dropped.
    dropped: Vec<bool>,
}

impl SourceRows {
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { count, dropped: Vec::new() }
    }

    /// Drops a row's outputs. False if they were dropped before.
    pub fn drop_row(&mut self, row: u32) -> bool {
        if self.dropped.is_empty() {
            self.dropped.resize(self.count, false);
        }
        self.dropped.get_mut(row as usize).is_some_and(|dropped| !std::mem::replace(dropped, true))
    }

    #[inline]
    #[must_use]
    pub fn any_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    #[inline]
    #[must_use]
    pub fn is_dropped(&self, row: u32) -> bool {
        self.dropped.get(row as usize).copied().unwrap_or(false)
    }
}

/// What a call was made with: records of a batch, or timers.
pub trait Sources {
    /// How many.
    fn count(&self) -> usize;
    /// The key that an output takes over.
    fn key(&self, source: usize) -> Option<&[u8]>;
    /// The timestamp that an output takes over, milliseconds.
    fn timestamp(&self, source: usize) -> Option<i64>;
    /// The headers that an output takes over.
    fn headers(&self, source: usize, copy: &mut HeaderCopy);
    /// What those count, in bytes.
    fn header_bytes(&self, source: usize) -> u64;
    /// What fails when one of these does.
    fn stage(&self) -> Stage;
    fn origin(&self, source: usize) -> Origin;
    /// Of an output of which only the call is known.
    fn unknown_origin(&self) -> Origin;
}

/// Records, as sources.
pub struct RecordSources<'a, R> {
    pub records: &'a R,
    pub decoded: &'a Decoded,
}

impl<R: RawRecords> RecordSources<'_, R> {
    #[inline]
    fn index(&self, source: usize) -> Option<usize> {
        self.decoded.records.get(source).map(|index| *index as usize)
    }
}

impl<R: RawRecords> Sources for RecordSources<'_, R> {
    #[inline]
    fn count(&self) -> usize {
        self.decoded.records.len()
    }
    #[inline]
    fn key(&self, source: usize) -> Option<&[u8]> {
        self.records.key(self.index(source)?)
    }
    #[inline]
    fn timestamp(&self, source: usize) -> Option<i64> {
        self.records.timestamp(self.index(source)?)
    }
    #[inline]
    fn headers(&self, source: usize, copy: &mut HeaderCopy) {
        match self.index(source) {
            Some(index) if self.records.has_headers(index) => copy.copy(self.records, index),
            _ => copy.clear(),
        }
    }
    #[inline]
    fn header_bytes(&self, source: usize) -> u64 {
        let mut bytes = 0_u64;
        if let Some(index) = self.index(source).filter(|index| self.records.has_headers(*index)) {
            self.records.headers(index, &mut |name, value| {
                bytes += HEADER_BYTES + (name.len() + value.map_or(0, <[u8]>::len)) as u64;
            });
        }
        bytes
    }
    fn stage(&self) -> Stage {
        Stage::Transform
    }
    #[inline]
    fn origin(&self, source: usize) -> Origin {
        self.index(source)
            .map_or_else(|| self.unknown_origin(), |index| Origin::Record(self.records.offset(index)))
    }
    fn unknown_origin(&self) -> Origin {
        Origin::Batch(self.records.offset(self.decoded.end.saturating_sub(1)))
    }
}

/// Timers, as sources.
pub struct TimerSources<'a> {
    pub fired: &'a FiredTimers,
    /// Number of the call, for refusals.
    pub call: u64,
}

impl Sources for TimerSources<'_> {
    fn count(&self) -> usize {
        self.fired.len()
    }
    fn key(&self, source: usize) -> Option<&[u8]> {
        self.fired.keys.as_ref().get(source)
    }
    fn timestamp(&self, source: usize) -> Option<i64> {
        self.fired.times.get(source).copied()
    }
    fn headers(&self, _: usize, copy: &mut HeaderCopy) {
        copy.clear();
    }
    fn header_bytes(&self, _: usize) -> u64 {
        0
    }
    fn stage(&self) -> Stage {
        Stage::Timer
    }
    fn origin(&self, source: usize) -> Origin {
        Origin::Timer(TimerPlace { call: self.call, index: source })
    }
    fn unknown_origin(&self) -> Origin {
        Origin::Timers(TimerPlace { call: self.call, index: 0 })
    }
}

/// One call with what the guest made of it.
#[derive(Clone, Copy)]
pub struct Sending<'a, S> {
    pub sources: &'a S,
    pub emissions: &'a [Emission],
    pub outputs: &'a Outputs,
    pub rows: &'a SourceRows,
    /// Of the task.
    pub partition: Partition,
    pub slot: u16,
    pub event_watermark: Option<i64>,
}

impl<S> std::fmt::Debug for Sending<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("emissions", &self.emissions.len()).finish_non_exhaustive()
    }
}

impl<S: Sources> Sending<'_, S> {
    /// Sends every row in `order` whose source is not dropped.
    ///
    /// # Errors
    /// When the sink fails; some rows may have been sent.
    pub fn send_all<K: Sink>(
        &self,
        sink: &mut K,
        order: &[EmittedRow],
        figures: &mut BatchFigures,
    ) -> Result<(), RunFailure> {
        // A row of unknown source in a call with one has that one as its source for refusals.
        let lone = self.sources.count() == 1;
        let mut copy = HeaderCopy::default();
        let mut unknown_timestamp = None;
        for emitted in order {
            let Some(emission) = self.emissions.get(emitted.emission as usize) else {
                continue;
            };
            let Some(encoded) = self.outputs.encoded().get(emitted.emission as usize) else {
                continue;
            };
            let Some(topic) = self.outputs.topic(emission) else {
                continue;
            };
            let row = emitted.row as usize;
            let source = match emitted.known_source() {
                Some(source) if self.rows.is_dropped(source) => continue,
                Some(source) => Some(source as usize),
                None if lone && self.rows.is_dropped(0) => continue,
                None => None,
            };
            let key = match (&emission.rows.key, source) {
                (Some(_), _) => encoded.key.get(row),
                (None, Some(source)) => self.sources.key(source),
                (None, None) => None,
            };
            let timestamp = match (&emission.rows.timestamp, source) {
                (Some(column), _) => {
                    (!column.is_null(row)).then(|| column.values().get(row).copied()).flatten()
                }
                (None, Some(source)) => self.sources.timestamp(source),
                (None, None) => *unknown_timestamp.get_or_insert_with(|| self.unknown_timestamp()),
            };
            match (&emission.rows.headers, source) {
                (Some(column), _) => header_row(column.as_ref(), row, &mut copy),
                (None, Some(source)) => self.sources.headers(source, &mut copy),
                (None, None) => copy.clear(),
            }
            let headers = copy.list();
            let origin = match source {
                Some(source) => self.sources.origin(source),
                None if lone => self.sources.origin(0),
                None => self.sources.unknown_origin(),
            };
            let token = Token::new(self.slot, origin);
            let value = encoded.value.get(row);
            let partition = sink.route(topic, key, self.partition).map_err(SendFailure::Sink)?;
            let record =
                OutputRecord { topic, partition, key, value, timestamp, headers: &headers, token: token.0 };
            send(sink, &record)?;
            figures.records_out += 1;
            figures.bytes_out += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        }
        Ok(())
    }

    fn unknown_timestamp(&self) -> Option<i64> {
        let largest = || (0..self.sources.count()).filter_map(|source| self.sources.timestamp(source)).max();
        self.event_watermark.or_else(largest)
    }
}

/// Reads one row of a `List<Struct<key: Utf8, value: Binary>>` column. The boundary has validated
/// the column's type.
fn header_row(column: &dyn Array, row: usize, copy: &mut HeaderCopy) {
    copy.clear();
    let Some(list) = column.as_any().downcast_ref::<ListArray>() else {
        return;
    };
    let Some(entries) = list.values().as_any().downcast_ref::<StructArray>() else {
        return;
    };
    let (Some(names), Some(values)) = (
        entries.columns().first().and_then(|c| c.as_any().downcast_ref::<StringArray>()),
        entries.columns().get(1).and_then(|c| c.as_any().downcast_ref::<BinaryArray>()),
    ) else {
        return;
    };
    let offsets = list.value_offsets();
    let (Some(start), Some(end)) = (offsets.get(row), offsets.get(row + 1)) else {
        return;
    };
    for entry in *start as usize..*end as usize {
        let value = (!values.is_null(entry)).then(|| values.value(entry));
        copy.push(names.value(entry), value);
    }
}
