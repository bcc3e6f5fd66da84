//! What can be said of schemas before any record is read.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at deploy")]

use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::codec::writer_schemas::WriterText;
use crate::model::avro_type::AvroType;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::manifest::PartType;

/// Whether every record of a writer's schema can be read by an input part bound to an Avro topic.
/// `field` is the part's path, like `inputs.payments.value`; `writer` says where the schema comes
/// from, like `version 3 of subject payments-value`.
///
/// Stricter than decoding: a writer's union with a branch, or an enum with a symbol, that the
/// reader lacks is refused here, while decoding sets aside only the records that hold it.
///
/// # Errors
/// With the path of the field and the rule that is broken.
pub fn readable(part: &PartType, schema: &WriterText, field: &str, writer: &str) -> Result<(), Refusal> {
    if *part == PartType::Raw {
        return Ok(());
    }
    let refuse = |message: &str, found: String, remedy: &str| Refusal {
        code: Code("schema-unresolvable"),
        field: field.to_owned(),
        message: format!("{writer} {message}"),
        found,
        expected: "a schema that resolves to the port's by the rules of Avro".to_owned(),
        remedy: remedy.to_owned(),
    };
    let parsed = AvroType::parse_writer(&schema.text, &schema.references).map_err(|error| {
        refuse(
            "cannot be carried as columns",
            error.to_string(),
            "Bind the port to another topic, or declare it raw.",
        )
    })?;
    let PartType::Typed { schema: reader } = part else {
        return Ok(());
    };
    let unusable =
        |found: String| refuse("cannot be checked", found, "Change the schema that the transform declares.");
    let reader = AvroType::parse(&reader.to_string(), &[]).map_err(|error| unusable(error.to_string()))?;
    let columns = Columns::new(&reader).map_err(|error| unusable(error.to_string()))?;
    compile(&parsed, &reader, &columns.layout, Strictness::Whole).map(|_| ()).map_err(|error| {
        refuse(
            "cannot be read as the port's schema",
            error.to_string(),
            "Change the port's schema: add an alias, a default or a union branch, or bind another topic.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(writer: serde_json::Value, reader: serde_json::Value) -> Result<(), Refusal> {
        let text = WriterText { text: writer.to_string(), references: Vec::new() };
        let part = PartType::Typed { schema: reader };
        readable(&part, &text, "inputs.in.value", "version 1 of subject t-value")
    }

    #[test]
    fn a_refusal_says_whose_schema_and_which_field() {
        let record = |ty| json!({ "type": "record", "name": "R", "fields": [{ "name": "a", "type": ty }] });
        assert!(check(record("int"), record("long")).is_ok());
        let refusal = check(record("string"), record("long")).expect_err("differs");
        assert_eq!((refusal.code.0, &*refusal.field), ("schema-unresolvable", "inputs.in.value"));
        assert!(refusal.message.starts_with("version 1 of subject t-value cannot be read"), "{refusal}");
        assert!(refusal.found.starts_with("at `a`: the writer's string"), "{refusal}");
    }

    #[test]
    fn what_only_some_records_break_is_refused_too() {
        assert!(check(json!(["null", "int"]), json!("int")).is_err());
        assert!(check(json!(["null", "int"]), json!(["int", "null"])).is_ok());
    }

    #[test]
    fn dynamic_ports_take_what_can_be_carried_and_raw_ones_all() {
        let text =
            |schema: serde_json::Value| WriterText { text: schema.to_string(), references: Vec::new() };
        let recursive =
            json!({ "type": "record", "name": "R", "fields": [{ "name": "r", "type": ["null", "R"] }] });
        assert!(readable(&PartType::Dynamic, &text(json!("int")), "x", "w").is_ok());
        let refusal =
            readable(&PartType::Dynamic, &text(recursive.clone()), "x", "w").expect_err("recursive");
        assert!(refusal.found.contains("contains itself"), "{refusal}");
        assert!(readable(&PartType::Raw, &text(recursive), "x", "w").is_ok());
    }
}
