//! What a guest may use. Units are in the names; defaults are here and nowhere else.

/// Limits of one pipeline's guest instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance in bytes. Default 64 MiB.
    pub memory_bytes_max: u64,
    /// Wall time of one invocation in milliseconds. Default 200.
    pub invocation_ms_max: u64,
    /// Bytes of all columns that one invocation may emit. Default 16 MiB.
    pub output_bytes_per_batch_max: u64,
    /// Bytes of state that one invocation may write: keys, values, and 64 for each entry. Default
    /// 16 MiB.
    pub state_bytes_per_batch_max: u64,
    /// Guest stack in bytes. Default 512 KiB. One value for the whole host.
    pub stack_bytes_max: u64,
    /// Log lines a second that are kept; the rest is counted. Default 100.
    pub log_lines_per_second_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            invocation_ms_max: 200,
            output_bytes_per_batch_max: 16 << 20,
            state_bytes_per_batch_max: 16 << 20,
            stack_bytes_max: 512 << 10,
            log_lines_per_second_max: 100,
        }
    }
}

/// Largest component that an upload takes, in bytes.
pub const COMPONENT_BYTES_MAX: usize = 50 << 20;
/// Largest number of columns in one batch or emission.
pub const COLUMNS_MAX: usize = 4096;
/// Largest number of columns of all schemas of a manifest together. Every worker keeps a decoder, a
/// shape or an encoder for each, and every task for those of the state.
pub const MANIFEST_COLUMNS_MAX: usize = 32_768;
/// Largest `fixed` type of a schema, in bytes: a null row of such a column takes as much.
pub const FIXED_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of a schema.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Most bytes that the keys and values of one batch may have once they are encoded. A few bytes of
/// columns can become many in a topic's format (the names of fields in JSON, the padding of a
/// decimal on `fixed`), so that [`Limits::output_bytes_per_batch_max`] alone would not bound them.
pub const ENCODED_BYTES_PER_BATCH_MAX: usize = 64 << 20;
/// What a header of an output counts beside its name and value, in bytes: about what it takes in the
/// producer's memory.
pub const HEADER_BYTES: u64 = 32;
/// Most schemas that the guests of one worker may declare, one after another. They are kept until
/// the worker ends.
pub const DECLARED_SCHEMAS_MAX: usize = 1024;
/// Most bytes of host memory that those schemas may take.
pub const DECLARED_SCHEMA_BYTES_MAX: usize = 8 << 20;
/// Longest time-to-live, and any other span of time that a manifest names, in milliseconds: 100 years.
/// Added to a time of this millennium it stays far within 64 bits.
pub const TIME_SPAN_MS_MAX: u64 = 36_525 * 86_400_000;
/// Longest log line that is kept, in bytes.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;
/// Longest reject reason that is kept, in bytes.
pub const REJECT_REASON_BYTES_MAX: usize = 4 << 10;
