//! Records of a client in another language, with its own Avro serializer, are read, and it reads
//! what comes out.

use std::path::PathBuf;

use serde_json::Value as Json;
use serde_json::json;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::run_python;

const COUNT: i64 = 2000;
/// Half a unit a payment: those after the thousandth are over the threshold of 500.
const KEPT: i64 = COUNT - 1001;

fn script(name: &str) -> PathBuf {
    xtask::checkout::root().join("tests/suites/interop").join(name)
}

#[test]
fn python_writes_what_the_host_reads_and_reads_what_it_writes() {
    let pipeline = TestPipeline::new("payments-filter", 3)
        .and_then(|pipeline| pipeline.input("payments", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("large_payments", "key: text, value: avro"))
        .expect("a pipeline");
    let (brokers, registry) = (pipeline.kafka.address(), pipeline.registry.url());
    let input = pipeline.in_topic("payments");
    run_python(&script("write_payments.py"), &[brokers, registry, &input, &COUNT.to_string()])
        .expect("payments written");
    let versions = pipeline.registry.versions(&format!("{input}-value")).expect("versions");
    assert_eq!(versions, [1, 2], "the serializer registers both schemas");
    pipeline.run().expect("every record dealt with");
    assert_eq!(pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read"), []);

    let output = pipeline.out_topic("large_payments");
    let printed =
        run_python(&script("read_outputs.py"), &[brokers, registry, &output, &(KEPT + 1).to_string()])
            .expect("outputs read");
    let mut found: Vec<Json> =
        printed.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    let tombstones: Vec<Json> = found.extract_if(.., |record| record["value"].is_null()).collect();
    assert_eq!((tombstones.len(), &tombstones[0]["key"]), (1, &json!("gone")));
    found.sort_by_key(|record| record["timestamp"].as_i64());
    assert_eq!(found.len() as i64, KEPT);
    for (number, mut record) in (1001..).zip(found) {
        let account = format!("acct-{}-ä€😀", number % 7);
        let at = 1_700_000_000_000_i64 + number;
        record.as_object_mut().expect("an object").remove("partition");
        let expected = json!({
            "key": account,
            "value": {"account": account, "amount": number as f64 * 0.5, "ts": at},
            "timestamp": at,
            "headers": [["number", number.to_string()], ["empty", null], ["number", "again"]],
        });
        assert_eq!(record, expected);
    }
    // The two clients agree on the partition of a key: an account's outputs stay where its inputs were.
    let place = |topic: &str| -> std::collections::BTreeMap<Vec<u8>, i32> {
        let records = pipeline.kafka.read_committed(topic).expect("read");
        records.into_iter().map(|record| (record.key.expect("a key"), record.partition)).collect()
    };
    assert_eq!(place(&output), place(&input));
}
