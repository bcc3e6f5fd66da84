//! How far a restore has come; shared with who watches it, or ends it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::model::status::RestoreProgress;
use crate::model::status::RestoreSource;

/// Reasons that are kept of sources that were not used.
const PASSED_OVER_MAX: usize = 10;

/// See the module.
#[derive(Debug)]
pub struct RestoreMeter {
    records: AtomicU64,
    bytes: AtomicU64,
    /// `u64::MAX` while it is not known.
    records_left: AtomicU64,
    checkpoint_bytes: AtomicU64,
    cancellation: CancellationToken,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
struct Stage {
    began: Instant,
    source: Option<RestoreSource>,
    /// The checkpoint that is or was fetched, and the bytes of its files.
    checkpoint: Option<(String, u64)>,
    passed_over: Vec<String>,
}

impl Default for RestoreMeter {
    fn default() -> Self {
        Self {
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            records_left: AtomicU64::new(u64::MAX),
            checkpoint_bytes: AtomicU64::new(0),
            cancellation: CancellationToken::new(),
            stage: Mutex::new(Stage {
                began: Instant::now(),
                source: None,
                checkpoint: None,
                passed_over: Vec::new(),
            }),
        }
    }
}

impl RestoreMeter {
    #[must_use]
    pub fn progress(&self) -> RestoreProgress {
        let stage = self.stage.lock();
        let records = self.records.load(Ordering::Relaxed);
        let records_left = Some(self.records_left.load(Ordering::Relaxed)).filter(|left| *left != u64::MAX);
        let fetched = self.checkpoint_bytes.load(Ordering::Relaxed);
        let to_fetch = stage.checkpoint.as_ref().map_or(0, |(_, bytes)| bytes.saturating_sub(fetched));
        let left = match records_left {
            Some(left) => time_left(stage.began.elapsed(), records, left),
            None if to_fetch > 0 => time_left(stage.began.elapsed(), fetched, to_fetch),
            None => None,
        };
        RestoreProgress {
            source: stage.source,
            checkpoint: stage.checkpoint.as_ref().map(|(name, _)| name.clone()),
            checkpoint_bytes: fetched,
            checkpoint_bytes_left: to_fetch,
            records,
            bytes: self.bytes.load(Ordering::Relaxed),
            records_left,
            left,
            passed_over: stage.passed_over.clone(),
        }
    }

    /// What the reader of the changelogs knows to be still to come.
    pub fn set_records_left(&self, left: u64) {
        self.records_left.store(left, Ordering::Relaxed);
    }

    /// The restore is to end soon: a download is given up.
    pub fn cancel(&self) {
        self.cancellation.cancel();
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    pub(super) fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    pub(super) fn add(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A source is not used.
    pub(super) fn pass_over(&self, why: String) {
        let mut stage = self.stage.lock();
        if stage.passed_over.len() < PASSED_OVER_MAX {
            stage.passed_over.push(why);
        }
    }

    /// A download begins.
    pub(super) fn fetches_checkpoint(&self, name: String, bytes: u64) {
        self.checkpoint_bytes.store(0, Ordering::Relaxed);
        let mut stage = self.stage.lock();
        stage.began = Instant::now();
        stage.checkpoint = Some((name, bytes));
    }

    pub(super) fn fetched(&self, bytes: u64) {
        self.checkpoint_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The download came to nothing.
    pub(super) fn no_checkpoint(&self) {
        self.checkpoint_bytes.store(0, Ordering::Relaxed);
        self.stage.lock().checkpoint = None;
    }

    /// The changelogs are read from here on.
    pub(super) fn starts_from(&self, source: RestoreSource) {
        let mut stage = self.stage.lock();
        stage.began = Instant::now();
        stage.source = Some(source);
    }
}

/// At the pace so far; none before there is one.
fn time_left(elapsed: Duration, done: u64, left: u64) -> Option<Duration> {
    if left == 0 {
        return Some(Duration::ZERO);
    }
    // A pace measured over less says nothing.
    if done == 0 || elapsed < Duration::from_millis(200) {
        return None;
    }
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * left as f64 / done as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_pace_so_far() {
        let seconds = Duration::from_secs;
        assert_eq!(time_left(seconds(10), 100, 50), Some(seconds(5)));
        assert_eq!(time_left(seconds(10), 100, 0), Some(Duration::ZERO));
        assert_eq!(time_left(seconds(10), 0, 50), None);
        assert_eq!(time_left(Duration::from_millis(1), 100, 50), None);
        assert_eq!(time_left(seconds(1), 1, u64::MAX), None, "more than a duration can hold");
    }

    #[test]
    fn a_download_that_came_to_nothing_is_forgotten_but_for_the_reason() {
        let meter = RestoreMeter::default();
        meter.fetches_checkpoint("1-1".to_owned(), 100);
        meter.fetched(30);
        let progress = meter.progress();
        assert_eq!((progress.checkpoint_bytes, progress.checkpoint_bytes_left), (30, 70));
        meter.pass_over("checkpoint 1-1: damaged".to_owned());
        meter.no_checkpoint();
        meter.starts_from(RestoreSource::Empty);
        let progress = meter.progress();
        assert_eq!((progress.checkpoint, progress.checkpoint_bytes_left), (None, 0));
        assert_eq!(progress.source, Some(RestoreSource::Empty));
        assert_eq!(progress.passed_over, ["checkpoint 1-1: damaged"]);
    }
}
