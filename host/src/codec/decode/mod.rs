//! Bytes to columns: the `Decoder` of an input port.

pub(super) mod avro_part;
mod dynamic_part;
#[cfg(test)]
mod dynamic_tests;
mod input;
pub(super) mod part;
mod plain_part;
mod raw_part;
mod roots;
#[cfg(test)]
mod tests;

pub use input::InputDecoder;
