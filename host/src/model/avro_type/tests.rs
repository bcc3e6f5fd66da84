use super::*;
use serde_json::json;

fn parse(json: Json) -> Result<AvroType, SchemaError> {
    AvroType::parse(&json.to_string(), &[])
}

fn record(name: &str, fields: Json) -> Json {
    json!({ "type": "record", "name": name, "fields": fields })
}

#[test]
fn every_type_survives_the_way_to_json_and_back() {
    let text = record(
        "a.b.All",
        json!([
            { "name": "null", "type": "null", "default": null },
            { "name": "boolean", "type": "boolean", "default": true },
            { "name": "int", "type": "int", "default": -1 },
            { "name": "long", "type": "long", "aliases": ["l", "m"], "default": 1 },
            { "name": "float", "type": "float" },
            { "name": "double", "type": "double", "default": 1.5 },
            { "name": "bytes", "type": "bytes", "default": "\u{ff}\u{0}" },
            { "name": "string", "type": "string", "default": "ä" },
            { "name": "fixed", "type": { "type": "fixed", "name": "F", "size": 2, "aliases": ["x.G"] }, "default": "\u{fe}\u{1}" },
            { "name": "again", "type": "F" },
            { "name": "enum", "type": { "type": "enum", "name": "other.E", "symbols": ["A", "B"], "default": "B" } },
            { "name": "array", "type": { "type": "array", "items": "other.E" }, "default": ["A"] },
            { "name": "map", "type": { "type": "map", "values": ["null", "long"] }, "default": { "k": 1 } },
            { "name": "bare", "type": { "type": "record", "name": "Bare", "namespace": "", "fields": [] } },
            { "name": "union", "type": ["int", "string", "F"], "default": 1 },
            { "name": "decimal", "type": { "type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2 } },
            { "name": "wide", "type": { "type": "fixed", "name": "W", "size": 32, "logicalType": "decimal", "precision": 76 } },
            { "name": "date", "type": { "type": "int", "logicalType": "date" } },
            { "name": "time_ms", "type": { "type": "int", "logicalType": "time-millis" } },
            { "name": "time_us", "type": { "type": "long", "logicalType": "time-micros" } },
            { "name": "ts_ms", "type": { "type": "long", "logicalType": "timestamp-millis" } },
            { "name": "ts_ns", "type": { "type": "long", "logicalType": "timestamp-nanos" } },
            { "name": "local_us", "type": { "type": "long", "logicalType": "local-timestamp-micros" } },
            { "name": "uuid", "type": { "type": "string", "logicalType": "uuid" } },
            { "name": "uuid_fixed", "type": { "type": "fixed", "name": "U", "size": 16, "logicalType": "uuid" } },
            { "name": "duration", "type": { "type": "fixed", "name": "D", "size": 12, "logicalType": "duration" }, "default": "\0\0\0\0\0\0\0\0\0\0\0\0" },
        ]),
    );
    let parsed = parse(text).expect("valid");
    let written = parsed.to_json();
    assert_eq!(AvroType::parse(&written.to_string(), &[]), Ok(parsed));
    apache_avro::Schema::parse_str(&without_defaults(written).to_string())
        .expect("valid for another library");
}

/// The other library refuses valid defaults of durations.
fn without_defaults(mut json: Json) -> Json {
    if let Some(fields) = json.get_mut("fields").and_then(Json::as_array_mut) {
        for field in fields {
            field.as_object_mut().expect("field").remove("default");
        }
    }
    json
}

#[test]
fn ill_formed_logical_types_are_ignored() {
    for (json, expected) in [
        (json!({ "type": "bytes", "logicalType": "decimal" }), AvroType::Bytes),
        (json!({ "type": "bytes", "logicalType": "decimal", "precision": 0 }), AvroType::Bytes),
        (json!({ "type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3 }), AvroType::Bytes),
        (json!({ "type": "string", "logicalType": "date" }), AvroType::String),
        (json!({ "type": "long", "logicalType": "timestamp-fortnights" }), AvroType::Long),
        (json!({ "type": "int", "logicalType": 3 }), AvroType::Int),
    ] {
        assert_eq!(parse(json.clone()), Ok(expected), "{json}");
    }
    let narrow = json!({ "type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 5 });
    assert!(matches!(parse(narrow), Ok(AvroType::Fixed { size: 2, .. })));
    let fits = json!({ "type": "fixed", "name": "F", "size": 2, "logicalType": "decimal", "precision": 4 });
    assert!(matches!(parse(fits), Ok(AvroType::Decimal { precision: 4, .. })));
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let recursive = record("R", json!([{ "name": "next", "type": ["null", "R"] }]));
    assert_eq!(parse(recursive), Err(SchemaError::Recursive("R".to_owned())));

    let wide = json!({ "type": "bytes", "logicalType": "decimal", "precision": 77 });
    let error = parse(record("R", json!([{ "name": "d", "type": wide }]))).expect_err("too wide");
    assert_eq!(error.to_string(), "`d`: a decimal of 77 digits (at most 76) cannot be carried as columns");

    let branches: Vec<Json> =
        (0..128).map(|i| json!({ "type": "fixed", "name": format!("F{i}"), "size": 1 })).collect();
    assert!(matches!(parse(json!(branches)), Err(SchemaError::Unsupported { .. })));
    assert!(parse(json!(branches[..127])).is_ok());

    let huge = json!({ "type": "fixed", "name": "F", "size": 1u64 << 40 });
    assert!(matches!(parse(huge), Err(SchemaError::Unsupported { .. })));
}

#[test]
fn depth_and_width_are_bounded() {
    let nest =
        |levels: usize| (1..levels).fold(json!("int"), |items, _| json!({ "type": "array", "items": items }));
    assert!(parse(nest(64)).is_ok());
    assert_eq!(parse(nest(65)), Err(SchemaError::TooDeep));
    assert_eq!(parse(nest(1000)), Err(SchemaError::TooDeep));

    // Each level names the one below twice: 2^20 columns from a short text.
    let doubling = |levels: usize| {
        (0..levels).fold(json!("int"), |inner, level| {
            let first = json!({ "name": "a", "type": inner });
            let again = if level == 0 { json!("int") } else { json!(format!("R{}", level - 1)) };
            record(&format!("R{level}"), json!([first, { "name": "b", "type": again }]))
        })
    };
    assert!(parse(doubling(8)).is_ok());
    assert!(matches!(parse(doubling(20)), Err(SchemaError::Unsupported { .. })));
}

#[test]
fn references_are_found_in_any_order() {
    let root =
        r#"{"type":"record","name":"x.Root","fields":[{"name":"a","type":"x.A"},{"name":"b","type":"B"}]}"#;
    let a = r#"{"type":"record","name":"x.A","fields":[{"name":"b","type":"x.B"}]}"#.to_owned();
    let b = r#"{"type":"enum","name":"x.B","symbols":["S"]}"#.to_owned();
    let parsed = AvroType::parse(root, &[a.clone(), b.clone()]).expect("valid");
    assert_eq!(AvroType::parse(root, &[b.clone(), a.clone(), b]), Ok(parsed.clone()));
    assert_eq!(AvroType::parse(&parsed.to_json().to_string(), &[]), Ok(parsed));

    let error = AvroType::parse(root, &[a]).expect_err("B is missing");
    assert!(error.to_string().contains("`x.B` is not defined"), "{error}");
    let ring_a = r#"{"type":"record","name":"x.A","fields":[{"name":"b","type":"x.B"}]}"#.to_owned();
    let ring_b = r#"{"type":"record","name":"x.B","fields":[{"name":"a","type":"x.A"}]}"#.to_owned();
    assert!(matches!(AvroType::parse(root, &[ring_a, ring_b]), Err(SchemaError::Recursive(_))));
}

#[test]
fn ill_typed_defaults_are_refused_or_dropped() {
    for (ty, default) in [
        (json!("int"), json!("1")),
        (json!("int"), json!(1u64 << 31)),
        (json!("string"), Json::Null),
        (json!("bytes"), json!("\u{100}")),
        (json!({ "type": "fixed", "name": "F", "size": 2 }), json!("x")),
        (json!({ "type": "enum", "name": "E", "symbols": ["A"] }), json!("B")),
        (json!({ "type": "array", "items": "int" }), json!([1, "x"])),
        (json!(["null", "int"]), json!("x")),
        (record("I", json!([{ "name": "x", "type": "int" }])), json!({})),
    ] {
        let text = record("R", json!([{ "name": "f", "type": ty, "default": default }]));
        let error = parse(text.clone()).expect_err("ill-typed");
        assert!(error.to_string().contains("at `f`: the default is ill-typed: found"), "{error}");
        let Ok(AvroType::Record(lenient)) = AvroType::parse_writer(&text.to_string(), &[]) else {
            panic!("not read: {text}")
        };
        assert_eq!(lenient.fields[0].default, None);
    }
}

#[test]
fn ill_formed_schemas_say_where() {
    for (text, part) in [
        (json!({}), "at the root: found an object without `type`"),
        (json!(3), "found 3, expected a type"),
        (json!([]), "a union without branches"),
        (json!(["int", "int"]), "`int` twice in a union"),
        (json!(["int", ["null"]]), "a union directly in a union"),
        (json!("Foo"), "the type `Foo` is not defined"),
        (json!({ "type": "record", "name": "a b", "fields": [] }), "found the name `a b`"),
        (json!({ "type": "record", "name": "R" }), "no `fields`"),
        (json!({ "type": "enum", "name": "E", "symbols": ["A", "A"] }), "`A` twice"),
        (json!({ "type": "array" }), "no `items`"),
        (
            record("R", json!([{ "name": "a", "type": "int" }, { "name": "a", "type": "int" }])),
            "the field `a` twice",
        ),
        (
            record("R", json!([{ "name": "a", "type": record("I", json!([{ "name": "b", "type": "X" }])) }])),
            "`a.b`",
        ),
    ] {
        let error = parse(text).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(matches!(AvroType::parse("{", &[]), Err(SchemaError::Invalid(_))));
}

/// Texts of a few hundred kilobytes that would take the host gigabytes, or minutes.
#[test]
fn short_texts_do_not_become_large_schemas() {
    let error = |json: Json| parse(json).expect_err("too much").to_string();
    let began = std::time::Instant::now();

    let field = |n: usize| json!({ "name": format!("f{n}"), "type": "int" });
    let wide = record("R", (0..50_000).map(field).collect());
    assert!(error(wide).contains("more than 4096 columns"));

    let symbols: Vec<String> = (0..100_000).map(|n| format!("S{n}")).collect();
    parse(json!({ "type": "enum", "name": "E", "symbols": symbols }))
        .expect("many, but no more than the text");

    let namespace = "n".repeat(100_000);
    let fixed = |n: usize| json!({ "name": format!("f{n}"), "type": { "type": "fixed", "name": format!("F{n}"), "size": 1 } });
    let named = json!({ "type": "record", "name": "R", "namespace": namespace, "fields": (0..4000).map(fixed).collect::<Json>() });
    assert!(error(named).contains("a name of 100002 bytes (at most 1024)"));

    let aliases: Vec<&str> = vec!["a"; 100_000];
    let many = json!({ "type": "record", "name": "R", "namespace": "n".repeat(1000), "aliases": aliases, "fields": [] });
    assert!(error(many).contains("bytes of names and aliases"));

    // An array of records, each with a large default of its own.
    let default = |of: Json, item: Json| {
        let inner = record("I", json!([{ "name": "s", "type": of, "default": item }]));
        let items = json!({ "type": "array", "items": inner });
        record("R", json!([{ "name": "a", "type": items, "default": vec![json!({}); 100_000] }]))
    };
    let expected = "a default of more than 10000 values or 1048576 bytes";
    assert!(error(default(json!("string"), json!("x".repeat(100_000)))).contains(expected));
    assert!(error(default(json!("null"), Json::Null)).contains(expected));

    // Each branch says why it does not fit.
    let branch = |n: usize| json!({ "type": "fixed", "name": format!("F{n}"), "size": 1 });
    let union = record(
        "R",
        json!([{ "name": "u", "type": (0..127).map(branch).collect::<Json>(), "default": vec![1; 100_000] }]),
    );
    let why = error(union);
    assert!(
        why.ends_with("..., expected a value of one of the union's branches") && why.len() < 250,
        "{why}"
    );

    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
