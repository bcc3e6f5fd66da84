//! A timer that is due.

use crate::binaries::Binaries;

/// What a timer, or a time to live, goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeDomain {
    /// The event watermark. Deterministic.
    Event,
    /// The clock of the host. Not deterministic.
    Processing,
}

impl TimeDomain {
    /// As the manifest spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Processing => "processing",
        }
    }
}

/// A timer whose time has come. Its key is [`Context::key`](crate::Context::key).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer<'a> {
    pub(crate) time: i64,
    pub(crate) tag: &'a str,
    pub(crate) domain: TimeDomain,
}

impl<'a> Timer<'a> {
    /// The time that it was registered for, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The tag that it was registered with.
    #[must_use]
    pub fn tag(&self) -> &'a str {
        self.tag
    }

    /// What it goes by.
    #[must_use]
    pub fn domain(&self) -> TimeDomain {
        self.domain
    }
}

/// Timers that are due, as they cross the boundary: ordered by time, key and tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The partition of the task.
    pub partition: u32,
    /// The event watermark.
    pub watermark: Option<i64>,
    /// What they go by.
    pub domain: TimeDomain,
    /// Their keys.
    pub keys: Binaries,
    /// Their tags.
    pub tags: Binaries,
    /// Their times, one little-endian s64 each.
    pub times: Vec<u8>,
}
