//! The servers that all other suites stand on behave as those suites assume.

use std::time::Duration;

use wasmill_test_support::Broker;
use wasmill_test_support::KafkaClient;
use wasmill_test_support::Registry;
use wasmill_test_support::TestRecord;
use wasmill_test_support::shared_broker;
use wasmill_test_support::shared_registry;
use wasmill_test_support::unique_name;

fn values(records: &[wasmill_test_support::ConsumedRecord]) -> Vec<String> {
    let text =
        |value: &Option<Vec<u8>>| String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
    records.iter().map(|record| text(&record.value)).collect()
}

fn write_both_ways(kafka: &KafkaClient, topic: &str, round: &str) {
    let id = unique_name("writer");
    let (kept, dropped) = (format!("kept {round}"), format!("dropped {round}"));
    kafka.produce_aborted(&id, topic, [TestRecord::new("k", dropped)]).expect("abort a transaction");
    kafka.produce_committed(&id, topic, [TestRecord::new("k", kept)]).expect("commit a transaction");
}

#[test]
fn committed_transactions_are_read_and_aborted_ones_are_not() {
    let kafka = shared_broker().expect("a shared broker");
    let topic = unique_name("transactions");
    kafka.create_topic(&topic, 1, &[]).expect("create a topic");
    write_both_ways(&kafka, &topic, "1");

    let committed = kafka.read_committed(&topic).expect("read committed records");
    assert_eq!(values(&committed), ["kept 1"]);
    let all = kafka.read_uncommitted(&topic).expect("read all records");
    assert_eq!(values(&all), ["dropped 1", "kept 1"]);
    let (first, end) = kafka.offsets(&topic, 0).expect("offsets");
    assert_eq!((first, end), (0, 4), "two records and two transaction markers");
}

#[test]
fn keys_headers_timestamps_and_tombstones_come_back_as_written() {
    let kafka = shared_broker().expect("a shared broker");
    let topic = unique_name("fidelity");
    kafka.create_topic(&topic, 3, &[("compression.type", "lz4")]).expect("create a topic");
    let full = TestRecord::new("key", "value")
        .on(2)
        .at(1_700_000_000_123)
        .header("a", "1")
        .header("a", "2")
        .null_header("none");
    let written = [full.clone(), TestRecord::tombstone("gone").on(2), TestRecord::unkeyed("only").on(0)];
    kafka.produce(&topic, written).expect("write records");

    let read = kafka.wait_for_committed(&topic, 3, Duration::from_secs(20)).expect("read records");
    let [unkeyed, record, tombstone] = read.as_slice() else { panic!("three records, got {read:?}") };
    assert_eq!((unkeyed.partition, &unkeyed.key, &unkeyed.value), (0, &None, &Some(b"only".to_vec())));
    assert_eq!((record.partition, record.offset, &record.key), (2, 0, &full.key));
    assert_eq!((&record.value, &record.headers), (&full.value, &full.headers));
    assert_eq!(record.timestamp_ms, full.timestamp_ms);
    assert_eq!(record.header_text("a"), Some("1"));
    assert_eq!((tombstone.offset, &tombstone.key, &tombstone.value), (1, &Some(b"gone".to_vec()), &None));
}

#[test]
fn topics_grow_lose_their_oldest_records_and_go() {
    let kafka = shared_broker().expect("a shared broker");
    let topic = unique_name("admin");
    kafka.create_topic(&topic, 1, &[]).expect("create a topic");
    assert!(kafka.create_topic(&topic, 1, &[]).is_err(), "a second one of the same name");
    kafka.produce(&topic, (0..10).map(|n| TestRecord::unkeyed(n.to_string()))).expect("write");
    kafka.delete_records_before(&topic, 0, 4).expect("delete records");
    assert_eq!(kafka.offsets(&topic, 0).expect("offsets"), (4, 10));
    kafka.grow_topic(&topic, 3).expect("grow");
    assert_eq!(kafka.partitions(&topic).expect("partitions"), 3);
    assert_eq!(kafka.committed(&unique_name("group"), &topic, 0).expect("ask the group"), None);
    kafka.delete_topic(&topic).expect("delete");
}

#[test]
fn a_killed_broker_comes_back_with_its_data_and_takes_transactions() {
    let mut broker = Broker::start().expect("a private broker");
    let kafka = broker.client();
    let address = broker.address();
    kafka.create_topic("survivor", 1, &[]).expect("create a topic");
    write_both_ways(&kafka, "survivor", "before");
    // Its transactions have settled: a broker that dies before their markers are written needs the
    // transaction timeout to end them.
    assert_eq!(values(&kafka.read_committed("survivor").expect("read")), ["kept before"]);

    broker.kill().expect("kill -9");
    let reached = std::net::TcpStream::connect(&address);
    assert!(reached.is_err(), "a killed broker answers nobody");
    broker.restart().expect("restart after kill -9");
    assert_eq!(broker.address(), address);
    assert_eq!(values(&kafka.read_committed("survivor").expect("read")), ["kept before"]);
    write_both_ways(&kafka, "survivor", "after");
    assert_eq!(values(&kafka.read_committed("survivor").expect("read")), ["kept before", "kept after"]);

    broker.stop().expect("stop in good order");
    broker.restart().expect("restart after a stop");
    assert_eq!(values(&kafka.read_committed("survivor").expect("read")), ["kept before", "kept after"]);
}

const USER: &str = r#"{"type":"record","name":"User","fields":[{"name":"name","type":"string"}]}"#;
const USER_WITH_AGE: &str = r#"{"type":"record","name":"User","fields":[{"name":"name","type":"string"},{"name":"age","type":"int"}]}"#;

#[test]
fn the_registry_registers_returns_and_checks_schemas() {
    let registry = shared_registry().expect("a shared registry");
    let subject = unique_name("users");
    let id = registry.register_avro(&subject, USER).expect("register");
    assert_eq!(registry.register_avro(&subject, USER).expect("register again"), id);
    assert_eq!(registry.schema_text(id).expect("fetch by id"), USER);
    assert_eq!(registry.versions(&subject).expect("versions"), [1]);

    registry.set_compatibility(&subject, "BACKWARD").expect("set the rule");
    let refused = registry.register_avro(&subject, USER_WITH_AGE).expect_err("a new field without default");
    assert!(format!("{refused:#}").contains("409"), "{refused:#}");
    let unknown = registry.schema_text(4_000_000).expect_err("no such id");
    assert!(format!("{unknown:#}").contains("404"), "{unknown:#}");
}

#[test]
fn a_killed_registry_comes_back_empty_on_its_address() {
    let mut registry = Registry::start().expect("a private registry");
    let api = registry.api();
    let url = registry.url();
    api.register_avro("users", USER).expect("register");
    registry.kill().expect("kill -9");
    assert!(api.versions("users").is_err(), "a killed registry answers nobody");
    registry.restart().expect("restart");
    assert_eq!(registry.url(), url);
    let refused = api.versions("users").expect_err("it kept nothing");
    assert!(format!("{refused:#}").contains("404"), "{refused:#}");
}
