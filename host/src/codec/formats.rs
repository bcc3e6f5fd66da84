//! Which port types a topic's format can carry.
//!
//! | format | typed port | dynamic port | raw port |
//! |---|---|---|---|
//! | avro | any schema; the records' schemas must resolve to it | values | the bytes, frame included |
//! | json | any schema without ambiguous unions | no | the bytes |
//! | text | string, uuid as text | no | the bytes |
//! | raw | bytes | no | the bytes |
//! | boolean | boolean | no | the bytes |
//! | int16, int32 | int, date, time-millis | no | the bytes |
//! | int64 | long, time-micros, timestamps | no | the bytes |
//! | float32, float64 | float, double | no | the bytes |
//!
//! Everywhere `[null, T]` goes as `T`: null is a null key or a tombstone. An input may also read
//! what Avro promotes: int32 as long, int64 as double, text as bytes. An output may not.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at deploy")]

use crate::codec::avro::promote::base_label;
use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::codec::json::ambiguity;
use crate::model::avro_type::AvroType;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::manifest::PartType;
use crate::model::pipeline_spec::Format;

/// How a part goes through a format.
#[derive(Debug)]
pub(crate) enum Carried {
    Raw,
    Dynamic,
    Avro(AvroType),
    Json(AvroType),
    /// A format without structure, as the Avro type that its payloads stand for.
    Plain {
        reader: AvroType,
        writer: AvroType,
    },
}

/// The Avro type that a format's payloads stand for; none for formats with structure.
fn writer_type(format: Format) -> Option<AvroType> {
    Some(match format {
        Format::Avro | Format::Json => return None,
        Format::Text => AvroType::String,
        Format::Raw => AvroType::Bytes,
        Format::Boolean => AvroType::Boolean,
        Format::Int16 | Format::Int32 => AvroType::Int,
        Format::Int64 => AvroType::Long,
        Format::Float32 => AvroType::Float,
        Format::Float64 => AvroType::Double,
    })
}

/// The format's name in pipeline files.
#[must_use]
pub fn name(format: Format) -> &'static str {
    match format {
        Format::Avro => "avro",
        Format::Json => "json",
        Format::Text => "text",
        Format::Raw => "raw",
        Format::Boolean => "boolean",
        Format::Int16 => "int16",
        Format::Int32 => "int32",
        Format::Int64 => "int64",
        Format::Float32 => "float32",
        Format::Float64 => "float64",
    }
}

/// Which way the records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
}

/// Whether a port's part can go through a format; `field` is its path for messages, like
/// `inputs.payments.value`.
///
/// # Errors
/// When it cannot: which part, which format, and what would do.
pub fn check(part: &PartType, format: Format, direction: Direction, field: &str) -> Result<(), Refusal> {
    carry(part, format, direction, field).map(|_| ())
}

pub(crate) fn carry(
    part: &PartType,
    format: Format,
    direction: Direction,
    field: &str,
) -> Result<Carried, Refusal> {
    let schema = match part {
        PartType::Raw => return Ok(Carried::Raw),
        PartType::Dynamic if format == Format::Avro && !field.ends_with(".key") => {
            return Ok(Carried::Dynamic);
        }
        PartType::Dynamic => {
            return Err(Refusal {
                code: Code("format-unsupported"),
                field: field.to_owned(),
                message: "a dynamic part needs records that carry a schema id, and is for values only"
                    .to_owned(),
                found: format!("format {}", name(format)),
                expected: "format avro on a value".to_owned(),
                remedy: "Bind the port to an Avro topic, or declare it typed or raw.".to_owned(),
            });
        }
        PartType::Typed { schema } => schema,
    };
    let reader = AvroType::parse(&schema.to_string(), &[]).map_err(|error| Refusal {
        code: Code("schema-invalid"),
        field: format!("{field}.schema"),
        message: "the schema cannot be used".to_owned(),
        found: error.to_string(),
        expected: "an Avro schema that can be carried as columns".to_owned(),
        remedy: "Change the schema that the transform declares.".to_owned(),
    })?;
    let Some(writer) = writer_type(format) else {
        if format == Format::Avro {
            return Ok(Carried::Avro(reader));
        }
        return match ambiguity(&reader) {
            None => Ok(Carried::Json(reader)),
            Some(ambiguity) => Err(Refusal {
                code: Code("json-ambiguous"),
                field: format!("{field}.schema"),
                message: format!("JSON cannot tell the branches of the union at {} apart", ambiguity.path),
                found: ambiguity.branches,
                expected:
                    "at most one branch of each JSON kind (null, boolean, number, string, array, object)"
                        .to_owned(),
                remedy: "Use one record with optional fields instead of the union, or another format."
                    .to_owned(),
            }),
        };
    };
    match plain(&reader, &writer, direction) {
        Ok(()) => Ok(Carried::Plain { reader, writer }),
        Err(why) => Err(Refusal {
            code: Code("format-unsupported"),
            field: field.to_owned(),
            message: format!("the port's schema cannot go through the format {}", name(format)),
            found: why,
            expected: format!("the schema \"{0}\" or [\"null\", \"{0}\"]", writer.label()),
            remedy: "Choose the format that the topic has, and a schema that goes with it.".to_owned(),
        }),
    }
}

fn plain(reader: &AvroType, writer: &AvroType, direction: Direction) -> Result<(), String> {
    match direction {
        Direction::Input => {
            let columns = Columns::new(reader).map_err(|error| error.to_string())?;
            compile(writer, reader, &columns.layout, Strictness::Whole).map_err(|error| error.to_string())?;
        }
        Direction::Output => {
            let inner = reader.as_nullable().map_or(reader, |(inner, _)| inner);
            if base_label(inner) != base_label(writer) {
                return Err(base_label(inner).to_owned());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FORMATS: [Format; 10] = [
        Format::Avro,
        Format::Json,
        Format::Text,
        Format::Raw,
        Format::Boolean,
        Format::Int16,
        Format::Int32,
        Format::Int64,
        Format::Float32,
        Format::Float64,
    ];

    fn carried(schema: serde_json::Value, direction: Direction) -> Vec<&'static str> {
        let part = PartType::Typed { schema };
        FORMATS.into_iter().filter(|f| check(&part, *f, direction, "x.value").is_ok()).map(name).collect()
    }

    #[test]
    fn typed_parts_go_through_the_formats_of_the_table() {
        use Direction::Input;
        use Direction::Output;
        let record = json!({ "type": "record", "name": "R", "fields": [] });
        for direction in [Input, Output] {
            assert_eq!(carried(record.clone(), direction), ["avro", "json"]);
            assert_eq!(carried(json!("boolean"), direction), ["avro", "json", "boolean"]);
            assert_eq!(carried(json!(["null", "int"]), direction), ["avro", "json", "int16", "int32"]);
        }
        assert_eq!(carried(json!("string"), Output), ["avro", "json", "text"]);
        assert_eq!(carried(json!("string"), Input), ["avro", "json", "text", "raw"]);
        assert_eq!(carried(json!("long"), Output), ["avro", "json", "int64"]);
        assert_eq!(carried(json!("long"), Input), ["avro", "json", "int16", "int32", "int64"]);
        assert_eq!(
            carried(json!({ "type": "long", "logicalType": "timestamp-millis" }), Output),
            ["avro", "json", "int64"]
        );
    }

    #[test]
    fn raw_parts_go_through_all_and_dynamic_ones_through_avro_values() {
        for format in FORMATS {
            assert!(check(&PartType::Raw, format, Direction::Input, "x.key").is_ok());
            let dynamic = check(&PartType::Dynamic, format, Direction::Input, "x.value");
            assert_eq!(dynamic.is_ok(), format == Format::Avro, "{dynamic:?}");
        }
        let refusal = check(&PartType::Dynamic, Format::Avro, Direction::Input, "x.key").expect_err("a key");
        assert_eq!(refusal.code, Code("format-unsupported"));
    }

    #[test]
    fn refusals_say_what_and_where() {
        let part = |schema| PartType::Typed { schema };
        let refusal =
            check(&part(json!("Foo")), Format::Avro, Direction::Input, "inputs.a.value").expect_err("bad");
        assert_eq!((refusal.code.0, &*refusal.field), ("schema-invalid", "inputs.a.value.schema"));
        let unions =
            json!({ "type": "record", "name": "R", "fields": [{ "name": "u", "type": ["int", "double"] }] });
        let refusal =
            check(&part(unions), Format::Json, Direction::Input, "inputs.a.value").expect_err("ambiguous");
        assert_eq!(refusal.code, Code("json-ambiguous"));
        assert!(refusal.to_string().contains("`u`"), "{refusal}");
        assert!(refusal.to_string().contains("int, double"), "{refusal}");
        let refusal =
            check(&part(json!("long")), Format::Text, Direction::Output, "outputs.a.key").expect_err("text");
        assert!(refusal.to_string().contains("found long"), "{refusal}");
    }
}
