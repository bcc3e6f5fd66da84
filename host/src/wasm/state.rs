//! What the host keeps beside each instance.

use std::sync::Arc;

use crate::model::ids::SchemaId;
use crate::model::limits::HEADER_BYTES;
use crate::model::limits::Limits;
use crate::model::manifest::Manifest;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::Rejection;
use crate::model::schema_table::SchemaTable;
use crate::model::state::TimeDomain;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::StateSlot;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::deadline::Deadline;
use crate::wasm::guest_log::GuestLog;
use crate::wasm::limiter::Limiter;
use crate::wasm::output_shape::OutputShape;

/// Bytes that every emission and rejection counts beside its columns.
const CALL_BYTES: u64 = 256;
/// Bytes that every emitted row counts beside its columns, so that rows without bytes are bounded.
const ROW_BYTES: u64 = 8;
/// Bytes that every row of a column without bytes counts: encoding it takes as long as a byte.
const WEIGHTLESS_BYTES: u64 = 1;
/// Bytes that every rejected row counts.
const REJECTED_ROW_BYTES: u64 = 4;
/// Bytes that every entry written to the state counts beside its key and value: about what it takes
/// in the host's memory.
const ENTRY_BYTES: u64 = 64;

/// The data of an instance's store.
pub(in crate::wasm) struct GuestState {
    pub(in crate::wasm) limiter: Limiter,
    pub(in crate::wasm) deadline: Deadline,
    pub(in crate::wasm) invocation: Invocation,
    pub(in crate::wasm) context: Arc<GuestContext>,
    pub(in crate::wasm) log: GuestLog,
    /// Keyed state of the task, while a call has it.
    pub(in crate::wasm) task_state: StateSlot,
    /// Shapes of the schemas that the guest has emitted by so far.
    pub(in crate::wasm) dynamic_shapes: Vec<(SchemaId, Arc<ColumnShape>)>,
}

/// What all instances of one guest share.
#[derive(Debug)]
pub(in crate::wasm) struct GuestContext {
    pub(in crate::wasm) outputs: Vec<OutputShape>,
    /// State stores by their index.
    pub(in crate::wasm) stores: Vec<StoreUse>,
    /// What its timers go by.
    pub(in crate::wasm) timers: Vec<TimeDomain>,
    /// Every key with a value, defaults filled in.
    pub(in crate::wasm) config: Vec<(String, String)>,
    pub(in crate::wasm) limits: Limits,
    pub(in crate::wasm) schemas: Arc<SchemaTable>,
    pub(in crate::wasm) timestamp_shape: ColumnShape,
    pub(in crate::wasm) headers_shape: ColumnShape,
}

/// What a guest may do with a state store.
#[derive(Debug)]
pub(in crate::wasm) struct StoreUse {
    pub(in crate::wasm) name: String,
    /// Whether it may be scanned.
    pub(in crate::wasm) scan: bool,
}

impl StoreUse {
    /// Every store of a manifest.
    pub(in crate::wasm) fn of_manifest(manifest: &Manifest) -> Vec<Self> {
        manifest.state.iter().map(|store| Self { name: store.name.clone(), scan: store.scan }).collect()
    }
}

/// What is known of the call that runs, and what it has asked for.
#[derive(Debug, Default)]
pub(in crate::wasm) struct Invocation {
    /// Rows of the batch, or timers.
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
    /// Whether state and timers can be used: not in `describe` and `open`.
    pub(in crate::wasm) may_use_state: bool,
    /// What it may still write of state.
    pub(in crate::wasm) state_room: StateRoom,
    /// The limit in bytes, once the state that it has written met it.
    state_limit: Option<u64>,
    /// Why the host could not give it its state.
    state_failure: Option<StateFailure>,
}

/// How much state an invocation may still write.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::wasm) struct StateRoom {
    bytes_left: u64,
    bytes_max: u64,
}

impl StateRoom {
    /// Takes the room for so many entries of so many bytes in all, before they reach the state.
    pub(in crate::wasm) fn take(&mut self, entries: usize, bytes: usize) -> Result<(), StateFailure> {
        let bytes = (entries as u64).saturating_mul(ENTRY_BYTES).saturating_add(bytes as u64);
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(StateFailure::Limit { limit_bytes: self.bytes_max }),
        }
    }
}

/// More output than the pipeline's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasm) struct OutputExceeded;

impl Invocation {
    /// A call of `process` or `on-timers`.
    pub(in crate::wasm) fn new(
        rows: usize,
        event_watermark: Option<i64>,
        processing_time: i64,
        limits: &Limits,
    ) -> Self {
        let state_bytes_max = limits.state_bytes_per_batch_max;
        Self {
            rows,
            event_watermark,
            processing_time,
            output_bytes_left: limits.output_bytes_per_batch_max,
            may_use_state: true,
            state_room: StateRoom { bytes_left: state_bytes_max, bytes_max: state_bytes_max },
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

    /// Takes the room for what an emission turned out to have: rows of columns without bytes, and
    /// headers.
    pub(in crate::wasm) fn take_contents(
        &mut self,
        weightless_rows: usize,
        headers: usize,
    ) -> Result<(), OutputExceeded> {
        let headers = (headers as u64).saturating_mul(HEADER_BYTES);
        self.take((weightless_rows as u64).saturating_mul(WEIGHTLESS_BYTES).saturating_add(headers))
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

    /// A write of state was refused for its size. The invocation fails even if the guest carries on,
    /// for its state would be incomplete.
    pub(in crate::wasm) fn state_limit_met(&mut self, limit_bytes: u64) {
        self.state_limit = Some(limit_bytes);
    }

    pub(in crate::wasm) fn state_limit(&self) -> Option<u64> {
        self.state_limit
    }

    /// The host could not read or write the state.
    pub(in crate::wasm) fn state_failed(&mut self, failure: StateFailure) {
        self.state_failure = Some(failure);
    }

    pub(in crate::wasm) fn state_failure(&self) -> Option<&StateFailure> {
        self.state_failure.as_ref()
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
