//! Against two other implementations, on random schemas and values.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;

use crate::codec::testing::Generator;
use crate::codec::testing::assert_cell;
use crate::codec::testing::avro;
use crate::codec::testing::decode;
use crate::codec::testing::encode;

fn other_encode(schema: &apache_avro::Schema, value: Value) -> Vec<u8> {
    let writer = GenericDatumWriter::builder(schema).build().expect("a writer");
    writer.write_value_to_vec(value).expect("a value of the schema")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// Another library's bytes are read as its values, and written as the same bytes.
    #[test]
    fn values_and_bytes_agree_with_another_implementation(seed: u64) {
        let mut generator = Generator::new(seed);
        let schema = generator.schema(3);
        let ty = avro(&schema);
        let other = apache_avro::Schema::parse_str(&schema.to_string()).expect("valid for the other library");
        let values: Vec<Value> = (0..8).map(|_| generator.value(&ty)).collect();
        let datums: Vec<Vec<u8>> = values.iter().map(|value| other_encode(&other, value.clone())).collect();
        let array = decode(&ty, &ty, &datums).expect("well-formed");
        prop_assert_eq!(array.len(), values.len());
        for (row, value) in values.iter().enumerate() {
            assert_cell(&ty, value, &array, row);
        }
        prop_assert_eq!(encode(&ty, &array), datums.clone());
        // A slice of a column has its own offsets everywhere.
        prop_assert_eq!(encode(&ty, &array.slice(3, 4)), &datums[3..7]);
    }

    /// A reader of an evolved schema sees what the other library's reader sees.
    #[test]
    fn evolved_readers_agree_with_another_implementation(seed: u64) {
        let mut generator = Generator::new(seed);
        // The other library picks union branches more loosely than the specification does.
        generator.unions = false;
        let writer_json = generator.record(3);
        let reader_json = generator.evolve(&writer_json);
        let (writer, reader) = (avro(&writer_json), avro(&reader_json));
        let parse = |schema: &serde_json::Value| apache_avro::Schema::parse_str(&schema.to_string()).expect("valid");
        let (other_writer, other_reader) = (parse(&writer_json), parse(&reader_json));
        let values: Vec<Value> = (0..4).map(|_| generator.value(&writer)).collect();
        let datums: Vec<Vec<u8>> = values.iter().map(|value| other_encode(&other_writer, value.clone())).collect();
        let array = decode(&writer, &reader, &datums).expect("well-formed");
        for (row, datum) in datums.iter().enumerate() {
            let other = GenericDatumReader::builder(&other_writer).reader_schema(&other_reader).build();
            let value = other.expect("a reader").read_value(&mut &datum[..]);
            match value {
                Ok(value) => assert_cell(&reader, &value, &array, row),
                // It refuses decimals of fewer bytes than their precision may take.
                Err(error) => prop_assert!(writer_json.to_string().contains("decimal"), "{error}"),
            }
        }
    }
}

/// Plain columns are those that Arrow's own Avro reader makes.
#[test]
fn columns_agree_with_arrow_avro() {
    use arrow_avro::reader::ReaderBuilder;
    use arrow_avro::schema::AvroSchema;
    use arrow_avro::schema::Fingerprint;
    use arrow_avro::schema::FingerprintAlgorithm;
    use arrow_avro::schema::SchemaStore;

    let field = |name: &str, ty: serde_json::Value| serde_json::json!({ "name": name, "type": ty });
    let logical = |base: &str, logical: &str| serde_json::json!({ "type": base, "logicalType": logical });
    let schema = serde_json::json!({ "type": "record", "name": "R", "fields": [
        field("boolean", "boolean".into()), field("int", "int".into()), field("long", "long".into()),
        field("float", "float".into()), field("double", "double".into()), field("bytes", "bytes".into()),
        field("string", "string".into()),
        field("fixed", serde_json::json!({ "type": "fixed", "name": "F", "size": 5 })),
        field("maybe", serde_json::json!(["null", "string"])),
        field("list", serde_json::json!({ "type": "array", "items": "long" })),
        field("map", serde_json::json!({ "type": "map", "values": ["null", "double"] })),
        field("record", serde_json::json!({ "type": "record", "name": "I", "fields": [field("x", "int".into())] })),
        field("decimal", serde_json::json!({ "type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3 })),
        field("date", logical("int", "date")), field("time_ms", logical("int", "time-millis")),
        field("time_us", logical("long", "time-micros")), field("ts", logical("long", "timestamp-micros")),
        field("local", logical("long", "local-timestamp-millis")),
    ]});
    let ty = avro(&schema);
    let other = apache_avro::Schema::parse_str(&schema.to_string()).expect("valid");
    let mut generator = Generator::new(7);
    let datums: Vec<Vec<u8>> = (0..50).map(|_| other_encode(&other, generator.value(&ty))).collect();
    let ours = decode(&ty, &ty, &datums).expect("well-formed");

    let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    store.set(Fingerprint::Id(1), AvroSchema::new(schema.to_string())).expect("stored");
    let mut decoder =
        ReaderBuilder::new().with_writer_schema_store(store).build_decoder().expect("a decoder");
    for datum in &datums {
        let framed = [&[0, 0, 0, 0, 1][..], datum].concat();
        assert_eq!(decoder.decode(&framed).expect("decoded"), framed.len());
    }
    let theirs = decoder.flush().expect("flushed").expect("a batch");
    let ours = arrow_array::cast::AsArray::as_struct(&ours);
    for (index, column) in ours.columns().iter().enumerate() {
        let other = theirs.column(index);
        assert_eq!(column.len(), other.len());
        let name = ours.column_names()[index];
        // Field names and metadata within may differ; values may not.
        assert_eq!(format!("{column:?}"), format!("{other:?}"), "{name}");
    }
}
