//! Emitted rows become records.

use arrow_array::Array;
use arrow_array::BinaryArray;
use arrow_array::ListArray;
use arrow_array::StringArray;
use arrow_array::StructArray;

use crate::model::record_batch::Emission;
use crate::model::record_batch::RawRecords;
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
use crate::pipeline::task::Token;

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

    fn is_dropped(&self, row: u32) -> bool {
        self.dropped.get(row as usize).copied().unwrap_or(false)
    }
}

/// One batch with what the guest made of it.
#[derive(Clone, Copy)]
pub struct Sending<'a, R> {
    pub records: &'a R,
    pub decoded: &'a Decoded,
    pub emissions: &'a [Emission],
    pub outputs: &'a Outputs,
    pub rows: &'a SourceRows,
    pub slot: u16,
}

impl<R> std::fmt::Debug for Sending<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("emissions", &self.emissions.len()).finish_non_exhaustive()
    }
}

impl<R: RawRecords> Sending<'_, R> {
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
        let last = self.records.offset(self.decoded.end.saturating_sub(1));
        let source_partition = self.records.topic_partition().partition;
        // A row of unknown source in a batch of one row has that row as its source for refusals.
        let lone = (self.decoded.records.len() == 1).then(|| self.decoded.records.first().copied()).flatten();
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
                Some(source) => self.decoded.records.get(source as usize).map(|index| *index as usize),
                None if lone.is_some() && self.rows.is_dropped(0) => continue,
                None => None,
            };
            let key = match (&emission.rows.key, source) {
                (Some(_), _) => encoded.key.get(row),
                (None, Some(source)) => self.records.key(source),
                (None, None) => None,
            };
            let timestamp = match (&emission.rows.timestamp, source) {
                (Some(column), _) => {
                    (!column.is_null(row)).then(|| column.values().get(row).copied()).flatten()
                }
                (None, Some(source)) => self.records.timestamp(source),
                (None, None) => *unknown_timestamp.get_or_insert_with(|| self.largest_timestamp()),
            };
            match (&emission.rows.headers, source) {
                (Some(column), _) => header_row(column.as_ref(), row, &mut copy),
                (None, Some(source)) if self.records.has_headers(source) => copy.copy(self.records, source),
                (None, _) => copy.clear(),
            }
            let headers = copy.list();
            let token = match (source, lone) {
                (Some(source), _) => Token::output(self.slot, self.records.offset(source)),
                (None, Some(lone)) => Token::output(self.slot, self.records.offset(lone as usize)),
                (None, None) => Token::unknown_source(self.slot, last),
            };
            let value = encoded.value.get(row);
            let partition = sink.route(topic, key, source_partition).map_err(SendFailure::Sink)?;
            let record =
                OutputRecord { topic, partition, key, value, timestamp, headers: &headers, token: token.0 };
            send(sink, &record)?;
            figures.records_out += 1;
            figures.bytes_out += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        }
        Ok(())
    }

    fn largest_timestamp(&self) -> Option<i64> {
        self.decoded.records.iter().filter_map(|index| self.records.timestamp(*index as usize)).max()
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
