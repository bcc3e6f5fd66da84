//! JSON without a schema, typed by the port's declaration.
//!
//! | Avro | JSON |
//! |---|---|
//! | null, boolean | null, true, false |
//! | int, long | a number without fraction (`5.0` is read too) |
//! | float, double | a number, or `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | bytes, fixed | base64 text (standard alphabet; written padded, read either way) |
//! | string, enum | text, the symbol |
//! | array, map, record | array, object, object |
//! | decimal | text, `"-12.30"`; a number without fraction is read too |
//! | date | `"2026-11-23"` |
//! | time-millis, time-micros | `"03:44:57.123"` |
//! | timestamp-* | RFC 3339, `"2026-11-23T03:44:57.123Z"`; any offset is read, UTC written |
//! | local-timestamp-* | the same without an offset |
//! | uuid | text, 8-4-4-4-12 |
//! | duration | ISO 8601 in months, days and seconds, `"P1M2DT3.004S"` |
//! | `[null, T]` | null or T |
//! | other unions | the value alone, so no two branches may have one JSON kind |
//!
//! Reading: fields that the schema lacks are ignored. A missing field takes its default, without
//! one the record is bad. A field that stands twice makes the record bad: which of the two is
//! meant differs from parser to parser. More digits after the point than a column holds make the
//! record bad, nothing is rounded. Writing: fields in schema order, nulls included, no whitespace.

mod decode;
mod encode;
mod shape;
#[cfg(test)]
mod tests;
mod text_form;

pub(crate) use decode::JsonPart;
pub(crate) use encode::write;
pub(crate) use shape::ambiguity;
