//! JSON into columns and back.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::json;

use crate::codec::columns::Columns;
use crate::codec::decode::part::PushFailure;
use crate::codec::json::JsonPart;
use crate::codec::json::ambiguity;
use crate::codec::testing::Generator;
use crate::codec::testing::avro;
use crate::codec::testing::decode;
use crate::codec::testing::encode;
use crate::codec::testing::to_json;
use crate::model::failure::Stage;

fn part(schema: &Json) -> JsonPart {
    let ty = avro(schema);
    JsonPart::new(&ty, Columns::new(&ty).expect("carried"), Stage::ValueDecode).expect("a part")
}

/// Reads texts; gives back the rows that were read, and the code of each that was not.
fn read(schema: &Json, texts: &[&str]) -> (Vec<Json>, Vec<&'static str>) {
    let mut part = part(schema);
    let mut codes = Vec::new();
    for text in texts {
        match part.push(Some(text.as_bytes())) {
            Ok(()) => {}
            Err(PushFailure::Bad(bad)) => codes.push(bad.code.0),
            Err(other) => panic!("{other:?}"),
        }
    }
    let array = part.typed.columns.finish().expect("valid columns");
    array.to_data().validate_full().expect("valid by Arrow's own rules");
    (to_json(&avro(schema), &array), codes)
}

fn reads(schema: Json, text: &str) -> Json {
    let (mut rows, codes) = read(&schema, &[text]);
    assert!(codes.is_empty(), "{text}: {codes:?}");
    rows.remove(0)
}

fn refuses(schema: Json, text: &str) -> &'static str {
    let (rows, codes) = read(&schema, &[text]);
    assert!(rows.is_empty(), "{text}: {rows:?}");
    codes[0]
}

fn record(fields: Json) -> Json {
    json!({ "type": "record", "name": "R", "fields": fields })
}

fn logical(base: &str, logical: &str) -> Json {
    json!({ "type": base, "logicalType": logical })
}

#[test]
fn each_type_has_its_json() {
    let decimal = json!({ "type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 2 });
    let duration = json!({ "type": "fixed", "name": "D", "size": 12, "logicalType": "duration" });
    for (schema, text) in [
        (json!("boolean"), "true"),
        (json!("int"), "-2147483648"),
        (json!("long"), "9223372036854775807"),
        (json!("double"), "0.1"),
        (json!("double"), "\"NaN\""),
        (json!("float"), "\"-Infinity\""),
        (json!("string"), r#""ä\n\"""#),
        (json!("bytes"), "\"AP8=\""),
        (json!({ "type": "fixed", "name": "F", "size": 2 }), "\"AP8=\""),
        (json!({ "type": "enum", "name": "E", "symbols": ["A", "B"] }), "\"B\""),
        (json!({ "type": "array", "items": ["null", "int"] }), "[1,null]"),
        (json!({ "type": "map", "values": "string" }), r#"{"k":"v"}"#),
        (decimal, "\"-12.30\""),
        (logical("int", "date"), "\"2026-11-23\""),
        (logical("int", "time-millis"), "\"03:44:57.123\""),
        (logical("long", "time-micros"), "\"03:44:57\""),
        (logical("long", "timestamp-millis"), "\"2026-11-23T03:44:57.123Z\""),
        (logical("long", "timestamp-nanos"), "\"2026-11-23T03:44:57.123456789Z\""),
        (logical("long", "local-timestamp-micros"), "\"2026-11-23T03:44:57.5\""),
        (logical("string", "uuid"), "\"01234567-89ab-cdef-0123-456789abcdef\""),
        (duration, "\"P1M2DT3.004S\""),
        (json!(["int", "string", { "type": "array", "items": "int" }, "null"]), "[7]"),
        (json!(["int", "string", { "type": "array", "items": "int" }]), "\"x\""),
        (json!(["int", "boolean"]), "3"),
    ] {
        let expected: Json = serde_json::from_str(text).expect("JSON");
        assert_eq!(reads(schema.clone(), text), expected, "{schema}");
    }
}

#[test]
fn some_forms_are_read_that_are_not_written() {
    assert_eq!(reads(json!("long"), "5.0"), json!(5));
    assert_eq!(reads(json!("double"), "5"), json!(5.0));
    assert_eq!(reads(json!("bytes"), "\"AP8\""), json!("AP8="));
    let decimal = json!({ "type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2 });
    assert_eq!(reads(decimal.clone(), "12"), json!("12.00"));
    assert_eq!(reads(decimal, "\"1.2\""), json!("1.20"));
    assert_eq!(
        reads(logical("long", "timestamp-millis"), "\"2026-11-23T03:00:00+02:00\""),
        json!("2026-11-23T01:00:00Z")
    );
    assert_eq!(reads(json!("string"), r#" "\u00e4" "#), json!("ä"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let decimal = json!({ "type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2 });
    for (schema, text, code) in [
        (json!("int"), "2147483648", "json-value"),
        (json!("int"), "1.5", "json-value"),
        (json!("int"), "\"1\"", "json-type"),
        (json!("int"), "null", "json-type"),
        (json!("long"), "9223372036854775808", "json-value"),
        (json!("long"), "1e300", "json-value"),
        (json!("float"), "1e300", "json-value"),
        (json!("string"), "1", "json-type"),
        (json!("bytes"), "\"a b\"", "json-value"),
        (json!({ "type": "fixed", "name": "F", "size": 2 }), "\"AA==\"", "json-value"),
        (json!({ "type": "enum", "name": "E", "symbols": ["A"] }), "\"B\"", "json-value"),
        (json!({ "type": "array", "items": "int" }), "{}", "json-type"),
        (json!({ "type": "map", "values": "int" }), "[]", "json-type"),
        (decimal.clone(), "\"1.234\"", "json-value"),
        (decimal.clone(), "\"123.4\"", "json-value"),
        (decimal, "1.5", "json-value"),
        (logical("int", "date"), "\"2026-02-30\"", "json-value"),
        (logical("long", "timestamp-millis"), "1763869497123", "json-type"),
        (logical("long", "timestamp-millis"), "\"2026-11-23T03:44:57.1234Z\"", "json-value"),
        (json!(["int", "boolean"]), "\"x\"", "json-type"),
        (json!("int"), "", "json-invalid"),
        (json!("int"), "1 2", "json-invalid"),
        (json!("int"), "{\"a\":", "json-type"),
        (json!("string"), "\"\u{1}\"", "json-invalid"),
        (record(json!([])), "{\"a\":}", "json-invalid"),
        (record(json!([])), "{\"a\":[1,}", "json-invalid"),
    ] {
        assert_eq!(refuses(schema.clone(), text), code, "{schema} {text}");
    }
    assert_eq!(refuses(record(json!([])), &format!("{{\"a\":{}", "[".repeat(100_000))), "json-invalid");
}

#[test]
fn objects_become_records() {
    let schema = record(json!([
        { "name": "a", "type": "int" },
        { "name": "b", "type": ["null", "string"], "default": null },
        { "name": "c", "type": { "type": "array", "items": "int" }, "default": [1, 2] },
    ]));
    let (rows, codes) = read(
        &schema,
        &[
            r#"{"c":[],"x":{"deep":[1,{"y":null}]},"a":1,"b":"t"}"#,
            r#"{"a":2}"#,
            r#"{"b":"no a"}"#,
            r#"{"a":3,"a":4}"#,
            r#"{"a":3,"x":1,"x":2}"#,
            r#"{"a":5,"c":[1,2,"3"]}"#,
            r#"{"a":6,"b":null,"c":[3]}"#,
            "[]",
        ],
    );
    assert_eq!(
        rows,
        [
            json!({ "a": 1, "b": "t", "c": [] }),
            json!({ "a": 2, "b": null, "c": [1, 2] }),
            json!({ "a": 3, "b": null, "c": [1, 2] }),
            json!({ "a": 6, "b": null, "c": [3] }),
        ]
    );
    assert_eq!(codes, ["json-missing", "json-duplicate", "json-type", "json-type"]);
}

#[test]
fn a_message_says_where_and_what() {
    let item = json!({ "type": "record", "name": "Item", "fields": [] });
    let schema = record(json!([{ "name": "list", "type": { "type": "array", "items": item } }]));
    let schema = json!({ "type": "record", "name": "Outer", "fields": [{ "name": "r", "type": schema }] });
    let mut part = part(&schema);
    let Err(PushFailure::Bad(bad)) = part.push(Some(br#"{"r":{"list":[{},5]}}"#)) else {
        panic!("a bad record")
    };
    assert_eq!(bad.message, "found a JSON value of another type (5), in `r.list[]`");
    let Err(PushFailure::Bad(bad)) = part.push(Some(b"{")) else { panic!("a bad record") };
    assert!(bad.message.contains("EOF while parsing"), "{bad}");
}

#[test]
fn null_payloads_and_null_texts() {
    let schema = json!(["null", "int"]);
    let mut part = part(&schema);
    for payload in [None, Some(&b"null"[..]), Some(b"1")] {
        assert!(part.push(payload).is_ok());
    }
    let array = part.typed.columns.finish().expect("valid");
    assert_eq!(to_json(&avro(&schema), &Arc::clone(&array)), [Json::Null, Json::Null, json!(1)]);
    assert_eq!(refuses(json!("int"), "null"), "json-type");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    /// Columns written as JSON are read as the same columns.
    #[test]
    fn columns_survive_the_way_through_json(seed: u64) {
        let mut generator = Generator::new(seed);
        let schema = generator.record(3);
        let ty = avro(&schema);
        prop_assume!(ambiguity(&ty).is_none());
        let other = apache_avro::Schema::parse_str(&schema.to_string()).expect("valid");
        let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&other).build().expect("a writer");
        let datums: Vec<Vec<u8>> =
            (0..4).map(|_| writer.write_value_to_vec(generator.value(&ty)).expect("a value")).collect();
        let array = decode(&ty, &ty, &datums).expect("well-formed");
        let cells = crate::codec::avro::cells::root(&ty, &array).expect("cells");
        let mut part = part(&schema);
        let mut kept = Vec::new();
        for (row, datum) in datums.iter().enumerate() {
            let mut text = Vec::new();
            // Years past 9999 have no text form.
            if crate::codec::json::write(&ty, &cells, row, &mut text).is_err() {
                continue;
            }
            let read = part.push(Some(&text));
            prop_assert!(read.is_ok(), "{} {read:?}", String::from_utf8_lossy(&text));
            kept.push((datum.clone(), text));
        }
        let again = part.typed.columns.finish().expect("valid");
        let cells = crate::codec::avro::cells::root(&ty, &again).expect("cells");
        for (row, (_, text)) in kept.iter().enumerate() {
            let mut rewritten = Vec::new();
            crate::codec::json::write(&ty, &cells, row, &mut rewritten).expect("a text form");
            prop_assert_eq!(String::from_utf8_lossy(&rewritten), String::from_utf8_lossy(text));
        }
        // Bytes too, but for the many NaNs, of which JSON has one.
        let nan = kept.iter().any(|(_, text)| String::from_utf8_lossy(text).contains("NaN"));
        if !nan {
            prop_assert_eq!(encode(&ty, &again), kept.into_iter().map(|(datum, _)| datum).collect::<Vec<_>>());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}", seed: u64) {
        let schema = Generator::new(seed).record(2);
        let _ = part(&schema).push(Some(text.as_bytes()));
    }
}
