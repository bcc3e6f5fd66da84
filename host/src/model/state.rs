//! Values of keyed state and timers that several parts of the host speak of.

use serde::Deserialize;
use serde::Serialize;

use crate::model::binaries::BinariesBuf;
use crate::model::position::Partition;

/// Longest `key` or state key, in bytes.
pub const STATE_KEY_BYTES_MAX: usize = 4096;
/// Longest tag of a timer, in bytes.
pub const TIMER_TAG_BYTES_MAX: usize = 256;
/// Longest state value, in bytes: with key and framing it fits a Kafka record of 1 MiB.
pub const STATE_VALUE_BYTES_MAX: usize = (1 << 20) - STATE_KEY_BYTES_MAX - 1024;
/// Most state stores of one transform.
pub const STORES_MAX: usize = 64;
/// Most entries of one page of a scan.
pub const SCAN_ENTRIES_MAX: u32 = 10_000;
/// Most bytes of one page of a scan.
pub const SCAN_BYTES_MAX: usize = 4 << 20;
/// Most timers of one call of `on-timers`. Fixed, so that it cannot change what a replay does.
pub const TIMERS_PER_CALL_MAX: usize = 1000;

/// Index of a state store in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreIndex(pub u32);

impl StoreIndex {
    #[must_use]
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// What a timer, or a time-to-live, goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeDomain {
    /// The event watermark.
    Event,
    /// The clock of the host.
    Processing,
}

/// The times of one invocation, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateTimes {
    /// None when the transform tracks no event time, or before the first watermark.
    pub event_watermark: Option<i64>,
    pub processing_time: i64,
}

/// What a scan looks for; see `wit/state.wit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scan<'a> {
    /// The `key` part, without its length.
    pub key: &'a [u8],
    pub prefix: &'a [u8],
    pub start: Option<&'a [u8]>,
    pub end: Option<&'a [u8]>,
    /// 1 to [`SCAN_ENTRIES_MAX`].
    pub limit: u32,
    pub cursor: Option<&'a [u8]>,
}

/// A page of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanPage {
    pub suffixes: BinariesBuf,
    pub values: BinariesBuf,
    pub cursor: Option<Vec<u8>>,
}

/// Timers that are due, all of one domain, ordered by time, key and tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiredTimers {
    pub partition: Partition,
    pub event_watermark: Option<i64>,
    pub domain: TimeDomain,
    pub keys: BinariesBuf,
    pub tags: BinariesBuf,
    /// Milliseconds, one a timer.
    pub times: Vec<i64>,
}

impl FiredTimers {
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// One of them; none when there are not so many.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Timer<'_>> {
        let (keys, tags) = (self.keys.as_ref(), self.tags.as_ref());
        Some(Timer {
            partition: self.partition,
            domain: self.domain,
            key: keys.get(index)?,
            tag: tags.get(index)?,
            time: *self.times.get(index)?,
        })
    }
}

/// One timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer<'a> {
    /// Of the task that it belongs to.
    pub partition: Partition,
    pub domain: TimeDomain,
    pub key: &'a [u8],
    pub tag: &'a [u8],
    /// Milliseconds.
    pub time: i64,
}

/// Progress of event time of one input partition. Committed with the cycle, so that a replay sees
/// the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventClock {
    /// Largest event time seen, milliseconds.
    pub event_time_max: Option<i64>,
    /// The watermark that it has led to, at the declared granularity.
    pub event_watermark: Option<i64>,
}
