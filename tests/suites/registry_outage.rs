//! The schema registry away, and schemas that do not fit: nothing is lost, nothing is set aside by
//! mistake, nothing runs that cannot be written.

use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DRAIN_MAX;
use wasmill_test_support::Registry;
use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::avro;
use wasmill_test_support::payments::PAYMENT_SCHEMA;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::payments_filter;
use wasmill_test_support::shared_broker;

/// Adds a field that the transform does not read.
const PAYMENT_V2: &str = r#"{"type":"record","name":"Payment","namespace":"payments","fields":[
{"name":"id","type":"long"},{"name":"account","type":"string"},{"name":"amount","type":"double"},
{"name":"country","type":"string"},{"name":"ts","type":"long"},{"name":"card_present","type":"boolean"},
{"name":"note","type":"string","default":""}]}"#;

fn filter() -> TestPipeline {
    TestPipeline::new("payments-filter", 2).and_then(payments_filter::bound).expect("a pipeline")
}

/// The same with a registry that a test takes away.
fn filter_on(registry: &Registry, partitions: i32) -> TestPipeline {
    let kafka = shared_broker().expect("broker");
    TestPipeline::on(kafka, registry.api(), "payments-filter", partitions)
        .and_then(payments_filter::bound)
        .expect("a pipeline")
}

fn in_subject(pipeline: &TestPipeline) -> String {
    format!("{}-value", pipeline.in_topic("payments"))
}

fn out_subject(pipeline: &TestPipeline) -> String {
    format!("{}-value", pipeline.out_topic("large_payments"))
}

/// Records under the second schema: with the text of the note, which is empty.
fn records_v2(payments: &[Payment], id: u32) -> Vec<TestRecord> {
    let mut records: Vec<_> = payments.iter().map(|payment| payments_filter::record(payment, id)).collect();
    for value in records.iter_mut().filter_map(|record| record.value.as_mut()) {
        value.push(0);
    }
    records
}

fn feed(pipeline: &TestPipeline, payments: &[Payment], id: u32) {
    payments_filter::feed(pipeline, id, payments).expect("payments written");
}

fn assert_outputs(pipeline: &TestPipeline, payments: &[Payment]) {
    payments_filter::check_outputs(pipeline, payments).expect("each output once");
}

fn wait_for_log(host: &mut Sidecar, text: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while !host.log_tail().contains(text) {
        assert!(!host.has_ended(), "the host ended:\n{}", host.log_tail());
        assert!(Instant::now() < until, "no `{text}` in the log:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a host that must refuse its pipeline, and returns what it says.
fn refused(pipeline: &TestPipeline) -> String {
    let mut host = pipeline.start("host-1").expect("started");
    let status = host.wait(Duration::from_secs(60)).expect("it ends by itself");
    assert!(!status.success(), "{}", host.log_tail());
    for partition in 0..pipeline.partitions {
        let committed =
            pipeline.kafka.committed(&pipeline.group(), &pipeline.in_topic("payments"), partition);
        assert_eq!(committed.expect("the group's offsets"), None, "nothing was read");
    }
    assert_eq!(pipeline.kafka.partitions(&pipeline.letters()).expect("asked"), 0, "nothing was created");
    host.log_tail()
}

#[test]
fn a_registry_that_is_down_at_the_start_is_waited_for() {
    let mut registry = Registry::start().expect("a registry of its own");
    registry.kill().expect("killed");
    let pipeline = filter_on(&registry, 2);
    let mut host = pipeline.start("host-1").expect("started");
    wait_for_log(&mut host, "registry-unavailable");
    assert!(!host.has_ended(), "the host waits:\n{}", host.log_tail());
    registry.restart().expect("restarted");
    let id = registry.api().register_avro(&in_subject(&pipeline), PAYMENT_SCHEMA).expect("registered");
    let payments: Vec<Payment> = Payments::new(1, 50).take(500).collect();
    feed(&pipeline, &payments, id);
    pipeline.wait_until_done(&mut host).expect("every record dealt with");
    pipeline.drain(&mut host).expect("drained");
    assert_outputs(&pipeline, &payments);
}

#[test]
fn a_registry_that_goes_down_in_flight_costs_nothing() {
    let mut registry = Registry::start().expect("a registry of its own");
    let pipeline = filter_on(&registry, 2);
    let (kafka, api) = (pipeline.kafka.clone(), registry.api());
    let v1 = api.register_avro(&in_subject(&pipeline), PAYMENT_SCHEMA).expect("registered");
    let payments: Vec<Payment> = Payments::new(2, 50).take(3000).collect();
    let (first, rest) = payments.split_at(1000);
    let (second, third) = rest.split_at(1000);
    feed(&pipeline, first, v1);
    let mut host = pipeline.start("host-1").expect("started");
    pipeline.wait_until_done(&mut host).expect("the first part");
    let output_schema = {
        let outputs = kafka.read_committed(&pipeline.out_topic("large_payments")).expect("outputs read");
        let (id, _) = avro::split(outputs[0].value.as_deref().expect("a value")).expect("a frame");
        api.schema_text(id).expect("the output's schema")
    };

    registry.kill().expect("killed");
    feed(&pipeline, second, v1);
    pipeline.wait_until_done(&mut host).expect("a schema that is known needs no registry");
    // Its numbers: the input's schema, the output's, and the next.
    let v2 = v1 + 2;
    pipeline.kafka.produce(&pipeline.in_topic("payments"), records_v2(third, v2)).expect("written");
    // It has read such a record, and asked for its schema in vain.
    wait_for_log(&mut host, "registry-unavailable");
    assert!(!pipeline.is_done().expect("asked"), "records of an unknown schema wait for the registry");
    let letters = kafka.read_committed(&pipeline.letters()).expect("letters read");
    assert_eq!(letters, [], "an outage is no fault of a record");

    // The registry comes back empty: the host must not ask before its schemas are there again.
    host.signal(libc::SIGSTOP);
    registry.restart().expect("restarted, and empty");
    // In the old order, so that each has its old number.
    assert_eq!(api.register_avro(&in_subject(&pipeline), PAYMENT_SCHEMA).expect("registered"), v1);
    api.register_avro(&out_subject(&pipeline), &output_schema).expect("registered");
    assert_eq!(api.register_avro(&in_subject(&pipeline), PAYMENT_V2).expect("registered"), v2);
    host.signal(libc::SIGCONT);
    pipeline.wait_until_done(&mut host).expect("the rest");
    pipeline.drain(&mut host).expect("drained");
    assert_outputs(&pipeline, &payments);
}

#[test]
fn an_incompatible_output_schema_is_refused_before_anything_runs() {
    let pipeline = filter();
    pipeline.registry.register_avro(&in_subject(&pipeline), PAYMENT_SCHEMA).expect("registered");
    let other = r#"{"type":"record","name":"LargePayment","namespace":"com.example.payments",
        "fields":[{"name":"account","type":"int"},{"name":"owner","type":"string"}]}"#;
    pipeline.registry.register_avro(&out_subject(&pipeline), other).expect("registered");
    pipeline.registry.set_compatibility(&out_subject(&pipeline), "FULL").expect("a rule");
    let log = refused(&pipeline);
    assert!(log.contains("schema-incompatible"), "{log}");
    assert!(log.contains("outputs.large_payments.value") && log.contains(&out_subject(&pipeline)), "{log}");
    assert_eq!(pipeline.registry.versions(&out_subject(&pipeline)).expect("versions"), [1]);
}

#[test]
fn an_input_schema_that_the_transform_cannot_read_is_refused() {
    let pipeline = filter();
    let wrong = PAYMENT_SCHEMA
        .replace(r#"{"name":"amount","type":"double"}"#, r#"{"name":"amount","type":"string"}"#);
    pipeline.registry.register_avro(&in_subject(&pipeline), &wrong).expect("registered");
    let log = refused(&pipeline);
    assert!(log.contains("inputs.payments.value") && log.contains("amount"), "{log}");
    assert!(log.contains("schema-unresolvable"), "{log}");
    let unregistered = pipeline.registry.versions(&out_subject(&pipeline));
    assert!(unregistered.is_err(), "nothing is registered for a pipeline that is refused");
}

#[test]
fn a_schema_that_must_not_be_registered_has_to_be_there() {
    let pipeline = filter().with("schemas: { register: never }");
    pipeline.registry.register_avro(&in_subject(&pipeline), PAYMENT_SCHEMA).expect("registered");
    let log = refused(&pipeline);
    assert!(log.contains("schema-not-registered"), "{log}");
    assert!(pipeline.registry.versions(&out_subject(&pipeline)).is_err(), "nothing is registered");
}

#[test]
fn an_output_schema_is_registered_once() {
    let pipeline = filter();
    let id = pipeline.registry.register_avro(&in_subject(&pipeline), PAYMENT_SCHEMA).expect("registered");
    let payments: Vec<Payment> = Payments::new(3, 50).take(200).collect();
    for part in payments.chunks(100) {
        feed(&pipeline, part, id);
        pipeline.run().expect("every record dealt with");
        assert_eq!(pipeline.registry.versions(&out_subject(&pipeline)).expect("versions"), [1]);
    }
    assert_outputs(&pipeline, &payments);

    // The same schema, written down in another way, of another pipeline: no second version.
    let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("large_payments")).expect("outputs read");
    let (written_id, _) = avro::split(outputs[0].value.as_deref().expect("a value")).expect("a frame");
    let text = pipeline.registry.schema_text(written_id).expect("its text");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let pretty = serde_json::to_string_pretty(&json).expect("JSON").replace(": ", " :\t");
    assert_ne!(pretty, text);
    for policy in ["if-compatible", "never"] {
        let other = filter().with(&format!("schemas: {{ register: {policy} }}"));
        let id = other.registry.register_avro(&in_subject(&other), PAYMENT_SCHEMA).expect("registered");
        let pretty_id = other.registry.register_avro(&out_subject(&other), &pretty).expect("registered");
        feed(&other, &payments, id);
        other.run().expect("every record dealt with");
        assert_eq!(other.registry.versions(&out_subject(&other)).expect("versions"), [1], "{policy}");
        let outputs = other.kafka.read_committed(&other.out_topic("large_payments")).expect("outputs read");
        let (used, _) = avro::split(outputs[0].value.as_deref().expect("a value")).expect("a frame");
        assert_eq!(used, pretty_id, "{policy}");
    }
}

#[test]
fn a_sigterm_ends_a_host_that_waits_for_its_registry() {
    let mut registry = Registry::start().expect("a registry of its own");
    registry.kill().expect("killed");
    let pipeline = filter_on(&registry, 1);
    let mut host = pipeline.start("host-1").expect("started");
    wait_for_log(&mut host, "registry-unavailable");
    let status = host.terminate(DRAIN_MAX).expect("it ends in time");
    assert!(status.success(), "{status}:\n{}", host.log_tail());
}
