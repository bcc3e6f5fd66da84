//! Encoding whole columns.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::BooleanArray;
use arrow_array::Decimal128Array;
use arrow_array::Int32Array;
use arrow_array::Int64Array;
use arrow_array::ListArray;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_schema::Field;
use serde_json::Value as Json;
use serde_json::json;

use crate::codec::encode::PartEncoder;
use crate::codec::encode::Registration;
use crate::model::failure::Outage;
use crate::model::failure::Stage;
use crate::model::ids::RegistryId;
use crate::model::ids::SchemaId;
use crate::model::manifest::PartType;
use crate::model::pipeline_spec::Format;
use crate::model::schema_table::SchemaTable;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::EncodedPart;
use crate::pipeline::ports::Encoder;

fn encoder(schema: Json, format: Format) -> PartEncoder {
    let part = PartType::Typed { schema };
    let registration = Registration::Id(RegistryId(7));
    PartEncoder::new(&part, format, Stage::ValueEncode, "outputs.out.value", registration)
        .expect("an encoder")
}

type Entries = Vec<Option<Vec<u8>>>;

/// Entries, and the code of each bad row.
fn encode(encoder: &mut PartEncoder, column: ArrayRef) -> (Entries, Vec<(u32, &'static str)>) {
    let mut out = EncodedPart::default();
    let bad = encoder.encode(&column, None, &mut out).expect("encoded");
    assert_eq!(out.ends.len(), column.len());
    let entries = (0..column.len()).map(|row| out.get(row).map(<[u8]>::to_vec)).collect();
    (entries, bad.into_iter().map(|(row, bad)| (row, bad.code.0)).collect())
}

#[test]
fn avro_rows_are_framed_and_null_rows_are_tombstones() {
    let column = Arc::new(StringArray::from(vec![Some("ab"), None, Some("")]));
    let framed = |body: &[u8]| Some([&[0, 0, 0, 0, 7], body].concat());
    for schema in [json!("string"), json!(["null", "string"])] {
        let (entries, bad) = encode(&mut encoder(schema.clone(), Format::Avro), column.clone());
        assert!(bad.is_empty());
        // A nullable root is written as the union that it is.
        assert_eq!(entries[1], None);
        if schema.is_string() {
            assert_eq!(entries, [framed(&[4, b'a', b'b']), None, framed(&[0])]);
        } else {
            assert_eq!(entries, [framed(&[2, 4, b'a', b'b']), None, framed(&[2, 0])]);
        }
    }
}

#[test]
fn a_row_that_cannot_be_encoded_leaves_its_neighbours() {
    let symbols = json!({ "type": "enum", "name": "E", "symbols": ["A", "B"] });
    let column = Arc::new(Int32Array::from(vec![0, 2, 1, -1]));
    let (entries, bad) = encode(&mut encoder(symbols, Format::Avro), column);
    assert_eq!(entries, [Some(vec![0, 0, 0, 0, 7, 0]), None, Some(vec![0, 0, 0, 0, 7, 2]), None]);
    assert_eq!(bad, [(1, "encode-enum"), (3, "encode-enum")]);
    let (_, bad) =
        encode(&mut encoder(json!("int"), Format::Int16), Arc::new(Int32Array::from(vec![1 << 20, 3])));
    assert_eq!(bad, [(0, "encode-range")]);
}

#[test]
fn a_null_where_the_schema_has_none_is_a_bad_row() {
    let schema = json!({ "type": "record", "name": "R", "fields": [{ "name": "n", "type": "long" }] });
    let field = Arc::new(Field::new("n", DataType::Int64, true));
    let child: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let column = Arc::new(StructArray::from(vec![(field, child)]));
    let (entries, bad) = encode(&mut encoder(schema, Format::Avro), column);
    assert_eq!(entries, [Some(vec![0, 0, 0, 0, 7, 2]), None]);
    assert_eq!(bad, [(1, "encode-null")]);
}

#[test]
fn formats_without_schema_are_written() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["tä"]));
    let cases: [(Format, Json, ArrayRef, Vec<u8>); 6] = [
        (Format::Text, json!("string"), text.clone(), "tä".into()),
        (Format::Json, json!("string"), text, "\"tä\"".into()),
        (Format::Raw, json!("bytes"), Arc::new(BinaryArray::from(vec![&[1u8, 2][..]])), vec![1, 2]),
        (Format::Boolean, json!("boolean"), Arc::new(BooleanArray::from(vec![true])), vec![1]),
        (Format::Int32, json!("int"), Arc::new(Int32Array::from(vec![-2])), (-2i32).to_be_bytes().to_vec()),
        (
            Format::Int64,
            json!(["null", "long"]),
            Arc::new(Int64Array::from(vec![3])),
            3i64.to_be_bytes().to_vec(),
        ),
    ];
    for (format, schema, column, expected) in cases {
        let (entries, bad) = encode(&mut encoder(schema, format), column);
        assert_eq!((entries, bad), (vec![Some(expected)], vec![]), "{format:?}");
    }
}

#[test]
fn a_column_of_another_type_stops_the_pipeline() {
    let column: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let mut out = EncodedPart::default();
    let result = encoder(json!("string"), Format::Avro).encode(&column, None, &mut out);
    let Err(EncodeFailure::Stop(stop)) = result else { panic!("{result:?}") };
    assert!(stop.message.contains("a column of Int32, expected one of string"), "{stop}");
}

#[test]
fn a_dynamic_part_registers_each_schema_once() {
    let table = Arc::new(SchemaTable::default());
    let (int, text) = (table.declare("\"int\"").expect("ok"), table.declare("\"string\"").expect("ok"));
    let mut calls = 0;
    let register = move |entry: &crate::model::schema_table::TableEntry| {
        calls += 1;
        match calls {
            1 => Err(EncodeFailure::Outage(Outage::new("registry-unavailable", "down"))),
            2 if entry.text == "\"int\"" => Ok(RegistryId(1)),
            3 if entry.text == "\"string\"" => Ok(RegistryId(2)),
            other => panic!("call {other} for {}", entry.text),
        }
    };
    let registration = Registration::Dynamic { table, register: Box::new(register) };
    let mut encoder = PartEncoder::new(
        &PartType::Dynamic,
        Format::Avro,
        Stage::ValueEncode,
        "outputs.out.value",
        registration,
    )
    .expect("an encoder");
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let mut out = EncodedPart::default();
    assert!(matches!(encoder.encode(&ints, Some(int), &mut out), Err(EncodeFailure::Outage(_))));
    for _ in 0..2 {
        encoder.encode(&ints, Some(int), &mut out).expect("encoded");
        encoder.encode(&texts, Some(text), &mut out).expect("encoded");
    }
    assert_eq!(out.get(0), Some(&[0, 0, 0, 0, 1, 2][..]));
    assert_eq!(out.get(3), Some(&[0, 0, 0, 0, 2, 2, b'a'][..]));
    assert!(matches!(encoder.encode(&ints, None, &mut out), Err(EncodeFailure::Stop(_))));
    assert!(matches!(encoder.encode(&ints, Some(SchemaId(99)), &mut out), Err(EncodeFailure::Stop(_))));
}

#[test]
fn avro_without_a_schema_id_is_refused() {
    let part = PartType::Typed { schema: json!("string") };
    let refusal =
        PartEncoder::new(&part, Format::Avro, Stage::KeyEncode, "outputs.out.key", Registration::None);
    assert_eq!(refusal.expect_err("no id").code.0, "schema-unregistered");
}

/// What an encoder says of a column that is too large, and how many bytes it had written by then.
fn too_large(schema: Json, format: Format, column: ArrayRef) -> (&'static str, usize) {
    let mut out = EncodedPart::default();
    match encoder(schema, format).encode(&column, None, &mut out) {
        Err(EncodeFailure::TooLarge(cause)) => (cause.code.0, out.bytes.len()),
        other => panic!("{other:?}"),
    }
}

fn list_of(items: ArrayRef) -> ArrayRef {
    let field = Arc::new(Field::new("item", items.data_type().clone(), false));
    let offsets = OffsetBuffer::from_lengths([items.len()]);
    Arc::new(ListArray::new(field, offsets, items, None))
}

#[test]
fn a_batch_is_bounded_once_it_is_encoded() {
    let symbol = "S".repeat(1 << 20);
    let schema = json!({ "type": "enum", "name": "E", "symbols": [symbol] });
    let rows = |count| Arc::new(Int32Array::from(vec![0; count]));
    let (entries, bad) = encode(&mut encoder(schema.clone(), Format::Json), rows(60));
    assert_eq!((entries.len(), bad.len()), (60, 0));
    let (code, _) = too_large(schema, Format::Json, rows(70));
    assert_eq!(code, "encode-too-large");
}

/// Few bytes of columns become many within one row, which is measured before it is done.
#[test]
fn a_row_is_bounded_while_it_is_encoded() {
    let decimal =
        json!({ "type": "fixed", "name": "F", "size": 1 << 20, "logicalType": "decimal", "precision": 5 });
    let decimals = Decimal128Array::from(vec![7; 10_000]).with_precision_and_scale(5, 0).expect("decimals");
    let name = "n".repeat(1000);
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true; 1 << 20]));
    let fields = vec![Field::new(&name, DataType::Boolean, false)];
    let records: ArrayRef = Arc::new(StructArray::new(fields.into(), vec![flags], None));
    let record = json!({ "type": "record", "name": "R", "fields": [{ "name": name, "type": "boolean" }] });
    let text: ArrayRef = Arc::new(StringArray::from(vec!["\u{1}".repeat(1 << 20); 80]));
    for (item, items, format) in [
        (decimal, Arc::new(decimals) as ArrayRef, Format::Avro),
        (record, records, Format::Json),
        (json!("string"), text, Format::Json),
    ] {
        let schema = json!({ "type": "array", "items": item });
        let (code, bytes) = too_large(schema, format, list_of(items));
        assert_eq!(code, "encode-too-large", "{item}");
        assert!(bytes < (64 << 20) + (8 << 20), "{item}: {bytes} bytes");
    }
}

#[test]
fn rows_that_cannot_be_encoded_are_noted_up_to_a_bound() {
    let symbols = json!({ "type": "enum", "name": "E", "symbols": ["A"] });
    let column = |count| Arc::new(Int32Array::from(vec![1; count]));
    let (_, bad) = encode(&mut encoder(symbols.clone(), Format::Avro), column(10_000));
    assert_eq!(bad.len(), 10_000);
    let (code, _) = too_large(symbols, Format::Avro, column(10_001));
    assert_eq!(code, "encode-enum", "a batch of one row is set aside for what is wrong with it");
}
