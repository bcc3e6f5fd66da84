//! The shapes of `wasmill:transform/types`: how records cross between the host and a transform.
//!
//! The same types serve in Wasm, where the bindings lift and lower them, and natively, where
//! [`Runner`](crate::native::Runner) takes and gives them as they are.

pub use crate::binaries::Binaries;
pub use crate::state::link::ScanPage;
pub use crate::state::link::ScanRange;
pub use crate::timers::Fired;

/// A schema known to the host, valid for the life of the instance.
pub type SchemaId = u32;

/// One Apache Arrow array, buffer for buffer as the Arrow columnar format lays it out: offset 0,
/// little-endian, validity first where the type has one (empty: no row is null).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// The buffers in the order of the Arrow format for the type.
    pub buffers: Vec<Vec<u8>>,
    /// The child arrays, as indexes into [`Rows::columns`], each larger than this column's own.
    pub children: Vec<u32>,
    /// How many rows are null.
    pub null_count: u32,
}

/// A run of records as columns. The roots are the parts of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many records.
    pub count: u32,
    /// The record keys; a null row is a null key.
    pub key: Option<u32>,
    /// The record values; a null row is a tombstone.
    pub value: Option<u32>,
    /// Milliseconds since the Unix epoch, Int64, nullable.
    pub timestamp: Option<u32>,
    /// List<Struct<key: Utf8, value: Binary nullable>>.
    pub headers: Option<u32>,
    /// Int64. Only on input.
    pub offset: Option<u32>,
    /// Every array that the roots reach.
    pub columns: Vec<Column>,
}

/// Records of one partition, in offset order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Index of the input port in the manifest.
    pub port: u32,
    /// The source partition.
    pub partition: u32,
    /// Progress of event time in milliseconds.
    pub watermark: Option<i64>,
    /// On dynamic ports, the writer schema of the values.
    pub schema: Option<SchemaId>,
    /// The records.
    pub rows: Rows,
}

/// Why an invocation failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A transient condition: the host backs off and sends the same records again.
    Retry(String),
    /// The transform cannot go on: the pipeline stops with this reason.
    Fatal(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Retry(reason) => write!(f, "to be retried: {reason}"),
            Self::Fatal(reason) => write!(f, "fatal: {reason}"),
        }
    }
}

impl std::error::Error for Failure {}
