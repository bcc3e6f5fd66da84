//! What a worker tells of its work. Called per batch and per event, never per record.

use std::time::Duration;

use crate::model::failure::Code;
use crate::pipeline::ports::GuestFigures;

/// Figures of one successful pass through decode, invoke, encode and send. It may still be undone:
/// [`Observer::commit`] and [`Observer::abort`] say which.
#[derive(Debug, Clone, Copy, Default)]
pub struct BatchFigures {
    pub records_in: u64,
    pub bytes_in: u64,
    pub records_out: u64,
    pub bytes_out: u64,
    pub decode: Duration,
    /// None when the transform was not called, or its call failed and was told of by itself.
    pub invoke: Option<Duration>,
    pub encode: Duration,
}

/// What became of a bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    DeadLetter,
    Dropped,
}

/// What became of a record behind the watermark. One that is processed is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateFate {
    Dropped,
    /// Copied to the topic for late records.
    Copied,
}

/// Metrics, behind a seam. Every method has an empty default.
pub trait Observer: Send {
    fn batch(&self, figures: &BatchFigures) {
        let _ = figures;
    }
    fn bad_record(&self, code: Code, fate: Fate) {
        let _ = (code, fate);
    }
    fn late(&self, records: u64, fate: LateFate) {
        let _ = (records, fate);
    }
    /// Timers were given to the transform.
    fn fired(&self, timers: u64) {
        let _ = timers;
    }
    /// A call into the transform failed; what becomes of its records is told elsewhere.
    fn invocation_failed(&self, code: Code, took: Duration) {
        let _ = (code, took);
    }
    fn guest(&self, figures: &GuestFigures) {
        let _ = figures;
    }
    /// Everything since the last commit or abort is committed.
    fn commit(&self, took: Duration) {
        let _ = took;
    }
    /// Records that the last commit wrote to changelogs.
    fn changelog(&self, records: u64, bytes: u64) {
        let _ = (records, bytes);
    }
    /// Everything since the last commit or abort is undone, and will be done again.
    fn abort(&self) {}
    fn rebalance(&self) {}
    fn waiting(&self, code: Code) {
        let _ = code;
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
