//! Dynamic ports: each batch has the schema of its records.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use serde_json::json;

use crate::codec::decode::InputDecoder;
use crate::codec::decode::tests::all;
use crate::codec::decode::tests::binding;
use crate::codec::decode::tests::framed;
use crate::codec::testing::MemoryRecords;
use crate::codec::testing::MemorySchemas;
use crate::model::manifest::InputPort;
use crate::model::pipeline_spec::Format;
use crate::model::schema_table::SchemaTable;
use crate::pipeline::ports::Decoder;

fn dynamic_decoder(schemas: MemorySchemas) -> (InputDecoder, Arc<SchemaTable>) {
    let port = json!({ "name": "in", "value": { "kind": "dynamic" } });
    let port: InputPort = serde_json::from_value(port).expect("a port");
    let table = Arc::new(SchemaTable::default());
    let decoder = InputDecoder::new(&port, &binding(Format::Raw, Format::Avro), &schemas.shared(), &table);
    (decoder.expect("a decoder"), table)
}

#[test]
fn a_dynamic_batch_is_cut_where_the_schema_changes() {
    let (a, b) = (json!("int"), json!("string"));
    let same = json!({ "type": "int", "doc": "another text of the same schema" });
    let schemas = MemorySchemas::default().with(1, &a).with(2, &b).with(3, &same);
    let (mut decoder, table) = dynamic_decoder(schemas);
    let int = |id, n: i64| Some(framed(id, &a, &json!(n)));
    let text = || Some(framed(2, &b, &json!("x")));
    let records =
        MemoryRecords::values([None, int(1, 1), int(3, 2), None, text(), Some(vec![7]), None, int(1, 3)]);

    let first = all(&mut decoder, &records);
    assert_eq!((first.records, first.end), (vec![0, 1, 2, 3], 4));
    let values = first.rows.value.expect("a value");
    assert_eq!(values.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [None, Some(1), Some(2), None]);
    assert_eq!(table.get(first.schema.expect("a schema")).expect("known").text, "\"int\"");

    let second = decoder.decode(&records, 4..8, &[]).expect("decoded");
    assert_eq!((second.records, second.end, second.bad.len()), (vec![4, 6], 7, 1));
    assert_ne!(second.schema, first.schema);

    // Tombstones alone keep the schema that was last.
    let third = decoder.decode(&records, 6..7, &[]).expect("decoded");
    assert_eq!((third.schema, third.rows.count), (second.schema, 1));
    assert!(third.rows.value.expect("a value").is_null(0));

    let fourth = decoder.decode(&records, 7..8, &[]).expect("decoded");
    assert_eq!(fourth.schema, first.schema);
}

#[test]
fn tombstones_before_any_schema_have_the_schema_null() {
    let (mut decoder, table) = dynamic_decoder(MemorySchemas::default());
    let decoded = all(&mut decoder, &MemoryRecords::values([None, None]));
    assert_eq!(decoded.rows.value.expect("a value").len(), 2);
    assert_eq!(table.get(decoded.schema.expect("a schema")).expect("known").text, "\"null\"");
}

#[test]
fn more_schemas_than_are_kept_are_read_again_and_again() {
    let schema = |n: u32| json!({ "type": "record", "name": format!("R{n}"), "fields": [{ "name": "n", "type": "long" }] });
    let mut schemas = MemorySchemas::default();
    for n in 0..600 {
        schemas = schemas.with(n, &schema(n));
    }
    let (mut decoder, table) = dynamic_decoder(schemas);
    for n in (0..600).chain(0..600) {
        let record = framed(n, &schema(n), &json!({ "n": n }));
        let decoded = all(&mut decoder, &MemoryRecords::values([None, Some(record)]));
        assert_eq!((decoded.rows.count, decoded.bad.len()), (2, 0));
        let text = &table.get(decoded.schema.expect("a schema")).expect("known").text;
        assert!(text.contains(&format!("\"R{n}\"")), "{text}");
    }
}
