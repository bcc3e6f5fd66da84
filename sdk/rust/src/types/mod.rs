//! Rust types for the Avro types that the standard library has none for, and how its own are
//! carried.

mod decimal;
mod duration;
mod dynamic;
mod fixed;
mod list;
mod map;
mod option;
mod primitive;
mod raw;
mod temporal;
mod text;
mod uuid;

pub use crate::types::decimal::Decimal;
pub use crate::types::decimal::DecimalError;
pub use crate::types::decimal::WideDecimal;
pub use crate::types::duration::Duration;
pub use crate::types::duration::DurationError;
pub use crate::types::dynamic::Dynamic;
pub use crate::types::list::ListBuilder;
pub use crate::types::list::ListReader;
pub use crate::types::map::MapBuilder;
pub use crate::types::map::MapKey;
pub use crate::types::map::MapReader;
pub use crate::types::option::OptionReader;
pub use crate::types::primitive::BooleanBuilder;
pub use crate::types::primitive::NullBuilder;
pub use crate::types::raw::Raw;
pub use crate::types::temporal::Date;
pub use crate::types::temporal::LocalTimestampMicros;
pub use crate::types::temporal::LocalTimestampMillis;
pub use crate::types::temporal::LocalTimestampNanos;
pub use crate::types::temporal::TimeMicros;
pub use crate::types::temporal::TimeMillis;
pub use crate::types::temporal::TimestampMicros;
pub use crate::types::temporal::TimestampMillis;
pub use crate::types::temporal::TimestampNanos;
pub use crate::types::uuid::ParseUuidError;
pub use crate::types::uuid::Uuid;
