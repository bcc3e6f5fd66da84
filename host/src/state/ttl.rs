//! Time-to-live: when a value has expired, and what compaction may drop.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use rocksdb::CompactionDecision;

use crate::model::manifest::TimeToLive;
use crate::model::state::StateTimes;
use crate::model::state::TimeDomain;
use crate::state::format::BEFORE_EVENT_TIME;
use crate::state::format::StoredValue;

/// Which values of a store have expired, at the times of one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expiry {
    /// Values written at this time or before have expired; none while nothing can.
    pub(super) written_until: Option<i64>,
    /// When a value counts as written that was written before the first event watermark.
    pub(super) first_watermark: Option<i64>,
}

impl Expiry {
    /// Nothing expires.
    pub(super) const NEVER: Self = Self { written_until: None, first_watermark: None };

    pub(super) fn new(ttl: Option<TimeToLive>, times: StateTimes, first_watermark: Option<i64>) -> Self {
        let Some(ttl) = ttl else { return Self::NEVER };
        let now = match ttl.time {
            TimeDomain::Event => times.event_watermark,
            TimeDomain::Processing => Some(times.processing_time),
        };
        let ms = i64::try_from(ttl.ms).unwrap_or(i64::MAX);
        Self { written_until: now.map(|now| now.saturating_sub(ms)), first_watermark }
    }

    #[inline]
    pub(super) fn is_expired(&self, write_time: i64) -> bool {
        let Some(until) = self.written_until else { return false };
        if write_time == BEFORE_EVENT_TIME {
            return self.first_watermark.is_some_and(|first| first <= until);
        }
        write_time <= until
    }

    /// The body of a stored value, unless it has expired.
    #[inline]
    pub(super) fn living<'v>(&self, stored: &'v [u8]) -> Option<&'v [u8]> {
        let value = StoredValue::parse(stored).ok()?;
        (!self.is_expired(value.write_time)).then_some(value.body)
    }
}

/// How far a store was swept: of every value that was written at this time or before, the changelog
/// has a tombstone, so that compaction may drop it wherever it finds it.
///
/// Compaction goes no further, though more has expired: what it dropped before the sweep has found
/// it would stay in the changelog for ever.
#[derive(Debug, Clone)]
pub(super) struct SweptUntil(Arc<AtomicI64>);

impl Default for SweptUntil {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }
}

impl SweptUntil {
    pub(super) fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|until| *until != i64::MIN)
    }

    pub(super) fn set(&self, until: i64) {
        self.0.store(until, Ordering::Relaxed);
    }

    /// Whether compaction keeps or drops a value. Damaged ones are kept: reading them says so.
    pub(super) fn decide(&self, value: &[u8]) -> CompactionDecision {
        let until = self.0.load(Ordering::Relaxed);
        match StoredValue::parse(value) {
            Ok(value) if value.write_time != BEFORE_EVENT_TIME && value.write_time <= until => {
                CompactionDecision::Remove
            }
            _ => CompactionDecision::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(time: TimeDomain, event_watermark: Option<i64>, first: Option<i64>) -> Expiry {
        let times = StateTimes { event_watermark, processing_time: 1000 };
        Expiry::new(Some(TimeToLive { ms: 100, time }), times, first)
    }

    #[test]
    fn values_expire_when_their_time_has_passed() {
        let processing = expiry(TimeDomain::Processing, None, None);
        assert!(processing.is_expired(900) && !processing.is_expired(901));
        let event = expiry(TimeDomain::Event, Some(500), Some(450));
        assert!(event.is_expired(400) && !event.is_expired(401));
        assert!(!event.is_expired(BEFORE_EVENT_TIME), "counts as written at 450");
        assert!(expiry(TimeDomain::Event, Some(550), Some(450)).is_expired(BEFORE_EVENT_TIME));
        assert!(!expiry(TimeDomain::Event, None, None).is_expired(0), "no event time yet");
        assert!(!Expiry::NEVER.is_expired(i64::MIN));
    }

    #[test]
    fn compaction_drops_what_was_swept_and_nothing_else() {
        let swept = SweptUntil::default();
        let value = |write_time| {
            let mut bytes = Vec::new();
            StoredValue { schema: 0, write_time, body: b"x" }.write(&mut bytes);
            bytes
        };
        let dropped =
            |swept: &SweptUntil, value: &[u8]| matches!(swept.decide(value), CompactionDecision::Remove);
        assert!(!dropped(&swept, &value(-5)) && !dropped(&swept, &value(BEFORE_EVENT_TIME)));
        swept.set(10);
        assert!(dropped(&swept, &value(10)) && !dropped(&swept, &value(11)));
        assert!(!dropped(&swept, &value(BEFORE_EVENT_TIME)) && !dropped(&swept, b"damaged"));
    }
}
