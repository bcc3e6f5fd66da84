//! Who is to blame for a failure and who recovers from it, as types.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// A stable, documented name of a kind of failure: `avro-truncated`, `guest-trap`.
///
/// It stands in dead-letter headers, metrics, API problems and the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Where in the data path a record failed. Becomes `__connect.errors.stage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    KeyDecode,
    ValueDecode,
    Transform,
    /// The transform failed on a timer.
    Timer,
    KeyEncode,
    ValueEncode,
    Produce,
}

impl Stage {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyDecode => "KEY_DECODE",
            Self::ValueDecode => "VALUE_DECODE",
            Self::Transform => "TRANSFORM",
            Self::Timer => "TIMER",
            Self::KeyEncode => "KEY_ENCODE",
            Self::ValueEncode => "VALUE_ENCODE",
            Self::Produce => "PRODUCE",
        }
    }
}

/// A failure whose cause lies in one record: it becomes a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    pub code: Code,
    pub stage: Stage,
    /// What was found, where, what was expected. One line. Never holds payload bytes beyond a few.
    pub message: String,
    /// The guest's backtrace, or empty.
    pub trace: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// A failure that stops a pipeline until someone acts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{code}: {message}. {remedy}")]
pub struct Stop {
    pub code: Code,
    /// What was found, where, what was expected.
    pub message: String,
    /// How to mend it, as a sentence.
    pub remedy: Cow<'static, str>,
}

impl Stop {
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Code(code), message: message.into(), remedy: remedy.into() }
    }
}

/// A failure outside of Wasmill that passes by itself (a broker or registry that is away): the
/// work is retried with backoff, without limit, and no record is set aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Outage {
    pub code: Code,
    pub message: String,
}

impl Outage {
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Code(code), message: message.into() }
    }
}

/// A check that failed before anything ran: at upload, at deploy, in a file.
///
/// This is what the API turns into a problem document and the command line into an error text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{field}: {message}; found {found}, expected {expected}. {remedy}")]
pub struct Refusal {
    pub code: Code,
    /// Path of the field or part, like `inputs.payments.topic`, or `component`.
    pub field: String,
    /// What is wrong, as a clause.
    pub message: String,
    pub found: String,
    pub expected: String,
    /// How to mend it, as a sentence.
    pub remedy: String,
}
