//! The rules of schema resolution, one by one.

use serde_json::Value as Json;
use serde_json::json;

use crate::codec::avro::resolve::Strictness;
use crate::codec::fault::Fault;
use crate::codec::testing::avro;
use crate::codec::testing::decode;
use crate::codec::testing::resolve;
use crate::codec::testing::to_json;

fn record(fields: Json) -> Json {
    json!({ "type": "record", "name": "R", "fields": fields })
}

fn field(schema: Json) -> Json {
    record(json!([{ "name": "f", "type": schema }]))
}

fn enumeration(name: &str, symbols: &[&str]) -> Json {
    json!({ "type": "enum", "name": name, "symbols": symbols })
}

fn fixed(name: &str, size: usize) -> Json {
    json!({ "type": "fixed", "name": name, "size": size })
}

fn logical(base: &str, logical: &str) -> Json {
    json!({ "type": base, "logicalType": logical })
}

fn decimal(precision: u32, scale: u32) -> Json {
    json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
}

/// Reads a value given in Avro's JSON form; gives it back in the topic's JSON form.
fn read(writer: &Json, reader: &Json, value: &Json) -> Result<Json, Fault> {
    let datum = avro(writer).encode_default(value).expect("a value of the writer's");
    let array = decode(&avro(writer), &avro(reader), &[datum])?;
    Ok(to_json(&avro(reader), &array).remove(0))
}

#[test]
fn promotions_of_the_specification() {
    for (writer, readers, value) in [
        ("int", &["int", "long", "float", "double"][..], json!(7)),
        ("long", &["long", "float", "double"], json!(7)),
        ("float", &["float", "double"], json!(7.5)),
        ("double", &["double"], json!(7.5)),
    ] {
        for other in ["boolean", "int", "long", "float", "double", "bytes", "string", "null"] {
            let (writer, reader) = (field(json!(writer)), field(json!(other)));
            if readers.contains(&other) {
                let found = read(&writer, &reader, &json!({ "f": value })).expect("reads");
                assert_eq!(found["f"].as_f64(), value.as_f64(), "{writer} {other}");
            } else {
                let error = resolve(&writer, &reader, Strictness::ByValue).expect_err(other);
                assert_eq!(error.path, "`f`");
                assert!(error.rule.contains("cannot be read as"), "{error}");
            }
        }
    }
    assert_eq!(read(&json!("string"), &json!("bytes"), &json!("ab")), Ok(json!("YWI=")));
    assert_eq!(read(&json!("bytes"), &json!("string"), &json!("ab")), Ok(json!("ab")));
    assert_eq!(read(&json!("bytes"), &json!("string"), &json!("\u{ff}")), Err(Fault::AvroUtf8));
}

#[test]
fn fields_match_by_name_then_alias_and_take_defaults() {
    let writer = record(json!([
        { "name": "a", "type": "int" },
        { "name": "gone", "type": { "type": "map", "values": ["null", { "type": "array", "items": "string" }] } },
        { "name": "old", "type": "string" },
        { "name": "big", "type": fixed("F", 3) },
    ]));
    let reader = record(json!([
        { "name": "renamed", "type": "string", "aliases": ["older", "old"] },
        { "name": "added", "type": { "type": "array", "items": { "type": "record", "name": "I", "fields": [
            { "name": "x", "type": "double", "default": 0.5 } ] } }, "default": [{}, { "x": 1 }] },
        { "name": "a", "type": "long", "aliases": ["old"] },
    ]));
    let value = json!({ "a": 1, "gone": { "k": null, "l": ["x", "y"] }, "old": "text", "big": "abc" });
    let expected = json!({ "renamed": "text", "added": [{ "x": 0.5 }, { "x": 1.0 }], "a": 1 });
    assert_eq!(read(&writer, &reader, &value), Ok(expected));

    let without_default = record(json!([{ "name": "new", "type": "int" }]));
    let error = resolve(&writer, &without_default, Strictness::ByValue).expect_err("no default");
    assert_eq!(error.to_string(), "at `new`: the writer has no such field, and the reader's has no default");
}

#[test]
fn named_types_match_without_namespace_or_by_alias() {
    let named = |name: &str, aliases: Json| json!({ "type": "record", "name": name, "aliases": aliases, "fields": [] });
    assert!(resolve(&named("a.R", json!([])), &named("b.R", json!([])), Strictness::Whole).is_ok());
    assert!(resolve(&named("a.R", json!([])), &named("b.S", json!(["a.R"])), Strictness::Whole).is_ok());
    let error =
        resolve(&named("R", json!([])), &named("S", json!([])), Strictness::ByValue).expect_err("names");
    assert!(error.to_string().contains("record `R` is not the reader's `S`"), "{error}");
    assert!(resolve(&fixed("F", 2), &fixed("x.F", 2), Strictness::Whole).is_ok());
    assert!(resolve(&fixed("F", 2), &fixed("F", 3), Strictness::ByValue).is_err());
    assert!(resolve(&fixed("F", 2), &fixed("G", 2), Strictness::ByValue).is_err());
    assert!(resolve(&enumeration("E", &["A"]), &enumeration("D", &["A"]), Strictness::ByValue).is_err());
}

#[test]
fn enum_symbols_are_mapped() {
    let writer = enumeration("E", &["A", "B", "C"]);
    let reader = enumeration("E", &["C", "A"]);
    assert_eq!(read(&writer, &reader, &json!("A")), Ok(json!("A")));
    assert_eq!(read(&writer, &reader, &json!("C")), Ok(json!("C")));
    assert_eq!(read(&writer, &reader, &json!("B")), Err(Fault::AvroSymbol));
    let error = resolve(&writer, &reader, Strictness::Whole).expect_err("B is unknown");
    assert!(error.to_string().contains("symbol `B`"), "{error}");
    let mut with_default = reader;
    with_default["default"] = json!("C");
    assert_eq!(read(&writer, &with_default, &json!("B")), Ok(json!("C")));
    assert!(resolve(&writer, &with_default, Strictness::Whole).is_ok());
}

#[test]
fn unions_are_resolved_both_ways() {
    let nullable = json!(["null", "int"]);
    // T and [null, T], either order, promoted within.
    assert_eq!(
        read(&field(json!("int")), &field(json!(["null", "long"])), &json!({ "f": 5 })),
        Ok(json!({ "f": 5 }))
    );
    assert_eq!(
        read(&field(nullable.clone()), &field(json!(["double", "null"])), &json!({ "f": 5 })),
        Ok(json!({ "f": 5.0 }))
    );
    assert_eq!(
        read(&field(nullable.clone()), &field(json!(["double", "null"])), &json!({ "f": null })),
        Ok(json!({ "f": null }))
    );
    assert_eq!(
        read(&field(json!("null")), &field(nullable.clone()), &json!({ "f": null })),
        Ok(json!({ "f": null }))
    );
    // A nullable writer and a reader without null: by value.
    let (writer, reader) = (field(nullable.clone()), field(json!("long")));
    assert_eq!(read(&writer, &reader, &json!({ "f": 5 })), Ok(json!({ "f": 5 })));
    assert_eq!(read(&writer, &reader, &json!({ "f": null })), Err(Fault::AvroBranch));
    assert!(resolve(&writer, &reader, Strictness::ByValue).is_ok());
    assert!(resolve(&writer, &reader, Strictness::Whole).is_err());
    // No branch fits.
    let error =
        resolve(&json!(["int", "string"]), &json!("boolean"), Strictness::ByValue).expect_err("nothing fits");
    assert!(error.to_string().contains("cannot be read as boolean"), "{error}");
    let error = resolve(&field(json!("boolean")), &field(json!(["int", "string"])), Strictness::ByValue)
        .expect_err("none");
    assert!(
        error.to_string().contains("at `f`: the writer's boolean fits no branch of the union [int, string]"),
        "{error}"
    );
    // A general union on both sides, in another order, with a branch promoted.
    let (writer, reader) =
        (field(json!(["int", "string", "null"])), field(json!(["null", "string", "double"])));
    for value in [json!({ "f": 3 }), json!({ "f": "x" }), json!({ "f": null })] {
        let found = read(&writer, &reader, &value).expect("reads");
        assert_eq!(found["f"].as_f64(), value["f"].as_f64());
        assert_eq!(found["f"].as_str(), value["f"].as_str());
    }
}

#[test]
fn a_readers_union_takes_the_same_type_before_a_promotion() {
    use arrow_array::cast::AsArray;
    let branch = |writer: Json, reader: Json, value: Json| {
        let datum = avro(&writer).encode_default(&value).expect("a value");
        let array = decode(&avro(&writer), &avro(&reader), &[datum]).expect("reads");
        array.as_union().type_id(0)
    };
    assert_eq!(branch(json!("int"), json!(["double", "long", "int"]), json!(1)), 2);
    assert_eq!(branch(json!("int"), json!(["double", "long", "string"]), json!(1)), 0);
    let named = |name: &str| json!({ "type": "record", "name": name, "fields": [] });
    assert_eq!(branch(named("b.R"), json!([named("a.R"), named("b.R")]), json!({})), 1);
    assert_eq!(branch(named("c.R"), json!([named("a.R"), named("b.R")]), json!({})), 0);
}

#[test]
fn logical_types_never_change_their_meaning() {
    let pairs = [
        ("long", "timestamp-millis", "long", "timestamp-micros"),
        ("long", "timestamp-millis", "long", "local-timestamp-millis"),
        ("int", "time-millis", "long", "time-micros"),
        ("int", "date", "int", "time-millis"),
    ];
    for (w_base, w, r_base, r) in pairs {
        let error = resolve(&logical(w_base, w), &logical(r_base, r), Strictness::ByValue).expect_err(w);
        assert!(error.to_string().contains("the logical types differ"), "{error}");
        // Their plain types match either way.
        assert!(resolve(&logical(w_base, w), &json!(w_base), Strictness::Whole).is_ok());
        assert!(resolve(&json!(w_base), &logical(w_base, w), Strictness::Whole).is_ok());
    }
    assert!(resolve(&json!("int"), &logical("long", "timestamp-millis"), Strictness::Whole).is_ok());
}

#[test]
fn decimals_match_by_scale_and_precision() {
    let wide = json!({ "type": "fixed", "name": "D", "size": 20, "logicalType": "decimal", "precision": 40, "scale": 2 });
    assert_eq!(read(&decimal(4, 2), &decimal(4, 2), &json!("\u{4}\u{ce}")), Ok(json!("12.30")));
    assert_eq!(read(&decimal(4, 2), &wide, &json!("\u{fb}\u{32}")), Ok(json!("-12.30")));
    assert!(resolve(&decimal(4, 2), &decimal(4, 3), Strictness::ByValue).is_err());
    assert!(resolve(&decimal(5, 2), &decimal(4, 2), Strictness::ByValue).is_err());
    // Needless leading bytes are read, too many digits and no digits at all are not.
    assert_eq!(
        read(&decimal(4, 2), &decimal(4, 2), &json!("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u{1}")),
        Ok(json!("0.01"))
    );
    assert_eq!(read(&decimal(4, 2), &decimal(4, 2), &json!("\u{27}\u{10}")), Err(Fault::AvroDecimal));
    assert_eq!(read(&decimal(4, 2), &decimal(4, 2), &json!("")), Err(Fault::AvroDecimal));
    let long = "\u{1}".repeat(17);
    assert_eq!(read(&decimal(38, 0), &decimal(38, 0), &json!(long)), Err(Fault::AvroDecimal));
}

#[test]
fn uuids_and_durations_are_checked() {
    let uuid = logical("string", "uuid");
    let fixed_uuid = json!({ "type": "fixed", "name": "U", "size": 16, "logicalType": "uuid" });
    let text = "01234567-89ab-cdef-0123-456789abcdef";
    assert_eq!(read(&uuid, &fixed_uuid, &json!(text)), Ok(json!(text)));
    assert_eq!(read(&uuid, &json!("string"), &json!(text)), Ok(json!(text)));
    for bad in ["", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdeg"] {
        assert_eq!(read(&json!("string"), &uuid, &json!(bad)), Err(Fault::AvroUuid));
    }
    let duration = json!({ "type": "fixed", "name": "D", "size": 12, "logicalType": "duration" });
    let value = "\u{1}\0\0\0\u{2}\0\0\0\u{b8}\u{b}\0\0";
    assert_eq!(read(&duration, &duration, &json!(value)), Ok(json!("P1M2DT3S")));
    let over = "\0\0\0\u{80}\0\0\0\0\0\0\0\0";
    assert_eq!(read(&duration, &duration, &json!(over)), Err(Fault::AvroDuration));
}

#[test]
fn errors_say_the_path() {
    let nest = |leaf: Json| {
        record(json!([{ "name": "a", "type": { "type": "array", "items": { "type": "map", "values":
            { "type": "record", "name": "I", "fields": [{ "name": "b", "type": leaf }] } } } }]))
    };
    let error =
        resolve(&nest(json!("string")), &nest(json!("int")), Strictness::ByValue).expect_err("differs");
    assert_eq!(
        error.to_string(),
        "at `a[]{}.b`: the writer's string cannot be read as int: there is no such promotion"
    );
    let error = resolve(&json!("string"), &json!("int"), Strictness::ByValue).expect_err("differs");
    assert_eq!(error.path, "the root");
}

#[test]
fn blocks_with_byte_counts_are_read_and_skipped() {
    let list = json!({ "type": "array", "items": "long" });
    let writer = record(
        json!([{ "name": "a", "type": list }, { "name": "b", "type": list }, { "name": "c", "type": "int" }]),
    );
    let reader = record(json!([{ "name": "b", "type": list }, { "name": "c", "type": "int" }]));
    // Two items in two bytes, then one item plain, then the end; for each list.
    let blocks = [3, 4, 2, 4, 2, 6, 0];
    let datum = [&blocks[..], &blocks, &[10]].concat();
    let array = decode(&avro(&writer), &avro(&reader), std::slice::from_ref(&datum)).expect("reads");
    assert_eq!(to_json(&avro(&reader), &array), [json!({ "b": [1, 2, 3], "c": 5 })]);
    let array = decode(&avro(&writer), &avro(&writer), &[datum]).expect("reads");
    assert_eq!(to_json(&avro(&writer), &array), [json!({ "a": [1, 2, 3], "b": [1, 2, 3], "c": 5 })]);
}

#[test]
fn a_mismatch_deep_in_nullable_records_is_found_once() {
    let deep = |leaf: Json| {
        (0..28).fold(json!(["null", leaf]), |inner, level| {
            let fields = json!([{ "name": "f", "type": inner }]);
            json!(["null", { "type": "record", "name": format!("R{level}"), "fields": fields }])
        })
    };
    let error = resolve(&deep(json!("int")), &deep(json!("string")), Strictness::Whole).expect_err("no int");
    assert!(error.path.ends_with("f.f`") && error.rule.contains("cannot be read as"), "{error}");
}

#[test]
fn the_defaults_of_a_plan_are_bounded() {
    let inner = |fields: Json| json!({ "type": "record", "name": "I", "fields": fields });
    let outer = |inner: Json, count: usize| {
        let mut fields = vec![json!({ "name": "f0", "type": inner })];
        fields.extend((1..count).map(|n| json!({ "name": format!("f{n}"), "type": "I" })));
        record(json!(fields))
    };
    let large = json!([{ "name": "s", "type": "string", "default": "x".repeat(100_000) }]);
    let compiled = |count| {
        resolve(&outer(inner(json!([])), count), &outer(inner(large.clone()), count), Strictness::Whole)
    };
    compiled(100).expect("10 MB");
    let error = compiled(1000).expect_err("100 MB");
    assert!(error.rule.contains("the defaults take more than"), "{error}");
}
