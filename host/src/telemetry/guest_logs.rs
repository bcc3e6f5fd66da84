//! The log lines of one pipeline's guests: kept in a bounded ring, to be paged and followed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::model::ids::WorkerIndex;
use crate::model::limits::LOG_LINE_BYTES_MAX;

/// Lines that are kept.
pub const LINES_MAX: usize = 10_000;
/// Bytes of the lines that are kept.
pub const RING_BYTES_MAX: usize = 4 << 20;
/// Largest page.
pub const PAGE_LINES_MAX: usize = 1_000;
/// Lines that a follower may be behind before it misses some.
const FOLLOWER_LINES_MAX: usize = 1_024;
const TARGET_BYTES_MAX: usize = 256;

/// How severe a line is; the order is that of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Number of the line, from 1, without gaps. Names a place in the log.
    pub cursor: u64,
    /// Milliseconds since the epoch.
    pub time_ms: i64,
    /// Index of the worker whose guest wrote it.
    pub worker: u32,
    pub level: LogLevel,
    pub target: String,
    pub message: String,
}

/// A run of lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogPage {
    pub lines: Vec<Arc<LogLine>>,
    /// To be given as `after` for the next page.
    pub next: u64,
    /// Lines after the place asked for that are no longer kept.
    pub missed: u64,
}

/// The log of one pipeline. Shared by its workers and the API.
#[derive(Debug)]
pub struct GuestLogs {
    ring: Mutex<Ring>,
    followers: broadcast::Sender<Arc<LogLine>>,
    lines_per_second_max: AtomicU32,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<LogLine>>,
    bytes: usize,
    last_cursor: u64,
    /// The second that is being counted.
    second: i64,
    in_second: u32,
    dropped_in_second: u64,
    dropped: u64,
}

impl GuestLogs {
    /// `lines_per_second_max` is the pipeline's limit `log_lines_per_second_max`.
    #[must_use]
    pub fn new(lines_per_second_max: u32) -> Self {
        let (followers, _) = broadcast::channel(FOLLOWER_LINES_MAX);
        Self { ring: Mutex::default(), followers, lines_per_second_max: AtomicU32::new(lines_per_second_max) }
    }

    /// Sets another limit, from the next line on. The lines stay.
    pub fn limit(&self, lines_per_second_max: u32) {
        self.lines_per_second_max.store(lines_per_second_max, Relaxed);
    }

    /// Keeps a line, unless the pipeline is over its rate, and returns it as it is kept: cut at
    /// [`LOG_LINE_BYTES_MAX`], and without control characters. Whoever shows a guest's text elsewhere
    /// shows this one. `now_ms` is wall-clock milliseconds.
    pub fn append(
        &self,
        now_ms: i64,
        worker: WorkerIndex,
        level: LogLevel,
        target: &str,
        message: &str,
    ) -> Option<Arc<LogLine>> {
        let limit = self.lines_per_second_max.load(Relaxed);
        let mut ring = self.ring.lock();
        let second = now_ms.div_euclid(1000);
        if second != ring.second {
            let dropped = std::mem::take(&mut ring.dropped_in_second);
            ring.second = second;
            ring.in_second = 0;
            if dropped > 0 {
                let message = format!("{dropped} lines dropped: the limit is {limit} lines a second");
                self.keep(&mut ring, now_ms, worker, LogLevel::Warn, "wasmill", &message);
            }
        }
        if ring.in_second >= limit {
            ring.dropped_in_second += 1;
            ring.dropped += 1;
            return None;
        }
        ring.in_second += 1;
        Some(self.keep(&mut ring, now_ms, worker, level, target, message))
    }

    fn keep(
        &self,
        ring: &mut Ring,
        now_ms: i64,
        worker: WorkerIndex,
        level: LogLevel,
        target: &str,
        message: &str,
    ) -> Arc<LogLine> {
        ring.last_cursor += 1;
        let line = Arc::new(LogLine {
            cursor: ring.last_cursor,
            time_ms: now_ms,
            worker: worker.0,
            level,
            target: cut(target, TARGET_BYTES_MAX),
            message: cut(message, LOG_LINE_BYTES_MAX),
        });
        ring.bytes += bytes_of(&line);
        ring.lines.push_back(Arc::clone(&line));
        while ring.lines.len() > LINES_MAX || ring.bytes > RING_BYTES_MAX {
            let Some(oldest) = ring.lines.pop_front() else {
                break;
            };
            ring.bytes -= bytes_of(&oldest);
        }
        // Without followers there is nobody to tell.
        let _ = self.followers.send(Arc::clone(&line));
        line
    }

    /// The lines after a cursor (0: from the oldest kept), at most `limit` of them and at most
    /// [`PAGE_LINES_MAX`], of at least the given level.
    #[must_use]
    pub fn page(&self, after: u64, limit: usize, level: LogLevel) -> LogPage {
        let ring = self.ring.lock();
        let first = ring.lines.front().map_or(ring.last_cursor + 1, |line| line.cursor);
        let skipped = usize::try_from(after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let wanted = ring.lines.iter().skip(skipped).filter(|line| line.level >= level);
        let limit = limit.clamp(1, PAGE_LINES_MAX);
        let lines: Vec<_> = wanted.take(limit).cloned().collect();
        // A page that is not full has seen everything; its end is the end of the log.
        let next = match lines.last() {
            Some(last) if lines.len() == limit => last.cursor,
            _ => ring.last_cursor.max(after),
        };
        LogPage { lines, next, missed: first.saturating_sub(after.saturating_add(1)) }
    }

    /// The last lines, oldest first.
    #[must_use]
    pub fn tail(&self, limit: usize, level: LogLevel) -> LogPage {
        let ring = self.ring.lock();
        let newest = ring.lines.iter().rev().filter(|line| line.level >= level);
        let mut lines: Vec<_> = newest.take(limit.min(PAGE_LINES_MAX)).cloned().collect();
        lines.reverse();
        LogPage { lines, next: ring.last_cursor, missed: 0 }
    }

    /// Every line from now on. A follower that is too slow is told how many lines it missed.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.followers.subscribe()
    }

    /// Lines dropped for the rate since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.ring.lock().dropped
    }
}

fn bytes_of(line: &LogLine) -> usize {
    size_of::<LogLine>() + line.target.len() + line.message.len()
}

/// The first `max` bytes, whole characters only; what ends a line, steers a terminal or turns the
/// direction of text is shown as a space, so that a guest cannot forge lines.
fn cut(text: &str, max: usize) -> String {
    let end = if text.len() <= max {
        text.len()
    } else {
        (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    let text = text.get(..end).unwrap_or_default().trim_end();
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

fn steers(c: char) -> bool {
    let separates_or_turns =
        matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\t') || separates_or_turns
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: WorkerIndex = WorkerIndex(0);

    fn messages(page: &LogPage) -> Vec<&str> {
        page.lines.iter().map(|line| line.message.as_str()).collect()
    }

    #[test]
    fn lines_are_paged_by_cursor() {
        let logs = GuestLogs::new(1000);
        for n in 0..5 {
            assert!(logs.append(1000, WORKER, LogLevel::Info, "guest", &format!("line {n}")).is_some());
        }
        let first = logs.page(0, 2, LogLevel::Trace);
        assert_eq!((messages(&first), first.next, first.missed), (vec!["line 0", "line 1"], 2, 0));
        let second = logs.page(first.next, 2, LogLevel::Trace);
        assert_eq!(messages(&second), ["line 2", "line 3"]);
        let last = logs.page(second.next, 2, LogLevel::Trace);
        assert_eq!((messages(&last), last.next), (vec!["line 4"], 5));
        assert!(logs.page(last.next, 2, LogLevel::Trace).lines.is_empty());
        assert_eq!(messages(&logs.tail(2, LogLevel::Trace)), ["line 3", "line 4"]);
    }

    #[test]
    fn a_page_has_only_lines_of_the_level_and_moves_past_the_others() {
        let logs = GuestLogs::new(1000);
        for level in [LogLevel::Debug, LogLevel::Error, LogLevel::Info] {
            logs.append(0, WORKER, level, "guest", "x");
        }
        let page = logs.page(0, 10, LogLevel::Warn);
        assert_eq!((page.lines.len(), page.next), (1, 3));
    }

    #[test]
    fn another_limit_holds_from_the_next_line_on() {
        let logs = GuestLogs::new(1);
        let append = || _ = logs.append(1_000, WORKER, LogLevel::Info, "guest", "x");
        (0..3).for_each(|_| append());
        assert_eq!(logs.dropped(), 2);
        logs.limit(3);
        (0..3).for_each(|_| append());
        assert_eq!((logs.dropped(), logs.page(0, 10, LogLevel::Trace).lines.len()), (3, 3));
    }

    #[test]
    fn lines_over_the_rate_are_counted_and_the_next_second_says_so() {
        let logs = GuestLogs::new(2);
        let kept: Vec<bool> =
            (0..5).map(|_| logs.append(1_999, WORKER, LogLevel::Info, "guest", "x").is_some()).collect();
        assert_eq!(kept, [true, true, false, false, false]);
        assert_eq!(logs.dropped(), 3);
        assert!(logs.append(2_000, WORKER, LogLevel::Info, "guest", "y").is_some());
        let page = logs.page(0, 10, LogLevel::Trace);
        assert_eq!(messages(&page), ["x", "x", "3 lines dropped: the limit is 2 lines a second", "y"]);
        assert_eq!(page.lines[2].target, "wasmill");
    }

    #[test]
    fn the_ring_is_bounded_in_lines_and_bytes_and_says_what_is_missed() {
        let logs = GuestLogs::new(u32::MAX);
        for n in 0..LINES_MAX + 10 {
            logs.append(0, WORKER, LogLevel::Info, "guest", &n.to_string());
        }
        let page = logs.page(0, 1, LogLevel::Trace);
        assert_eq!((messages(&page), page.missed), (vec!["10"], 10));
        let long = "x".repeat(LOG_LINE_BYTES_MAX * 2);
        for _ in 0..1_000 {
            logs.append(0, WORKER, LogLevel::Info, "guest", &long);
        }
        let ring = logs.ring.lock();
        assert!(ring.bytes <= RING_BYTES_MAX, "{}", ring.bytes);
        assert_eq!(ring.bytes, ring.lines.iter().map(|line| bytes_of(line)).sum::<usize>());
        assert!(ring.lines.iter().all(|line| line.message.len() <= LOG_LINE_BYTES_MAX));
    }

    #[test]
    fn lines_are_cut_at_characters_and_cannot_forge_others() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("one\ntwo\u{1b}[31m\n", 100), "one two [31m");
        assert_eq!(cut("one\u{2028}two\u{202e}three", 100), "one two three");
        let logs = GuestLogs::new(10);
        logs.append(0, WORKER, LogLevel::Info, &"t".repeat(1000), "m");
        assert_eq!(logs.page(0, 1, LogLevel::Trace).lines[0].target.len(), TARGET_BYTES_MAX);
    }

    #[test]
    fn followers_get_lines_as_they_come() {
        let logs = GuestLogs::new(10);
        logs.append(0, WORKER, LogLevel::Info, "guest", "before");
        let mut follower = logs.follow();
        logs.append(0, WORKER, LogLevel::Info, "guest", "after");
        assert_eq!(follower.try_recv().expect("a line").message, "after");
        assert!(follower.try_recv().is_err());
    }
}
