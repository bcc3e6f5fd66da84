//! Log lines of transforms under test.

use std::cell::RefCell;

/// A line that a transform logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: log::Level,
    /// Its target: the module, unless said otherwise.
    pub target: String,
    /// Its text.
    pub message: String,
}

thread_local! {
    /// A test runs on one thread, and so do the transforms it opens.
    static LINES: RefCell<Vec<LogLine>> = const { RefCell::new(Vec::new()) };
}

struct Capture;

static CAPTURE: Capture = Capture;

impl log::Log for Capture {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = LogLine {
            level: record.level(),
            target: record.target().to_owned(),
            message: record.args().to_string(),
        };
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

/// Captures every line from now on, unless the test has a logger of its own.
pub(crate) fn capture() {
    if log::set_logger(&CAPTURE).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    LINES.take();
}

/// The lines that this thread logged since [`capture`].
pub(crate) fn lines() -> Vec<LogLine> {
    LINES.with_borrow(Clone::clone)
}
