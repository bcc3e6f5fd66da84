//! A broken rule, and how to mend it.

/// Prints as `file:line: what; mend: how`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Relative to the checkout, with `/`.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What was found.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl Violation {
    pub(super) fn new(file: &str, line: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into(), mend: mend.into() }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: {}; mend: {}", self.file, self.line, self.what, self.mend)
    }
}
