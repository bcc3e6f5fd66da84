//! Why a column that a guest emitted is refused.

use std::fmt;

/// What is wrong with a column, and where: `value.customer.name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnError {
    /// Innermost part first, as the error travels outwards.
    path: Vec<String>,
    message: String,
}

impl ColumnError {
    pub(in crate::wasm) fn new(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), message: message.into() }
    }

    /// Adds the part of the record that the column belongs to.
    #[must_use]
    pub fn under(mut self, part: &str) -> Self {
        self.path.push(part.to_owned());
        self
    }
}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.path.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(part)?;
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ColumnError {}
