//! A run of raw records, and how far it has come.

use std::ops::Range;

use crate::model::pipeline_spec::RetryPolicy;
use crate::model::record_batch::RawRecords;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::dead_letter::SetAside;
use crate::pipeline::event_time::TimedRows;
use crate::pipeline::poison::PoisonList;

/// A run, and how far it has come.
#[derive(Debug)]
pub struct HeldRun<R> {
    pub records: R,
    pub(crate) attempts: Attempts,
    /// What was decoded already, from behind the current window on: the watermark cut it off.
    rest: Option<TimedRows>,
    /// Records of the current window whose outputs cannot be encoded. The window runs again without
    /// them, so that they leave nothing in the state.
    unencodable: Vec<SetAside>,
    bytes_done: u64,
}

impl<R: RawRecords> HeldRun<R> {
    #[must_use]
    pub fn new(records: R, poison: &PoisonList, retry: &RetryPolicy) -> Self {
        let len = records.len();
        let isolate = len > 0 && poison.isolates(records.offset(0));
        Self {
            attempts: if isolate { Attempts::one_by_one(len, retry) } else { Attempts::new(len, retry) },
            records,
            rest: None,
            unencodable: Vec::new(),
            bytes_done: 0,
        }
    }

    /// Bytes of keys and values that were dealt with since the last call.
    pub fn take_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_done)
    }

    /// Index of the first record not yet dealt with.
    #[must_use]
    pub fn at(&self) -> usize {
        self.attempts.at()
    }

    /// Everything before `end` has been dealt with: so many bytes.
    pub(crate) fn advance(&mut self, end: usize, bytes: u64) {
        self.bytes_done += bytes;
        self.unencodable.clear();
        self.attempts.advance(end);
    }

    /// The records of a window that are bad before it is tried.
    pub(crate) fn known_bad(&self, window: Range<usize>, poison: &PoisonList) -> Vec<SetAside> {
        if poison.is_empty() && self.unencodable.is_empty() {
            return Vec::new();
        }
        let poisoned = window.clone().filter_map(|index| {
            let cause = poison.get(self.records.offset(index))?.clone();
            Some(SetAside { index: index as u32, cause, omit_value: false })
        });
        let mut bad: Vec<SetAside> = poisoned.collect();
        let within = |aside: &&SetAside| window.contains(&(aside.index as usize));
        bad.extend(self.unencodable.iter().filter(within).cloned());
        bad.sort_by_key(|aside| aside.index);
        bad
    }

    /// Records whose outputs cannot be encoded.
    pub(crate) fn leave_out(&mut self, mut unencodable: Vec<SetAside>) {
        self.unencodable.append(&mut unencodable);
    }

    /// What was decoded already from the window's start on, if anything.
    pub(crate) fn take_rest(&mut self, window: &Range<usize>) -> Option<TimedRows> {
        self.rest.take_if(|rest| rest.range().start == window.start && rest.range().end <= window.end)
    }

    /// Where to end when a window is decoded: before what was decoded already.
    pub(crate) fn decode_end(&self, window: &Range<usize>) -> usize {
        match &self.rest {
            Some(rest) if rest.range().start > window.start => rest.range().start.min(window.end),
            _ => window.end,
        }
    }

    /// Keeps what was cut off for the windows to come.
    pub(crate) fn keep_rest(&mut self, rest: TimedRows) {
        self.rest = Some(rest);
    }
}
