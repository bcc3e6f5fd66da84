//! Where a guest's log lines go.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::Lower;

/// Severity of a guest's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum LogLevel {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// Keeps a pipeline's log lines. Lines arrive already cut and limited in rate.
pub trait GuestLogSink: Send + Sync {
    /// The least severe level that is kept; none to keep nothing.
    fn level_min(&self) -> Option<LogLevel>;

    /// One line. Called on the worker's thread, so it must not block.
    fn line(&self, level: LogLevel, target: &str, message: &str);

    /// So many lines were dropped since the last line, for they came too fast.
    fn dropped(&self, lines: u64);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGuestLogs;

impl GuestLogSink for NoGuestLogs {
    fn level_min(&self) -> Option<LogLevel> {
        None
    }

    fn line(&self, _level: LogLevel, _target: &str, _message: &str) {}

    fn dropped(&self, _lines: u64) {}
}

/// Lets so many lines a second through.
///
/// It outlives instances, so that a guest that traps again and again cannot log without end.
#[derive(Clone)]
pub(in crate::wasm) struct GuestLog {
    sink: Arc<dyn GuestLogSink>,
    lines_per_second_max: u32,
    window: Window,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    started: Option<Instant>,
    lines: u32,
    dropped: u64,
}

const SECOND: Duration = Duration::from_secs(1);

impl GuestLog {
    pub(in crate::wasm) fn new(sink: Arc<dyn GuestLogSink>, lines_per_second_max: u32) -> Self {
        Self { sink, lines_per_second_max, window: Window { started: None, lines: 0, dropped: 0 } }
    }

    pub(in crate::wasm) fn level_min(&self) -> Option<LogLevel> {
        self.sink.level_min()
    }

    /// Whether a line of this level may be written now. Counts it.
    pub(in crate::wasm) fn admit(&mut self, level: LogLevel, now: Instant) -> bool {
        if self.sink.level_min().is_none_or(|min| level < min) {
            return false;
        }
        if self.window.started.is_none_or(|started| now.duration_since(started) >= SECOND) {
            self.report_dropped();
            self.window.started = Some(now);
            self.window.lines = 0;
        }
        if self.window.lines >= self.lines_per_second_max {
            self.window.dropped += 1;
            return false;
        }
        self.window.lines += 1;
        true
    }

    pub(in crate::wasm) fn line(&self, level: LogLevel, target: &str, message: &str) {
        self.sink.line(level, target, message);
    }

    /// Tells of lines dropped so far: at the next window, and when the guest is given up.
    pub(in crate::wasm) fn report_dropped(&mut self) {
        if self.window.dropped > 0 {
            self.sink.dropped(std::mem::take(&mut self.window.dropped));
        }
    }
}

impl std::fmt::Debug for GuestLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestLog")
            .field("lines_per_second_max", &self.lines_per_second_max)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<u64>>);

    impl GuestLogSink for Kept {
        fn level_min(&self) -> Option<LogLevel> {
            Some(LogLevel::Info)
        }
        fn line(&self, _level: LogLevel, _target: &str, _message: &str) {}
        fn dropped(&self, lines: u64) {
            self.0.lock().push(lines);
        }
    }

    #[test]
    fn lines_over_the_rate_are_dropped_and_counted() {
        let kept = Arc::new(Kept::default());
        let mut log = GuestLog::new(Arc::clone(&kept) as Arc<dyn GuestLogSink>, 2);
        let start = Instant::now();
        let admitted: Vec<bool> = (0..5).map(|_| log.admit(LogLevel::Warn, start)).collect();
        assert_eq!(admitted, [true, true, false, false, false]);
        assert!(!log.admit(LogLevel::Debug, start), "below the level");
        assert!(kept.0.lock().is_empty());
        assert!(log.admit(LogLevel::Warn, start + SECOND));
        assert_eq!(*kept.0.lock(), [3]);
    }
}
