//! Places at which a test lets the process die: see `docs/decisions/0006-fail-points.md`.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

/// A step between two effects that must not come apart. The process can be told to die there.
///
/// Numbered in the order in which a task's life meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailPoint {
    /// The files of a checkpoint are in the folder, and nothing says whose they are.
    CheckpointFetched,
    /// The state folder is locked, and opened or wiped.
    FolderOpened,
    /// A part of a changelog is in the folder.
    ChangelogApplied,
    /// Everything is in the folder, but not durable.
    RestoreApplied,
    /// The folder is level with the changelogs, and durable.
    Restored,
    /// A transaction is open, and nothing sent in it.
    TransactionBegun,
    /// The guest has returned: its writes are staged, nothing of it is sent.
    Invoked,
    /// What it emitted is sent, and its writes are in the overlay.
    WindowSent,
    /// Timers are taken, and the guest not called for them.
    TimersTaken,
    /// What it emitted for them is sent.
    TimersSent,
    /// The changes of the states are sent to their changelogs.
    ChangesSent,
    /// The records are handed to the client, the offsets are not in the transaction.
    RecordsHandedOver,
    /// The offsets are in the transaction, records may be on their way.
    OffsetsSent,
    /// Everything is written, and nothing committed.
    RecordsWritten,
    /// The transaction is committed, and the states do not know it.
    TransactionCommitted,
    /// The states know it.
    StateCommitted,
    /// What is to be flushed is frozen.
    FlushFrozen,
    /// The last batch of a flush is about to be written.
    FlushEnding,
    /// It is written with its offsets, and not durable.
    FlushWritten,
    /// The flush is durable, and the cache does not know it.
    FlushDurable,
    /// The files of a checkpoint are set apart, and none is sent.
    CheckpointTaken,
    /// They are sent, and no document names them.
    CheckpointSent,
    /// The document is written, and older checkpoints are there.
    CheckpointWritten,
    /// A partition is taken away, and its work not committed.
    Revoked,
    /// A state is given back, and not all of it flushed.
    Closing,
    /// All of it is flushed, and the folder still locked.
    Closed,
}

impl FailPoint {
    pub const ALL: [Self; 26] = [
        Self::CheckpointFetched,
        Self::FolderOpened,
        Self::ChangelogApplied,
        Self::RestoreApplied,
        Self::Restored,
        Self::TransactionBegun,
        Self::Invoked,
        Self::WindowSent,
        Self::TimersTaken,
        Self::TimersSent,
        Self::ChangesSent,
        Self::RecordsHandedOver,
        Self::OffsetsSent,
        Self::RecordsWritten,
        Self::TransactionCommitted,
        Self::StateCommitted,
        Self::FlushFrozen,
        Self::FlushEnding,
        Self::FlushWritten,
        Self::FlushDurable,
        Self::CheckpointTaken,
        Self::CheckpointSent,
        Self::CheckpointWritten,
        Self::Revoked,
        Self::Closing,
        Self::Closed,
    ];

    /// Such as `offsets-sent`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CheckpointFetched => "checkpoint-fetched",
            Self::FolderOpened => "folder-opened",
            Self::ChangelogApplied => "changelog-applied",
            Self::RestoreApplied => "restore-applied",
            Self::Restored => "restored",
            Self::TransactionBegun => "transaction-begun",
            Self::Invoked => "invoked",
            Self::WindowSent => "window-sent",
            Self::TimersTaken => "timers-taken",
            Self::TimersSent => "timers-sent",
            Self::ChangesSent => "changes-sent",
            Self::RecordsHandedOver => "records-handed-over",
            Self::OffsetsSent => "offsets-sent",
            Self::RecordsWritten => "records-written",
            Self::TransactionCommitted => "transaction-committed",
            Self::StateCommitted => "state-committed",
            Self::FlushFrozen => "flush-frozen",
            Self::FlushEnding => "flush-ending",
            Self::FlushWritten => "flush-written",
            Self::FlushDurable => "flush-durable",
            Self::CheckpointTaken => "checkpoint-taken",
            Self::CheckpointSent => "checkpoint-sent",
            Self::CheckpointWritten => "checkpoint-written",
            Self::Revoked => "revoked",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }

    /// Dies here, if this is the place and its time has come. Elsewhere it is one relaxed load.
    #[inline]
    pub fn reach(self) {
        if ARMED.load(Ordering::Relaxed) == self.code() {
            self.count_down();
        }
    }

    #[cold]
    fn count_down(self) {
        // Several threads may come by; those after the last are too late to matter.
        if LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
            tracing::warn!(fail_point = self.name(), "dying as commanded");
            std::process::abort();
        }
    }

    /// Zero stands for none.
    fn code(self) -> u32 {
        self as u32 + 1
    }
}

/// Code of the place at which to die.
static ARMED: AtomicU32 = AtomicU32::new(0);
/// How many times it has to be reached until then.
static LEFT: AtomicU32 = AtomicU32::new(0);

/// Lets the process die when it comes to a place for the nth time: `offsets-sent:3`.
///
/// # Errors
/// When the text names no place and no number.
pub fn arm(text: &str) -> Result<(), String> {
    let (point, count) = parse(text)?;
    LEFT.store(count, Ordering::Relaxed);
    ARMED.store(point.code(), Ordering::Relaxed);
    Ok(())
}

fn parse(text: &str) -> Result<(FailPoint, u32), String> {
    let (name, count) = text.split_once(':').unwrap_or((text, "1"));
    let point = FailPoint::ALL.into_iter().find(|point| point.name() == name);
    let count = count.parse().ok().filter(|count| *count > 0);
    point.zip(count).ok_or_else(|| {
        let names: Vec<&str> = FailPoint::ALL.into_iter().map(FailPoint::name).collect();
        format!("`{text}`; the places are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_their_names() {
        for (index, point) in FailPoint::ALL.into_iter().enumerate() {
            assert_eq!(point as usize, index, "{point:?} is out of order");
            assert_eq!(parse(&format!("{}:7", point.name())), Ok((point, 7)));
        }
        assert_eq!(parse("invoked"), Ok((FailPoint::Invoked, 1)));
    }

    #[test]
    fn what_names_no_place_or_number_is_refused() {
        for wrong in ["", "nowhere", "invoked:", "invoked:0", "invoked:-1", "invoked:x"] {
            let error = parse(wrong).expect_err(wrong);
            assert!(error.contains("offsets-sent") && error.contains(&format!("`{wrong}`")), "{error}");
        }
    }
}
