//! What a transform returns when it cannot process a record.

use std::fmt;

use crate::columns::ColumnError;
use crate::wire::Failure;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a record, or the whole batch, cannot be processed.
///
/// Every `std::error::Error` converts into one that rejects the row, so that `?` on a parse error
/// sends the record to the dead letters and lets the others go on.
pub struct Error(Box<Inner>);

/// What becomes of the record or the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The record becomes a dead letter; the rest of the batch goes on.
    Reject,
    /// The batch is sent again after a pause.
    Retry,
    /// The pipeline stops.
    Fatal,
}

struct Inner {
    outcome: Outcome,
    reason: String,
}

impl Error {
    /// Rejects the record: it becomes a dead letter with this reason, of which the host keeps the
    /// first 4096 bytes.
    #[cold]
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Reject, reason.into())
    }

    /// A transient condition: the host backs off and sends the same records again.
    #[cold]
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Retry, reason.into())
    }

    /// The transform cannot go on: the pipeline stops with this reason.
    #[cold]
    pub fn fatal(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Fatal, reason.into())
    }

    fn new(outcome: Outcome, reason: String) -> Self {
        Self(Box::new(Inner { outcome, reason }))
    }

    /// What becomes of the record or the batch.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The reason, for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    pub(crate) fn into_reason(self) -> String {
        self.0.reason
    }

    /// The failure of the whole invocation. A rejection cannot be blamed on one row any more.
    pub(crate) fn into_failure(self) -> Failure {
        match self.0.outcome {
            Outcome::Retry => Failure::Retry(self.0.reason),
            Outcome::Reject | Outcome::Fatal => Failure::Fatal(self.0.reason),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.0.outcome, self.0.reason)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.reason)
    }
}

impl<E: std::error::Error> From<E> for Error {
    #[cold]
    fn from(error: E) -> Self {
        Self::reject(error.to_string())
    }
}

impl From<ColumnError> for Error {
    /// A column without the shape that its schema fixes is a broken contract, not a bad record.
    #[cold]
    fn from(error: ColumnError) -> Self {
        Self::fatal(error.to_string())
    }
}

/// Rejects the record at hand: returns an [`Error::reject`] with a formatted reason.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// fn check(amount: f64) -> Result<()> {
///     if amount < 0.0 {
///         reject!("the amount is negative: {amount}");
///     }
///     Ok(())
/// }
/// assert_eq!(check(-1.0).unwrap_err().reason(), "the amount is negative: -1");
/// ```
#[macro_export]
macro_rules! reject {
    ($($reason:tt)+) => {
        return ::core::result::Result::Err($crate::Error::reject(::std::format!($($reason)+)))
    };
}
