//! Records as columns, and the raw records behind them.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array};

use crate::model::ids::PortIndex;
use crate::model::ids::SchemaId;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;

/// Raw records of one partition in offset order, as they came from Kafka.
///
/// A trait, so that the bytes can stay in the client's fetch buffers. An index out of range gives
/// none or zero, never a panic.
pub trait RawRecords {
    fn topic_partition(&self) -> &TopicPartition;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn offset(&self, index: usize) -> Offset;
    fn key(&self, index: usize) -> Option<&[u8]>;
    fn value(&self, index: usize) -> Option<&[u8]>;
    /// Milliseconds since the epoch; none where the broker has none.
    fn timestamp(&self, index: usize) -> Option<i64>;
    /// Calls `visit` with each header, in order, duplicates included.
    fn headers(&self, index: usize, visit: &mut dyn FnMut(&str, Option<&[u8]>));
    /// Whether the record has any header. Cheaper than visiting them.
    fn has_headers(&self, index: usize) -> bool;
    /// A time at which all of the records had come. None where they came from nowhere.
    fn received(&self) -> Option<Instant> {
        None
    }
}

/// The roots of a run of records. A root that was not asked for, or not emitted, is absent.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub count: usize,
    pub key: Option<ArrayRef>,
    /// A null row is a tombstone.
    pub value: Option<ArrayRef>,
    /// Milliseconds.
    pub timestamp: Option<Arc<Int64Array>>,
    /// List<Struct<key: Utf8, value: Binary nullable>>.
    pub headers: Option<ArrayRef>,
    pub offset: Option<Arc<Int64Array>>,
}

/// What one invocation is given.
#[derive(Debug, Clone)]
pub struct RecordBatch {
    pub port: PortIndex,
    pub partition: Partition,
    /// Milliseconds of event time.
    pub event_watermark: Option<i64>,
    /// Writer schema of the values, on dynamic ports.
    pub schema: Option<SchemaId>,
    pub rows: Rows,
}

/// One accepted `emit`. Every column has the shape that its port's schema fixes.
#[derive(Debug, Clone)]
pub struct Emission {
    pub port: PortIndex,
    /// Schema of the values, on dynamic ports.
    pub schema: Option<SchemaId>,
    pub rows: Rows,
    /// The input row of each emitted row; empty when unknown. Each is below the batch's count.
    pub sources: Vec<u32>,
}

/// One `reject` call.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Input rows, each below the batch's count.
    pub rows: Vec<u32>,
    pub reason: String,
}

/// Everything that one successful invocation asked for.
#[derive(Debug, Clone, Default)]
pub struct Invoked {
    pub emissions: Vec<Emission>,
    pub rejections: Vec<Rejection>,
}
