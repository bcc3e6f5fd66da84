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
