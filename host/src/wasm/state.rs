//! What the host keeps beside each instance.

use std::sync::Arc;

use crate::model::ids::SchemaId;
use crate::model::limits::Limits;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::Rejection;
use crate::model::schema_table::SchemaTable;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::deadline::Deadline;
use crate::wasm::guest_log::GuestLog;
use crate::wasm::limiter::Limiter;
use crate::wasm::output_shape::OutputShape;

/// Bytes that every emission and rejection counts beside its columns.
const CALL_BYTES: u64 = 256;
/// Bytes that every emitted row counts beside its columns, so that rows without bytes are bounded.
const ROW_BYTES: u64 = 8;
/// Bytes that every rejected row counts.
const REJECTED_ROW_BYTES: u64 = 4;

/// The data of an instance's store.
pub(in crate::wasm) struct GuestState {
    pub(in crate::wasm) limiter: Limiter,
    pub(in crate::wasm) deadline: Deadline,
    pub(in crate::wasm) invocation: Invocation,
    pub(in crate::wasm) context: Arc<GuestContext>,
    pub(in crate::wasm) log: GuestLog,
    /// Shapes of the schemas that the guest has emitted by so far.
    pub(in crate::wasm) dynamic_shapes: Vec<(SchemaId, Arc<ColumnShape>)>,
    /// Schemas that the guest has declared so far.
    pub(in crate::wasm) declared_schemas: usize,
}

/// What all instances of one guest share.
#[derive(Debug)]
pub(in crate::wasm) struct GuestContext {
    pub(in crate::wasm) outputs: Vec<OutputShape>,
    /// Every key with a value, defaults filled in.
    pub(in crate::wasm) config: Vec<(String, String)>,
    pub(in crate::wasm) limits: Limits,
    pub(in crate::wasm) schemas: Arc<SchemaTable>,
    pub(in crate::wasm) timestamp_shape: ColumnShape,
    pub(in crate::wasm) headers_shape: ColumnShape,
}

/// What is known of the call that runs, and what it has asked for.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Invocation {
    /// Rows of the batch.
    pub(in crate::wasm) rows: usize,
    /// Milliseconds of event time.
    pub(in crate::wasm) event_watermark: Option<i64>,
    /// Milliseconds since the epoch.
    pub(in crate::wasm) processing_time: i64,
    pub(in crate::wasm) invoked: Invoked,
    output_bytes_left: u64,
    output_refused: bool,
    /// Whether rows were emitted whose source is not known.
    unknown_sources: bool,
}

/// More output than the pipeline's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasm) struct OutputExceeded;

impl Invocation {
    pub(in crate::wasm) fn new(
        rows: usize,
        event_watermark: Option<i64>,
        processing_time: i64,
        output_bytes_max: u64,
    ) -> Self {
        Self {
            rows,
            event_watermark,
            processing_time,
            output_bytes_left: output_bytes_max,
            ..Self::default()
        }
    }

    /// Takes the room for an emission of so many rows and bytes, before anything is copied.
    ///
    /// A refusal is remembered: the invocation fails even if the guest carries on, for its output
    /// would be incomplete.
    pub(in crate::wasm) fn take_output(&mut self, rows: usize, bytes: u64) -> Result<(), OutputExceeded> {
        let rows = (rows as u64).saturating_mul(ROW_BYTES);
        self.take(bytes.saturating_add(rows).saturating_add(CALL_BYTES))
    }

    /// Takes the room for a rejection.
    pub(in crate::wasm) fn take_rejection(
        &mut self,
        rows: usize,
        reason: usize,
    ) -> Result<(), OutputExceeded> {
        let rows = (rows as u64).saturating_mul(REJECTED_ROW_BYTES);
        self.take(rows.saturating_add(reason as u64).saturating_add(CALL_BYTES))
    }

    fn take(&mut self, bytes: u64) -> Result<(), OutputExceeded> {
        match self.output_bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.output_bytes_left = left;
                Ok(())
            }
            None => {
                self.output_refused = true;
                Err(OutputExceeded)
            }
        }
    }

    pub(in crate::wasm) fn output_refused(&self) -> bool {
        self.output_refused
    }

    pub(in crate::wasm) fn stage(&mut self, emission: Emission) {
        self.unknown_sources |= emission.sources.is_empty() && emission.rows.count > 0;
        self.invoked.emissions.push(emission);
    }

    pub(in crate::wasm) fn reject(&mut self, rejection: Rejection) {
        self.invoked.rejections.push(rejection);
    }

    /// Whether rows were rejected while the sources of others are unknown: nobody can tell then
    /// which outputs the rejected rows had.
    pub(in crate::wasm) fn mixes_rejections_with_unknown_sources(&self) -> bool {
        self.unknown_sources && !self.invoked.rejections.is_empty()
    }
}
