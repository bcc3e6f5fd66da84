//! Every Avro type through decode, a guest and encode, against two other implementations of Avro: records
//! that apache-avro (Rust) and fastavro (Python) wrote come out with equal values, and with equal bytes
//! wherever there is one encoding only: where no map has two entries or more.

use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use apache_avro::Schema;
use apache_avro::types::Value;
use wasmill_test_support::ConsumedRecord;
use wasmill_test_support::RandomAvro;
use wasmill_test_support::RandomAvroSchema;
use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::avro;
use wasmill_test_support::payments;
use wasmill_test_support::run_python;
use wasmill_test_support::seed;

/// Records of each implementation.
const COUNT: usize = 300;

fn peer() -> PathBuf {
    xtask::checkout::root().join("tests/suites/conformance/fastavro_peer.py")
}

/// Equal to the bit: NaN is NaN of the same payload, and zero has its sign.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (Value::Double(left), Value::Double(right)) => left.to_bits() == right.to_bits(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            let in_right = |(key, value)| right.get(key).is_some_and(|other| same(value, other));
            left.len() == right.len() && left.iter().all(in_right)
        }
        (Value::Record(left), Value::Record(right)) => {
            let fields = left.iter().zip(right);
            left.len() == right.len() && fields.into_iter().all(|((a, v), (b, w))| a == b && same(v, w))
        }
        (Value::Union(left, value), Value::Union(right, other)) => left == right && same(value, other),
        _ => left == right,
    }
}

/// Whether no map has two entries or more, which may stand in any order.
fn is_canonical(value: &Value) -> bool {
    match value {
        Value::Map(entries) => entries.len() < 2 && entries.values().all(is_canonical),
        Value::Array(items) => items.iter().all(is_canonical),
        Value::Record(fields) => fields.iter().all(|(_, value)| is_canonical(value)),
        Value::Union(_, value) => is_canonical(value),
        _ => true,
    }
}

fn body(bytes: Option<&[u8]>) -> &[u8] {
    avro::split(bytes.expect("a value")).expect("a frame").1
}

/// Checks an output against the value that its source was made of.
fn assert_same(
    reader: &mut avro::Reader<'_>,
    output: &ConsumedRecord,
    value: &Value,
    written: &[u8],
    what: &str,
) {
    let found = reader.decode(output.value.as_deref().expect("a value"));
    let found = found.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    assert!(same(&found, value), "{what}:\nfound    {found:?}\nexpected {value:?}");
    if is_canonical(value) {
        assert_eq!(body(output.value.as_deref()), body(Some(written)), "{what}: other bytes of {value:?}");
    }
}

/// The schema that the host has registered for an output.
fn registered(pipeline: &TestPipeline, port: &str, host: &mut Sidecar) -> (u32, String) {
    let path = format!("/subjects/{}-value/versions/latest", pipeline.out_topic(port));
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Ok(answer) = pipeline.registry.call("GET", &path, None) {
            let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id");
            return (id, answer["schema"].as_str().expect("a schema").to_owned());
        }
        assert!(!host.has_ended() && Instant::now() < until, "no schema:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_type_survives_a_guest_of_rows() {
    let seed = seed();
    let pipeline = TestPipeline::new("all-types", 1)
        .and_then(|pipeline| pipeline.input("records", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("copies", "key: text, value: avro"))
        .expect("a pipeline");
    let mut host = pipeline.start("host-1").expect("started");
    let (id, text) = registered(&pipeline, "copies", &mut host);

    let (input, output) = (pipeline.in_topic("records"), pipeline.out_topic("copies"));
    let schema = RandomAvroSchema::parse(&text).expect("the guest's schema");
    let mut random = RandomAvro::new(seed);
    // In half of them no map has more than one entry, so that their bytes are canonical.
    let values: Vec<Value> =
        (0..COUNT).map(|at| random.value(&schema, if at % 2 == 0 { 1 } else { 3 })).collect();
    let written_as = Schema::parse_str(&text).expect("valid for the other implementation");
    let encoded: Vec<Vec<u8>> =
        values.iter().map(|value| avro::write(&written_as, id, value.clone()).expect("encoded")).collect();
    let records = (0..).zip(&encoded).map(|(at, bytes)| TestRecord::new(format!("rust-{at}"), bytes.clone()));
    pipeline.kafka.produce(&input, records).expect("written");
    let schema_file = host.log_path().with_file_name("schema.avsc");
    std::fs::write(&schema_file, &text).expect("the schema for Python");
    let brokers = pipeline.kafka.address();
    let schema_file = schema_file.to_str().expect("a path of text");
    let (id, seed, count) = (id.to_string(), seed.to_string(), COUNT.to_string());
    run_python(&peer(), &["write", brokers, &input, schema_file, &id, &seed, &count])
        .expect("written by fastavro");

    pipeline.wait_until_done(&mut host).expect("every record dealt with");
    pipeline.drain(&mut host).expect("drained");
    assert_eq!(pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read"), []);
    let found = pipeline.kafka.read_committed(&output).expect("outputs read");
    assert_eq!(found.len(), 2 * COUNT);
    let mut reader = avro::Reader::new(&pipeline.registry);
    for (at, ((record, value), written)) in found.iter().zip(&values).zip(&encoded).enumerate() {
        let key = format!("rust-{at}");
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "in order");
        assert_same(&mut reader, record, value, written, &key);
    }
    assert!(values.iter().filter(|value| is_canonical(value)).count() >= COUNT / 2);
    // What Python wrote it makes anew from the seed; what Rust wrote it reads on both sides.
    let said = run_python(&peer(), &["compare", brokers, &input, &output, schema_file, &seed, &count])
        .expect("equal for fastavro");
    assert_eq!(said.trim(), format!("{} records are equal", 2 * COUNT));
}

/// A guest of columns through which every record passes as it is.
fn masking_nothing() -> TestPipeline {
    TestPipeline::new("mask-fields", 1)
        .and_then(|pipeline| pipeline.input("records", "value: avro"))
        .and_then(|pipeline| pipeline.output("masked", "value: avro"))
        .expect("a pipeline")
        // No field has such a name.
        .with("config: { fields: no-such-field }")
}

#[test]
fn random_schemas_survive_a_guest_of_columns() {
    const SCHEMAS: usize = 40;
    let mut random = RandomAvro::new(seed());
    let pipeline = masking_nothing();
    let input = pipeline.in_topic("records");
    let subject = format!("{input}-value");
    let schemas: Vec<(u32, RandomAvroSchema, Schema)> = (0..SCHEMAS)
        .map(|_| {
            let schema = random.record(3).expect("a schema");
            let other = Schema::parse_str(&schema.text).expect("valid for the other implementation");
            (pipeline.registry.register_avro(&subject, &schema.text).expect("registered"), schema, other)
        })
        .collect();
    // The schemas take turns, so that every batch has many.
    let fed: Vec<(Value, Vec<u8>)> = (0..COUNT * 2)
        .map(|at| {
            let (id, schema, other) = &schemas[(at * 7 + at / 3) % SCHEMAS];
            let value = random.value(schema, 2);
            let bytes = avro::write(other, *id, value.clone()).expect("encoded");
            (value, bytes)
        })
        .collect();
    let records = fed.iter().map(|(_, bytes)| TestRecord::unkeyed(bytes.clone()));
    pipeline.kafka.produce(&input, records).expect("written");
    pipeline.run().expect("every record dealt with");
    assert_eq!(pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read"), []);
    let found = pipeline.kafka.read_committed(&pipeline.out_topic("masked")).expect("outputs read");
    assert_eq!(found.len(), fed.len());
    let mut reader = avro::Reader::new(&pipeline.registry);
    for (at, (record, (value, written))) in found.iter().zip(&fed).enumerate() {
        assert_same(&mut reader, record, value, written, &format!("record {at}"));
    }
}

#[test]
fn arrays_and_maps_of_many_blocks_come_out_as_one() {
    const SCHEMA: &str = r#"{"type":"record","name":"Blocks","fields":[
        {"name":"longs","type":{"type":"array","items":"long"}},
        {"name":"texts","type":{"type":"map","values":"string"}}]}"#;
    let pipeline = masking_nothing();
    let input = pipeline.in_topic("records");
    let id = pipeline.registry.register_avro(&format!("{input}-value"), SCHEMA).expect("registered");

    // A block of a positive count; one of a negative count, with its length in bytes; an end.
    let mut bytes = payments::frame(id);
    for number in [2, 10, 20, -3, 4, -1, 64, 0, 0] {
        payments::long(&mut bytes, number);
    }
    let entry = |key: &str, value: &str| {
        let mut entry = Vec::new();
        payments::text(&mut entry, key);
        payments::text(&mut entry, value);
        entry
    };
    let (first, second) = (entry("a", "1"), entry("b", ""));
    payments::long(&mut bytes, -1);
    payments::long(&mut bytes, first.len() as i64);
    bytes.extend(first);
    payments::long(&mut bytes, 1);
    bytes.extend(second);
    payments::long(&mut bytes, 0);
    let expected = avro::decode(&pipeline.registry, &bytes).expect("the other implementation reads it");

    pipeline.kafka.produce(&input, [TestRecord::unkeyed(bytes)]).expect("written");
    pipeline.run().expect("every record dealt with");
    let found = pipeline.kafka.read_committed(&pipeline.out_topic("masked")).expect("outputs read");
    let [record] = found.as_slice() else { panic!("one output, got {found:?}") };
    let value = avro::decode(&pipeline.registry, record.value.as_deref().expect("a value")).expect("decoded");
    assert!(same(&value, &expected), "{value:?}\n{expected:?}");
}
