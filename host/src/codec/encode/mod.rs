//! Columns to bytes: the `Encoder` of an output port's key or value.

mod output;
mod plain;
#[cfg(test)]
mod tests;

pub use output::PartEncoder;
pub use output::RegisterSchema;
pub use output::Registration;
