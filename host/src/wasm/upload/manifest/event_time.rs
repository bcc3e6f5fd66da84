//! Event time of an input port.

use serde_json::Map;
use serde_json::Value as Json;

use crate::model::avro_type::AvroType;
use crate::model::failure::Refusal;
use crate::model::limits::TIME_SPAN_MS_MAX;
use crate::model::manifest::EventTime;
use crate::wasm::upload::manifest::text::check_keys;
use crate::wasm::upload::manifest::text::check_number;
use crate::wasm::upload::manifest::text::check_word;
use crate::wasm::upload::manifest::text::invalid;
use crate::wasm::upload::manifest::text::nearest;
use crate::wasm::upload::manifest::text::object;
use crate::wasm::upload::refusal::refuse;

const KEYS: &[&str] = &["field", "out_of_orderness_ms", "granularity_ms", "late"];
const LATE: &[&str] = &["process", "drop"];
const FIELD_EXPECTED: &str =
    "a field of the type `timestamp-millis`, `timestamp-micros`, `timestamp-nanos` or `long`, also nullable";

/// Checks the JSON of a port's event time, before it is typed.
pub(super) fn check_text(port: &Map<String, Json>, path: &str) -> Result<(), Refusal> {
    let Some(json) = port.get("event_time") else {
        return Ok(());
    };
    let path = format!("{path}.event_time");
    let event_time = object(json, &path)?;
    check_keys(event_time, &path, KEYS)?;
    check_number(event_time, "out_of_orderness_ms", &path, 0, TIME_SPAN_MS_MAX)?;
    check_number(event_time, "granularity_ms", &path, 1, TIME_SPAN_MS_MAX)?;
    check_word(event_time, "late", &path, LATE)
}

/// Checks that the field is there. `value` is the type of the port's value, if it declares one.
pub(super) fn check(event_time: &EventTime, value: Option<&AvroType>, path: &str) -> Result<(), Refusal> {
    let Some(name) = &event_time.field else {
        return Ok(());
    };
    let path = format!("{path}.event_time.field");
    let record = value.map(|value| value.as_nullable().map_or(value, |(value, _)| value));
    let Some(AvroType::Record(record)) = record else {
        return Err(refuse(
            "manifest-invalid",
            path,
            "event time is to come from a field, but the port's value has none",
            value.map_or("no declared value type", AvroType::label),
            "a value whose schema is a record",
            "Declare the value's schema, or leave `field` out to take the record's timestamp.",
        ));
    };
    let Some(field) = record.fields.iter().find(|field| field.name == *name) else {
        let known: Vec<&str> = record.fields.iter().map(|field| field.name.as_str()).collect();
        return Err(refuse(
            "manifest-invalid",
            path,
            "the value's record has no such field",
            format!("`{name}`"),
            FIELD_EXPECTED,
            nearest(name, &known).map_or_else(
                || "Name a field of the value's schema, or leave `field` out.".to_owned(),
                |known| format!("Did you mean `{known}`?"),
            ),
        ));
    };
    let ty = field.ty.as_nullable().map_or(&field.ty, |(ty, _)| ty);
    match ty {
        AvroType::Timestamp(_) | AvroType::Long => Ok(()),
        other => {
            let found = format!("`{name}` of the type `{}`", other.label());
            Err(invalid(&path, "the field holds no time", &found, FIELD_EXPECTED))
        }
    }
}
