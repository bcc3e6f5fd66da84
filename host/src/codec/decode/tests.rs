//! Decoding whole batches: bad rows, mixed schemas, roots.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use serde_json::Value as Json;
use serde_json::json;

use crate::codec::avro::cursor::write_long;
use crate::codec::decode::InputDecoder;
use crate::codec::testing::MemoryRecord;
use crate::codec::testing::MemoryRecords;
use crate::codec::testing::MemorySchemas;
use crate::codec::testing::avro;
use crate::codec::testing::to_json;
use crate::codec::wire_format;
use crate::codec::writer_schemas::WriterSchema;
use crate::codec::writer_schemas::WriterSchemas;
use crate::model::failure::Outage;
use crate::model::failure::Stage;
use crate::model::ids::RegistryId;
use crate::model::manifest::InputPort;
use crate::model::pipeline_spec::Format;
use crate::model::pipeline_spec::InputBinding;
use crate::model::pipeline_spec::PartBinding;
use crate::model::schema_table::SchemaTable;
use crate::pipeline::ports::DecodeFailure;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::Decoder;

pub(super) fn binding(key: Format, value: Format) -> InputBinding {
    let part = |format| PartBinding { format, subject: None };
    InputBinding::stream("t", part(key), part(value))
}

fn typed(schema: &Json) -> Json {
    json!({ "kind": "typed", "schema": schema })
}

fn decoder(port: Json, formats: (Format, Format), schemas: &Arc<dyn WriterSchemas>) -> InputDecoder {
    let port: InputPort = serde_json::from_value(port).expect("a port");
    let table = Arc::new(SchemaTable::default());
    InputDecoder::new(&port, &binding(formats.0, formats.1), schemas, &table).expect("a decoder")
}

fn value_decoder(schema: &Json, format: Format, schemas: MemorySchemas) -> InputDecoder {
    decoder(json!({ "name": "in", "value": typed(schema) }), (Format::Raw, format), &schemas.shared())
}

/// The schema of most tests, with a value of every kind that can be bad.
fn schema() -> Json {
    json!({ "type": "record", "name": "R", "fields": [
        { "name": "n", "type": "long" },
        { "name": "text", "type": "string" },
        { "name": "flag", "type": "boolean" },
        { "name": "color", "type": { "type": "enum", "name": "E", "symbols": ["A", "B"] } },
        { "name": "maybe", "type": ["null", "int"] },
        { "name": "many", "type": { "type": "array", "items": { "type": "map", "values": ["int", "string"] } } },
    ]})
}

pub(super) fn framed(id: u32, schema: &Json, value: &Json) -> Vec<u8> {
    let mut bytes = wire_format::header(RegistryId(id)).to_vec();
    bytes.extend(avro(schema).encode_default(value).expect("a value of the schema"));
    bytes
}

fn good(n: i64) -> Json {
    json!({ "n": n, "text": format!("täxt {n}"), "flag": true, "color": "B", "maybe": n, "many": [{}, { "k": n, "l": "x" }] })
}

fn good_bytes(n: i64) -> Vec<u8> {
    framed(1, &schema(), &good(n))
}

fn schemas() -> MemorySchemas {
    MemorySchemas::default().with(1, &schema())
}

pub(super) fn all(decoder: &mut InputDecoder, records: &MemoryRecords) -> Decoded {
    decoder.decode(records, 0..records.rows.len(), &[]).expect("decoded")
}

/// Every kind of bad value, with its code.
fn bad_values() -> Vec<(&'static str, Vec<u8>)> {
    let body = |bytes: &[u8]| [&wire_format::header(RegistryId(1))[..], bytes].concat();
    // n = 1, text = "a", flag = true, color = A, maybe = null, then the list.
    let mut trailing = good_bytes(1);
    trailing.push(0);
    let mut huge_count = vec![2, 2, b'a', 1, 0, 0];
    write_long(i64::MAX, &mut huge_count);
    let mut negative_count = vec![2, 2, b'a', 1, 0, 0];
    write_long(i64::MIN, &mut negative_count);
    negative_count.push(0);
    let mut good_prefix = good_bytes(1);
    good_prefix.truncate(good_prefix.len() - 3);
    vec![
        ("wire-too-short", vec![]),
        ("wire-too-short", vec![0, 0, 0]),
        ("wire-magic", vec![1, 0, 0, 0, 1, 2]),
        ("wire-magic", b"{\"n\":1}".to_vec()),
        ("schema-unknown", framed(99, &schema(), &good(1))),
        ("schema-unresolvable", framed(2, &json!("string"), &json!("x"))),
        ("avro-truncated", body(&[])),
        ("avro-truncated", good_prefix),
        ("avro-truncated", body(&[2, 100, b'a'])),
        ("avro-varint", body(&[0xff; 12])),
        ("avro-length", body(&[2, 1])),
        ("avro-utf8", body(&[2, 4, 0xc3, 0x28, 1, 0, 0, 0])),
        // Half of a character: whole only together with the next row's.
        ("avro-utf8", body(&[2, 2, 0xc3, 1, 0, 0, 0])),
        ("avro-boolean", body(&[2, 2, b'a', 2, 0, 0, 0])),
        ("avro-enum", body(&[2, 2, b'a', 1, 4, 0, 0])),
        ("avro-enum", body(&[2, 2, b'a', 1, 1, 0, 0])),
        ("avro-union", body(&[2, 2, b'a', 1, 0, 4, 0])),
        ("avro-union", body(&[2, 2, b'a', 1, 0, 1, 0])),
        ("avro-int", body(&[2, 2, b'a', 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0])),
        ("avro-count", body(&huge_count)),
        ("avro-count", body(&negative_count)),
        // An inner map of a million entries.
        ("avro-count", body(&[2, 2, b'a', 1, 0, 0, 2, 0x80, 0x89, 0x7a, 2, b'k', 0, 0])),
        ("avro-union", body(&[2, 2, b'a', 1, 0, 0, 2, 2, 2, b'k', 6, 0, 0, 0])),
        ("avro-trailing", trailing),
    ]
}

#[test]
fn a_bad_row_of_any_kind_at_any_position_leaves_its_neighbours() {
    let ty = avro(&schema());
    let mut decoder = value_decoder(&schema(), Format::Avro, schemas().with(2, &json!("string")));
    for (code, bytes) in bad_values() {
        for position in 0..6 {
            let mut values: Vec<_> = (0..5).map(|n| Some(good_bytes(n))).collect();
            values.insert(position, Some(bytes.clone()));
            let decoded = all(&mut decoder, &MemoryRecords::values(values));
            let expected: Vec<u32> = (0..6).filter(|index| *index != position as u32).collect();
            assert_eq!(decoded.records, expected, "{code}");
            let [(index, bad)] = &decoded.bad[..] else { panic!("{code}: {:?}", decoded.bad) };
            assert_eq!((*index, bad.code.0), (position as u32, code), "{bad}");
            assert_eq!(bad.stage, Stage::ValueDecode);
            let array = decoded.rows.value.expect("a value");
            array.to_data().validate_full().expect("valid by Arrow's own rules");
            assert_eq!(to_json(&ty, &array), (0..5).map(good).collect::<Vec<_>>(), "{code}");
        }
    }
}

#[test]
fn a_batch_of_bad_rows_only_is_empty() {
    let mut decoder = value_decoder(&schema(), Format::Avro, schemas().with(2, &json!("string")));
    let bad = bad_values();
    let records = MemoryRecords::values(bad.iter().map(|(_, bytes)| Some(bytes.clone())));
    let decoded = all(&mut decoder, &records);
    assert_eq!(decoded.rows.count, 0);
    assert_eq!(decoded.rows.value.expect("a value").len(), 0);
    let codes: Vec<&str> = decoded.bad.iter().map(|(_, bad)| bad.code.0).collect();
    assert_eq!(codes, bad.iter().map(|(code, _)| *code).collect::<Vec<_>>());
    assert_eq!(decoded.end, bad.len());
    // And the decoder is as new.
    let decoded = all(&mut decoder, &MemoryRecords::values([Some(good_bytes(7))]));
    assert_eq!(to_json(&avro(&schema()), &decoded.rows.value.expect("a value")), [good(7)]);
}

#[test]
fn a_message_says_where_in_the_record() {
    let mut decoder = value_decoder(&schema(), Format::Avro, schemas());
    let bytes = [&wire_format::header(RegistryId(1))[..], &[2, 2, b'a', 1, 8, 0, 0]].concat();
    let decoded = all(&mut decoder, &MemoryRecords::values([Some(bytes)]));
    assert_eq!(
        decoded.bad[0].1.message,
        "found an index past the enum's symbols (4), at byte 10, in `color`"
    );
}

#[test]
fn writer_schemas_are_mixed_within_one_batch() {
    let old = json!({ "type": "record", "name": "x.R", "fields": [{ "name": "n", "type": "int" }] });
    let new = json!({ "type": "record", "name": "R", "fields": [
        { "name": "extra", "type": { "type": "map", "values": "bytes" } }, { "name": "n", "type": "long" } ]});
    let reader = json!({ "type": "record", "name": "R", "fields": [
        { "name": "n", "type": "long" }, { "name": "text", "type": "string", "default": "none" } ]});
    let schemas = MemorySchemas::default().with(1, &old).with(2, &new).with(3, &reader);
    let mut decoder = value_decoder(&reader, Format::Avro, schemas);
    let records = MemoryRecords::values((0..9).map(|n| {
        Some(match n % 3 {
            0 => framed(1, &old, &json!({ "n": n })),
            1 => framed(2, &new, &json!({ "extra": { "k": "v" }, "n": n })),
            _ => framed(3, &reader, &json!({ "n": n, "text": "t" })),
        })
    }));
    let decoded = all(&mut decoder, &records);
    let text = |n: i64| if n % 3 == 2 { "t" } else { "none" };
    let expected: Vec<Json> = (0..9).map(|n| json!({ "n": n, "text": text(n) })).collect();
    assert_eq!(to_json(&avro(&reader), &decoded.rows.value.expect("a value")), expected);
}

#[test]
fn null_values_are_null_rows_with_placeholders() {
    let mut decoder = value_decoder(&schema(), Format::Avro, schemas());
    let decoded = all(&mut decoder, &MemoryRecords::values([None, Some(good_bytes(1)), None]));
    let array = decoded.rows.value.expect("a value");
    array.to_data().validate_full().expect("valid by Arrow's own rules");
    assert_eq!(to_json(&avro(&schema()), &array), [Json::Null, good(1), Json::Null]);
    assert_eq!(array.as_struct().column(0).len(), 3);
}

#[test]
fn a_union_root_without_null_cannot_carry_tombstones() {
    let union = json!(["int", "string"]);
    let mut decoder = value_decoder(&union, Format::Avro, MemorySchemas::default().with(1, &union));
    let records = MemoryRecords::values([
        Some(framed(1, &union, &json!(1))),
        None,
        Some(framed(1, &union, &json!("x"))),
    ]);
    let decoded = all(&mut decoder, &records);
    assert_eq!(decoded.records, [0, 2]);
    assert_eq!(decoded.bad[0].1.code.0, "null-unrepresentable");
}

#[test]
fn keys_and_values_of_a_row_stand_or_fall_together() {
    let port = json!({ "name": "in", "key": typed(&json!("long")), "value": typed(&schema()),
                       "timestamp": true, "headers": true, "offset": true });
    let mut decoder = decoder(port, (Format::Int64, Format::Avro), &schemas().shared());
    let record = |key: &[u8], value: Vec<u8>, timestamp| MemoryRecord {
        key: Some(key.to_vec()),
        value: Some(value),
        timestamp,
        headers: vec![("h".into(), Some(vec![1])), ("h".into(), None)],
    };
    let mut rows = vec![
        record(&1i64.to_be_bytes(), good_bytes(1), Some(10)),
        record(&2i64.to_be_bytes(), vec![9], Some(20)),
        record(b"short", good_bytes(3), Some(30)),
        record(&4i64.to_be_bytes(), good_bytes(4), None),
    ];
    rows.push(MemoryRecord { value: Some(good_bytes(5)), ..MemoryRecord::default() });
    let decoded = all(&mut decoder, &MemoryRecords::new(rows));
    assert_eq!(decoded.records, [0, 3, 4]);
    let codes: Vec<_> = decoded.bad.iter().map(|(row, bad)| (*row, bad.code.0, bad.stage)).collect();
    assert_eq!(codes, [(1, "wire-magic", Stage::ValueDecode), (2, "primitive-size", Stage::KeyDecode)]);
    let rows = decoded.rows;
    let keys: Vec<_> = rows.key.expect("keys").as_primitive::<Int64Type>().iter().collect();
    assert_eq!(keys, [Some(1), Some(4), None]);
    assert_eq!(rows.timestamp.expect("timestamps").iter().collect::<Vec<_>>(), [Some(10), None, None]);
    assert_eq!(rows.offset.expect("offsets").iter().collect::<Vec<_>>(), [Some(0), Some(9), Some(12)]);
    let headers = rows.headers.expect("headers");
    headers.to_data().validate_full().expect("valid");
    let first = headers.as_list::<i32>().value(0);
    let (names, values) = (first.as_struct().column(0), first.as_struct().column(1));
    assert_eq!(names.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("h"), Some("h")]);
    assert_eq!(values.as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(&[1][..]), None]);
    assert_eq!(headers.as_list::<i32>().value(2).len(), 0);
}

#[test]
fn rows_to_be_skipped_are_neither_decoded_nor_bad() {
    let mut decoder = value_decoder(&schema(), Format::Avro, schemas());
    let records =
        MemoryRecords::values([Some(vec![9]), Some(good_bytes(1)), Some(good_bytes(2)), Some(vec![9])]);
    let decoded = decoder.decode(&records, 0..4, &[0, 2, 3]).expect("decoded");
    assert_eq!((decoded.records, decoded.bad.len(), decoded.end), (vec![1], 0, 4));
}

#[test]
fn a_schema_that_is_not_there_ends_the_batch_before_it() {
    let outage = Outage::new("registry-unavailable", "down");
    let mut schemas = schemas();
    schemas.0.insert(7, WriterSchema::Pending);
    schemas.0.insert(8, WriterSchema::Unavailable(outage.clone()));
    let mut decoder = value_decoder(&schema(), Format::Avro, schemas);
    let records = MemoryRecords::values([
        Some(good_bytes(1)),
        Some(framed(7, &schema(), &good(2))),
        Some(framed(8, &schema(), &good(3))),
    ]);
    let decoded = all(&mut decoder, &records);
    assert_eq!((decoded.records, decoded.bad.len(), decoded.end), (vec![0], 0, 1));
    assert!(matches!(decoder.decode(&records, 1..3, &[]), Err(DecodeFailure::SchemaPending(7))));
    match decoder.decode(&records, 2..3, &[]) {
        Err(DecodeFailure::Outage(found)) => assert_eq!(found, outage),
        other => panic!("{other:?}"),
    }
    // Skipping the first makes progress.
    assert_eq!(decoder.decode(&records, 1..3, &[1]).expect("progress").end, 2);
}

#[test]
fn few_bytes_never_become_many() {
    // A list of nulls, of empty records, and of records that are all default.
    let writer = json!({ "type": "array", "items": { "type": "record", "name": "I", "fields": [] } });
    let reader = json!({ "type": "array", "items": { "type": "record", "name": "I", "fields": [
        { "name": "d", "type": "string", "default": "x".repeat(4096) } ] }});
    let mut count = wire_format::header(RegistryId(1)).to_vec();
    write_long(60_000, &mut count);
    count.push(0);
    let mut decoder = value_decoder(&reader, Format::Avro, MemorySchemas::default().with(1, &writer));
    let decoded = all(&mut decoder, &MemoryRecords::values([Some(count.clone())]));
    assert_eq!(decoded.bad[0].1.code.0, "value-too-large");

    let mut decoder = value_decoder(&writer, Format::Avro, MemorySchemas::default().with(1, &writer));
    let mut over = wire_format::header(RegistryId(1)).to_vec();
    write_long(70_000, &mut over);
    over.push(0);
    let decoded = all(&mut decoder, &MemoryRecords::values([Some(count), Some(over)]));
    assert_eq!(decoded.records, [0]);
    assert_eq!(decoded.bad[0].1.code.0, "avro-count");
}

/// A null is one byte, and an empty record is none, but each is a row in all of the reader's columns.
#[test]
fn nulls_and_absent_fields_count_all_their_columns() {
    let fields =
        (0..1000).map(|n| json!({ "name": format!("f{n}"), "type": ["null", "long"], "default": null }));
    let wide = json!({ "type": "record", "name": "W", "fields": fields.collect::<Json>() });
    let empty = json!({ "type": "record", "name": "W", "fields": [] });
    let list = |item: &Json| json!({ "type": "array", "items": item });
    let datum = |count: i64, bytes: usize| {
        let mut datum = wire_format::header(RegistryId(1)).to_vec();
        write_long(count, &mut datum);
        datum.resize(datum.len() + bytes + 1, 0);
        datum
    };
    let nullable = list(&json!(["null", wide]));
    for (writer, reader, few, many) in [
        (&nullable, &nullable, datum(1000, 1000), datum(10_000, 10_000)),
        (&list(&empty), &list(&wide), datum(1000, 0), datum(10_000, 0)),
    ] {
        let mut decoder = value_decoder(reader, Format::Avro, MemorySchemas::default().with(1, writer));
        let records = MemoryRecords::values([Some(few), Some(many)]);
        let decoded = all(&mut decoder, &records);
        assert_eq!((decoded.records, decoded.end), (vec![0], 1), "the second has no room beside the first");
        let decoded = decoder.decode(&records, 1..2, &[]).expect("the second");
        assert_eq!(decoded.bad[0].1.code.0, "value-too-large", "nor alone");
    }
}

/// Each item is a step in each of thousands of columns, but no byte of the record.
#[test]
fn lists_of_nulls_take_no_time_of_their_own() {
    let record = |first: &str| {
        let fields = std::iter::once(first).chain(std::iter::repeat_n("null", 2000)).enumerate();
        let fields = fields.map(|(n, ty)| json!({ "name": format!("f{n}"), "type": ty }));
        json!({ "type": "array", "items": { "type": "record", "name": "I", "fields": fields.collect::<Json>() } })
    };
    let datum = |bytes: usize| {
        let mut datum = wire_format::header(RegistryId(1)).to_vec();
        write_long(60_000, &mut datum);
        datum.resize(datum.len() + bytes + 1, 0);
        datum
    };
    let nulls = record("null");
    let mut decoder = value_decoder(&nulls, Format::Avro, MemorySchemas::default().with(1, &nulls));
    let began = std::time::Instant::now();
    let decoded = all(&mut decoder, &MemoryRecords::values((0..200).map(|_| Some(datum(0)))));
    assert_eq!((decoded.rows.count, decoded.bad.len()), (200, 0));
    // One by one these would be 24 thousand million.
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());

    let numbers = record("int");
    let mut decoder = value_decoder(&numbers, Format::Avro, MemorySchemas::default().with(1, &numbers));
    let decoded = all(&mut decoder, &MemoryRecords::values([Some(datum(60_000))]));
    assert_eq!(decoded.bad[0].1.code.0, "value-too-large");
}

#[test]
fn a_batch_ends_before_its_placeholders_take_too_much() {
    let fixed = json!({ "type": "fixed", "name": "F", "size": 1 << 20 });
    let mut decoder = value_decoder(&fixed, Format::Avro, MemorySchemas::default());
    let records = MemoryRecords::values((0..100).map(|_| None));
    let decoded = all(&mut decoder, &records);
    assert_eq!((decoded.rows.count, decoded.end, decoded.bad.len()), (64, 64, 0));
    let decoded = decoder.decode(&records, 64..100, &[]).expect("the rest");
    assert_eq!((decoded.rows.count, decoded.end), (36, 100));
}

#[test]
fn text_raw_and_primitive_formats_are_read() {
    let cases: [(Format, Json, Vec<u8>, Json); 10] = [
        (Format::Text, json!("string"), "tä".into(), json!("tä")),
        (Format::Raw, json!("bytes"), vec![0xff], json!("/w==")),
        (Format::Boolean, json!("boolean"), vec![1], json!(true)),
        (Format::Int16, json!("int"), (-2i16).to_be_bytes().to_vec(), json!(-2)),
        (Format::Int32, json!("int"), i32::MIN.to_be_bytes().to_vec(), json!(i32::MIN)),
        (Format::Int32, json!("long"), 5i32.to_be_bytes().to_vec(), json!(5)),
        (Format::Int64, json!(["null", "long"]), i64::MAX.to_be_bytes().to_vec(), json!(i64::MAX)),
        (Format::Float32, json!("float"), 1.5f32.to_be_bytes().to_vec(), json!(1.5)),
        (Format::Float64, json!("double"), (-0.25f64).to_be_bytes().to_vec(), json!(-0.25)),
        (
            Format::Text,
            json!({ "type": "string", "logicalType": "uuid" }),
            uuid_text().into(),
            json!(uuid_text()),
        ),
    ];
    for (format, schema, bytes, expected) in cases {
        let mut decoder = value_decoder(&schema, format, MemorySchemas::default());
        let decoded = all(&mut decoder, &MemoryRecords::values([Some(bytes), None]));
        let found = to_json(&avro(&schema), &decoded.rows.value.expect("a value"));
        assert_eq!(found, [expected, Json::Null], "{format:?}");
    }
    for (format, schema, bytes, code) in [
        (Format::Text, "string", vec![0xff], "text-utf8"),
        (Format::Boolean, "boolean", vec![2], "primitive-value"),
        (Format::Boolean, "boolean", vec![], "primitive-size"),
        (Format::Int32, "int", vec![0; 5], "primitive-size"),
        (Format::Float64, "double", vec![0; 4], "primitive-size"),
    ] {
        let mut decoder = value_decoder(&json!(schema), format, MemorySchemas::default());
        let decoded = all(&mut decoder, &MemoryRecords::values([Some(bytes)]));
        assert_eq!(decoded.bad[0].1.code.0, code);
    }
}

fn uuid_text() -> &'static str {
    "01234567-89ab-cdef-0123-456789abcdef"
}
