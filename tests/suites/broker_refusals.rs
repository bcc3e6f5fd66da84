//! Records that the broker refuses: outputs under at-least-once, and dead letters themselves. Their
//! source is set aside or the pipeline stops with a reason; nothing is tried for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngCore as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wasmill_test_support::ConsumedRecord;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::jobs;

const ROWS_MAX: usize = 4;
const BOTH_DELIVERIES: [&str; 2] = ["exactly-once", "at-least-once"];

fn pipeline(delivery: &str) -> (TestPipeline, u32) {
    let (pipeline, schema) = jobs::pipeline(1).expect("a pipeline");
    (pipeline.with(&format!("delivery: {delivery}\nbatch: {{ rows_max: {ROWS_MAX} }}")), schema)
}

/// A job with everything that a dead letter must keep. The guest makes of `swell` an output larger than
/// the broker takes.
fn job(schema: u32, id: i64, action: &str) -> TestRecord {
    TestRecord::new(format!("key-{}", id % 5), jobs::encode(schema, id, action))
        .at(1_700_000_000_000 + id)
        .header("trace", id.to_string())
        .header("trace", "again")
        .null_header("none")
}

fn feed(pipeline: &TestPipeline, records: Vec<TestRecord>) {
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), records).expect("jobs written");
}

fn letters(pipeline: &TestPipeline) -> Vec<ConsumedRecord> {
    pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read")
}

/// The ids of all outcomes, repetitions included, in the order of the topic.
fn outcomes(pipeline: &TestPipeline) -> Vec<i64> {
    let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("outcomes")).expect("outputs read");
    let id = |record: &ConsumedRecord| jobs::outcome_id(&pipeline.registry, record.value.as_deref());
    outputs.iter().map(|record| id(record).expect("an outcome of its schema")).collect()
}

/// Every id once, where it stands first.
fn without_repetitions(ids: &[i64]) -> Vec<i64> {
    let mut seen = std::collections::BTreeSet::new();
    ids.iter().copied().filter(|id| seen.insert(*id)).collect()
}

#[test]
fn outputs_refused_under_at_least_once_are_set_aside_and_their_neighbours_stay_in_order() {
    let (pipeline, schema) = pipeline("at-least-once");
    // Alone at each end and in the middle of a batch, every other record, all of a batch, none.
    let places: [fn(usize) -> bool; 6] = [
        |place| place == 0,
        |place| place == 1,
        |place| place == ROWS_MAX - 1,
        |place| place.is_multiple_of(2),
        |_| true,
        |_| false,
    ];
    let mut records = Vec::new();
    let (mut passing, mut refused) = (Vec::new(), BTreeMap::new());
    for is_refused in places {
        for place in 0..ROWS_MAX {
            let id = records.len() as i64;
            let record = job(schema, id, if is_refused(place) { "swell" } else { "pass" });
            if is_refused(place) {
                refused.insert(record.timestamp_ms, (id, record.clone()));
            } else {
                passing.push(id);
            }
            records.push(record);
        }
    }
    feed(&pipeline, records);
    pipeline.run().expect("every record dealt with");

    let found = outcomes(&pipeline);
    assert_eq!(without_repetitions(&found), passing);
    // Each pass begins anew behind the last commit, and goes up from there. A pass finds at least one of
    // those that are refused, and the last one none.
    let passes = 1 + found.windows(2).filter(|pair| pair[1] <= pair[0]).count();
    assert!(passes <= refused.len() + 1, "{passes} passes for {} refused records: {found:?}", refused.len());

    let found = letters(&pipeline);
    let mut missing = refused.clone();
    for letter in &found {
        let (id, of) = refused.get(&letter.timestamp_ms).expect("a letter of a refused record");
        missing.remove(&letter.timestamp_ms);
        assert_eq!((&letter.key, &letter.value), (&of.key, &of.value), "{id}");
        assert!(letter.headers.starts_with(&of.headers), "{id}: {:?}", letter.headers);
        let offset = id.to_string();
        for (name, value) in [
            ("__connect.errors.offset", offset.as_str()),
            ("__connect.errors.stage", "PRODUCE"),
            ("wasmill.code", "record-too-large"),
        ] {
            assert_eq!(letter.header_text(name), Some(value), "{id}: {name}");
        }
    }
    assert!(missing.is_empty(), "no letter for {:?}", missing.values().map(|(id, _)| id).collect::<Vec<_>>());
    assert!(found.len() <= refused.len() * passes, "{} letters", found.len());
}

/// A record that is bad by its first byte and larger than the dead letters take.
fn damaged() -> TestRecord {
    // The limit is of compressed bytes, so these are such that nothing makes them fewer.
    let mut bytes = vec![0; 50_000];
    StdRng::seed_from_u64(1).fill_bytes(&mut bytes);
    TestRecord::new("large", [vec![9], bytes].concat()).header("kept", "yes").at(5)
}

fn assert_letter_without_value(letters: &[ConsumedRecord]) {
    let of_damaged: Vec<_> = letters.iter().filter(|letter| letter.timestamp_ms == Some(5)).collect();
    let [letter] = of_damaged.as_slice() else { panic!("one letter, got {letters:?}") };
    assert_eq!(letter.key.as_deref(), Some(&b"large"[..]));
    assert_eq!(letter.value.as_ref().map(Vec::len), None);
    for (name, value) in [
        ("kept", "yes"),
        ("wasmill.value.omitted", "50001"),
        // Why the record is bad, not that its letter was too large.
        ("wasmill.code", "wire-magic"),
        ("__connect.errors.stage", "VALUE_DECODE"),
    ] {
        assert_eq!(letter.header_text(name), Some(value), "{name}");
    }
}

#[test]
fn a_letter_larger_than_its_topic_takes_leaves_its_value_out() {
    let (pipeline, schema) = pipeline("at-least-once");
    pipeline
        .kafka
        .create_topic(&pipeline.letters(), 1, &[("max.message.bytes", "20000")])
        .expect("the dead letters' topic");
    feed(&pipeline, vec![job(schema, 1, "pass"), damaged(), job(schema, 2, "pass")]);
    pipeline.run().expect("every record dealt with");
    assert_eq!(outcomes(&pipeline), [1, 2]);
    assert_letter_without_value(&letters(&pipeline));
}

#[test]
fn a_letter_that_the_broker_refuses_goes_without_its_value_and_keeps_its_cause() {
    for delivery in BOTH_DELIVERIES {
        let (pipeline, schema) = pipeline(delivery);
        pipeline.kafka.create_topic(&pipeline.letters(), 1, &[]).expect("the dead letters' topic");
        feed(&pipeline, vec![job(schema, 1, "pass")]);
        let mut host = pipeline.start("host-1").expect("started");
        pipeline.wait_until_done(&mut host).expect("the first record");
        // The host has read the topic's limit by now, and does not know of the new one.
        let lower = [("max.message.bytes", "20000")];
        pipeline.kafka.configure_topic(&pipeline.letters(), &lower).expect("a lower limit");
        feed(&pipeline, vec![job(schema, 2, "pass"), damaged(), job(schema, 3, "pass")]);
        pipeline.wait_until_done(&mut host).expect("every record dealt with");
        pipeline.drain(&mut host).expect("drained");
        assert_eq!(without_repetitions(&outcomes(&pipeline)), [1, 2, 3], "{delivery}");
        assert_letter_without_value(&letters(&pipeline));
    }
}

#[test]
fn a_topic_too_narrow_for_any_letter_stops_the_pipeline_and_loses_nothing() {
    for delivery in BOTH_DELIVERIES {
        let (pipeline, schema) = pipeline(delivery);
        pipeline
            .kafka
            .create_topic(&pipeline.letters(), 1, &[("max.message.bytes", "300")])
            .expect("the dead letters' topic");
        feed(&pipeline, vec![job(schema, 1, "pass"), job(schema, 2, "trap"), job(schema, 3, "pass")]);
        let mut host = pipeline.start("host-1").expect("started");
        let status = host.wait(Duration::from_secs(30)).expect("it stops by itself");
        let log = host.log_tail();
        assert_eq!(status.code(), Some(1), "{delivery}: {log}");
        assert!(
            log.contains("dead-letter-refused") && log.contains("max.message.bytes"),
            "{delivery}: {log}"
        );

        let wide = [("max.message.bytes", "1000000")];
        pipeline.kafka.configure_topic(&pipeline.letters(), &wide).expect("a higher limit");
        pipeline.run().expect("every record dealt with");
        assert_eq!(without_repetitions(&outcomes(&pipeline)), [1, 3], "{delivery}");
        let letters = letters(&pipeline);
        assert_eq!(letters.len(), 1, "{delivery}");
        assert_eq!(letters[0].value, Some(jobs::encode(schema, 2, "trap")), "{delivery}");
        assert_eq!(letters[0].header_text("wasmill.code"), Some("guest-trap"), "{delivery}");
    }
}
