//! Bad records of every kind, at every place of a batch: they are set aside untouched with their
//! cause, and their neighbours come out in order.

use std::time::Duration;

use wasmill_test_support::ConsumedRecord;
use wasmill_test_support::DRAIN_MAX;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::jobs;
use wasmill_test_support::payments;

/// No test registers so many schemas.
const UNKNOWN_ID: u32 = 3_999_999;
/// A schema that no reader of jobs can resolve: text is no number.
const UNREADABLE: &str = r#"{"type":"record","name":"Job","namespace":"com.example.faults","fields":[
{"name":"id","type":"string"},{"name":"action","type":"string"}]}"#;
const ROWS_MAX: usize = 8;

/// The ids of the schemas that records are written with.
#[derive(Debug, Clone, Copy)]
struct Schemas {
    jobs: u32,
    unreadable: u32,
}

/// A way to be bad, with the code and stage that the dead letter must name.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// What the guest is told to do.
    action: &'static str,
    /// What is broken about the record itself.
    damage: Damage,
    code: &'static str,
    stage: &'static str,
}

/// What makes a good record one that cannot be decoded.
#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    Value(fn(Vec<u8>) -> Vec<u8>),
    /// A good value of a schema that the port cannot read.
    UnreadableSchema,
    /// A key that is no text.
    Key,
}

impl Damage {
    fn apply(self, record: TestRecord, schemas: Schemas) -> TestRecord {
        match self {
            Self::None => record,
            Self::Value(damage) => TestRecord { value: record.value.map(damage), ..record },
            Self::UnreadableSchema => {
                let mut value = payments::frame(schemas.unreadable);
                payments::text(&mut value, "seven");
                payments::text(&mut value, "pass");
                TestRecord { value: Some(value), ..record }
            }
            Self::Key => TestRecord { key: Some(b"key-\xff".to_vec()), ..record },
        }
    }
}

const fn of_bytes(code: &'static str, damage: fn(Vec<u8>) -> Vec<u8>) -> Kind {
    of_record(code, "VALUE_DECODE", Damage::Value(damage))
}

const fn of_record(code: &'static str, stage: &'static str, damage: Damage) -> Kind {
    Kind { action: "pass", damage, code, stage }
}

const fn of_guest(action: &'static str, code: &'static str, stage: &'static str) -> Kind {
    Kind { action, damage: Damage::None, code, stage }
}

const WIRE_MAGIC: Kind = of_bytes("wire-magic", |mut bytes| {
    bytes[0] = 1;
    bytes
});
const TRUNCATED: Kind = of_bytes("avro-truncated", |bytes| bytes[..bytes.len() - 1].to_vec());
const REJECT: Kind = of_guest("reject", "guest-rejected", "TRANSFORM");
const TRAP: Kind = of_guest("trap", "guest-trap", "TRANSFORM");
const BAD_VALUE: Kind = of_guest("bad-value", "encode-range", "VALUE_ENCODE");

/// Every kind but those that need limits or a broker of their own, which have tests of their own below.
const KINDS: [Kind; 16] = [
    WIRE_MAGIC,
    of_bytes("wire-too-short", |bytes| bytes[..3].to_vec()),
    of_bytes("wire-too-short", |_| Vec::new()),
    of_bytes("schema-unknown", |bytes| [&payments::frame(UNKNOWN_ID), &bytes[5..]].concat()),
    of_record("schema-unresolvable", "VALUE_DECODE", Damage::UnreadableSchema),
    TRUNCATED,
    of_bytes("avro-trailing", |bytes| [&bytes[..], b"!"].concat()),
    of_bytes("avro-utf8", |mut bytes| {
        *bytes.last_mut().expect("a record ends with text") = 0xff;
        bytes
    }),
    of_bytes("avro-varint", |bytes| [&bytes[..5], &[0xff; 11]].concat()),
    of_record("text-utf8", "KEY_DECODE", Damage::Key),
    REJECT,
    of_guest("reject-late", "guest-rejected", "TRANSFORM"),
    TRAP,
    of_guest("break-contract", "guest-contract", "TRANSFORM"),
    of_guest("bad-key", "encode-range", "KEY_ENCODE"),
    BAD_VALUE,
];
/// Its output is larger than the broker takes, which comes out only when it is sent.
const TOO_LARGE: Kind = of_guest("swell", "record-too-large", "PRODUCE");

fn pipeline(partitions: i32) -> (TestPipeline, Schemas) {
    let (pipeline, jobs) = jobs::pipeline(partitions).expect("a pipeline");
    let other = format!("{}-other", pipeline.name);
    let unreadable = pipeline.registry.register_avro(&other, UNREADABLE).expect("registered");
    (pipeline.with(&format!("batch: {{ rows_max: {ROWS_MAX} }}")), Schemas { jobs, unreadable })
}

/// A job with everything that a dead letter must keep.
fn job(schemas: Schemas, id: i64, action: &str, partition: i32) -> TestRecord {
    let record = TestRecord::new(format!("key-{}", id % 13), jobs::encode(schemas.jobs, id, action))
        .on(partition)
        .at(1_700_000_000_000 + id)
        .header("trace", id.to_string())
        .header("trace", "again")
        .null_header("none");
    // Some have no key.
    if id % 7 == 3 { TestRecord { key: None, ..record } } else { record }
}

fn bad(schemas: Schemas, id: i64, kind: Kind, partition: i32) -> TestRecord {
    kind.damage.apply(job(schemas, id, kind.action, partition), schemas)
}

/// What a partition is fed: the records, the ids that pass, and the bad ones with their kinds.
#[derive(Debug, Default)]
struct Fed {
    records: Vec<TestRecord>,
    passing: Vec<i64>,
    bad: Vec<(TestRecord, Kind)>,
}

impl Fed {
    /// A batch of which the kinds at these places are bad.
    fn batch(&mut self, schemas: Schemas, partition: i32, kind_at: impl Fn(usize) -> Option<Kind>) {
        for place in 0..ROWS_MAX {
            let id = i64::from(partition) * 10_000 + self.records.len() as i64;
            let record = match kind_at(place) {
                Some(kind) => {
                    let record = bad(schemas, id, kind, partition);
                    self.bad.push((record.clone(), kind));
                    record
                }
                None => {
                    self.passing.push(id);
                    job(schemas, id, "pass", partition)
                }
            };
            self.records.push(record);
        }
    }
}

impl Fed {
    /// Alone at each end and in the middle of a batch, every other record, all of a batch, none.
    fn at_every_place(schemas: Schemas, partition: i32, kind: Kind) -> Self {
        let mut fed = Self::default();
        fed.batch(schemas, partition, |place| (place == 0).then_some(kind));
        fed.batch(schemas, partition, |place| (place == ROWS_MAX / 2).then_some(kind));
        fed.batch(schemas, partition, |place| (place == ROWS_MAX - 1).then_some(kind));
        fed.batch(schemas, partition, |place| place.is_multiple_of(2).then_some(kind));
        fed.batch(schemas, partition, |_| Some(kind));
        fed.batch(schemas, partition, |_| None);
        fed
    }
}

fn ids(pipeline: &TestPipeline, records: &[ConsumedRecord], partition: i32) -> Vec<i64> {
    let id = |record: &ConsumedRecord| {
        jobs::outcome_id(&pipeline.registry, record.value.as_deref()).expect("an outcome of its schema")
    };
    records.iter().filter(|record| record.partition == partition).map(id).collect()
}

/// The partition that a client of another make chooses for each record by its key.
fn partitions_by_key(pipeline: &TestPipeline, records: &[TestRecord]) -> Vec<i32> {
    let topic = format!("{}-by-key", pipeline.name);
    pipeline.kafka.create_topic(&topic, pipeline.partitions, &[]).expect("a topic");
    let keys = records
        .iter()
        .enumerate()
        .filter_map(|(at, record)| Some(TestRecord::new(record.key.clone()?, at.to_string())));
    pipeline.kafka.produce(&topic, keys).expect("written");
    // Without a key: the partition of the source.
    let mut partitions: Vec<i32> =
        records.iter().map(|record| record.partition.expect("a partition")).collect();
    for record in pipeline.kafka.read_committed(&topic).expect("read") {
        let at = String::from_utf8(record.value.expect("a number")).expect("text");
        partitions[at.parse::<usize>().expect("a number")] = record.partition;
    }
    partitions
}

/// Checks a dead letter against the record it was made of.
fn assert_letter(
    pipeline: &TestPipeline,
    letter: &ConsumedRecord,
    of: &TestRecord,
    offset: usize,
    kind: Kind,
) {
    let what = format!("{kind:?} at {:?}-{offset}", of.partition);
    assert_eq!(letter.key, of.key, "{what}");
    assert_eq!(letter.value, of.value, "{what}");
    assert_eq!(letter.timestamp_ms, of.timestamp_ms, "{what}");
    let (original, cause) = letter.headers.split_at(of.headers.len());
    assert_eq!(original, of.headers, "{what}");
    let names: Vec<&str> = cause.iter().map(|(name, _)| name.as_str()).collect();
    let errors = |name: &str| format!("__connect.errors.{name}");
    let connect = [
        "topic",
        "partition",
        "offset",
        "connector.name",
        "task.id",
        "stage",
        "class.name",
        "exception.class.name",
        "exception.message",
        "exception.stacktrace",
    ];
    let own = ["wasmill.tenant", "wasmill.pipeline", "wasmill.version", "wasmill.code"];
    let expected: Vec<String> =
        connect.iter().map(|name| errors(name)).chain(own.iter().map(ToString::to_string)).collect();
    assert_eq!(names, expected, "{what}");
    let (partition, offset) = (of.partition.expect("a partition").to_string(), offset.to_string());
    let topic = pipeline.in_topic("jobs");
    for (name, value) in [
        ("__connect.errors.topic", topic.as_str()),
        ("__connect.errors.partition", &partition),
        ("__connect.errors.offset", &offset),
        ("__connect.errors.connector.name", &pipeline.name),
        ("__connect.errors.stage", kind.stage),
        ("__connect.errors.exception.class.name", kind.code),
        ("wasmill.tenant", "default"),
        ("wasmill.pipeline", &pipeline.name),
        ("wasmill.code", kind.code),
    ] {
        assert_eq!(letter.header_text(name), Some(value), "{what}: {name}");
    }
    let message = letter.header_text("__connect.errors.exception.message").expect("a message");
    assert!(!message.is_empty(), "{what}");
    let trace = letter.header_text("__connect.errors.exception.stacktrace").expect("a trace");
    assert_eq!(!trace.is_empty(), kind.code == "guest-trap", "{what}: {trace}");
}

/// Checks outputs and letters of everything that was fed: one entry a partition.
fn assert_set_aside(pipeline: &TestPipeline, fed: &[Fed]) {
    let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("outcomes")).expect("outputs read");
    for (partition, fed) in (0..).zip(fed) {
        assert_eq!(ids(pipeline, &outputs, partition), fed.passing, "partition {partition}");
    }
    // Only bad ones write there, and all outputs of a bad record are dropped.
    let numbers = pipeline.kafka.read_committed(&pipeline.out_topic("numbers")).expect("outputs read");
    assert_eq!(numbers, [], "nothing of a bad record comes out");
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    let expected: Vec<&(TestRecord, Kind)> = fed.iter().flat_map(|fed| &fed.bad).collect();
    assert_eq!(letters.len(), expected.len());
    let records: Vec<TestRecord> = expected.iter().map(|(record, _)| record.clone()).collect();
    let partitions = partitions_by_key(pipeline, &records);
    for ((record, kind), partition) in expected.into_iter().zip(partitions) {
        let source = fed[record.partition.expect("a partition") as usize].records.iter();
        let offset = source.take_while(|other| *other != record).count();
        let mut found = letters.iter().filter(|letter| letter.timestamp_ms == record.timestamp_ms);
        let letter = found.next().unwrap_or_else(|| panic!("no letter for {record:?}"));
        assert!(found.next().is_none(), "two letters for {record:?}");
        assert_eq!(letter.partition, partition, "the partition of {:?}", record.key);
        assert_letter(pipeline, letter, record, offset, *kind);
    }
}

#[test]
fn every_kind_at_every_place_leaves_its_neighbours_in_order() {
    let partitions = KINDS.len() as i32 + 1;
    let (pipeline, schemas) = pipeline(partitions);
    let mut fed: Vec<Fed> = Vec::new();
    for (partition, kind) in (0..).zip(KINDS) {
        fed.push(Fed::at_every_place(schemas, partition, kind));
    }
    // All kinds side by side in each batch.
    let mut mixed = Fed::default();
    for round in 0..KINDS.len() {
        mixed.batch(schemas, partitions - 1, |place| {
            (!place.is_multiple_of(4)).then(|| KINDS[(round + place) % KINDS.len()])
        });
    }
    fed.push(mixed);
    let records = fed.iter().flat_map(|fed| fed.records.clone());
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), records).expect("jobs written");
    pipeline.run().expect("every record dealt with");
    assert_eq!(pipeline.kafka.partitions(&pipeline.letters()).expect("the dead letters' topic"), partitions);
    assert_set_aside(&pipeline, &fed);
}

#[test]
fn outputs_that_the_broker_refuses_are_set_aside_with_their_sources() {
    let (pipeline, schemas) = pipeline(1);
    let fed = Fed::at_every_place(schemas, 0, TOO_LARGE);
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), fed.records.clone()).expect("jobs written");
    pipeline.run().expect("every record dealt with");
    assert_set_aside(&pipeline, &[fed]);
}

#[test]
fn records_that_take_all_time_memory_or_output_are_set_aside_alone() {
    let (pipeline, schemas) = pipeline(1);
    let pipeline = pipeline.with(
        "limits: { invocation_ms_max: 200, memory_bytes_max: 32MiB, output_bytes_per_batch_max: 1MiB }",
    );
    let kinds = [
        of_guest("spin", "guest-deadline", "TRANSFORM"),
        of_guest("hoard", "guest-memory", "TRANSFORM"),
        // More than the host takes of one batch, so that no broker sees it.
        of_guest("swell", "guest-output-limit", "TRANSFORM"),
    ];
    let mut fed = Fed::default();
    fed.batch(schemas, 0, |place| (place == 0).then_some(kinds[0]));
    fed.batch(schemas, 0, |place| (place == 5).then_some(kinds[1]));
    fed.batch(schemas, 0, |place| (place == ROWS_MAX - 1).then_some(kinds[2]));
    fed.batch(schemas, 0, |place| kinds.get(place % 4).copied());
    fed.batch(schemas, 0, |_| None);
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), fed.records.clone()).expect("jobs written");
    pipeline.run().expect("every record dealt with");
    assert_set_aside(&pipeline, &[fed]);
}

#[test]
fn a_guest_that_asks_for_retries_without_end_has_its_record_set_aside() {
    let (pipeline, schemas) = pipeline(1);
    let pipeline = pipeline.with("retry: { attempts_max: 3, backoff_initial_ms: 10, backoff_max_ms: 20 }");
    let kind = of_guest("retry", "guest-retry", "TRANSFORM");
    let mut fed = Fed::default();
    fed.batch(schemas, 0, |place| (place == 3).then_some(kind));
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), fed.records.clone()).expect("jobs written");
    pipeline.run().expect("every record dealt with");
    assert_set_aside(&pipeline, &[fed]);
}

#[test]
fn a_letter_that_is_itself_too_large_leaves_its_value_out() {
    let (pipeline, schemas) = pipeline(1);
    // Smaller than what the input takes.
    pipeline
        .kafka
        .create_topic(&pipeline.letters(), 1, &[("max.message.bytes", "20000")])
        .expect("the dead letters' topic");
    let damaged = TestRecord::new("large", [vec![9], vec![7; 50_000]].concat()).header("kept", "yes").at(5);
    let records = [job(schemas, 1, "pass", 0), damaged, job(schemas, 2, "pass", 0)];
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), records).expect("jobs written");
    pipeline.run().expect("every record dealt with");
    let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("outcomes")).expect("outputs read");
    assert_eq!(ids(&pipeline, &outputs, 0), [1, 2]);
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    let [letter] = letters.as_slice() else { panic!("one letter, got {letters:?}") };
    assert_eq!(
        (letter.key.as_deref(), &letter.value, letter.timestamp_ms),
        (Some(&b"large"[..]), &None, Some(5))
    );
    assert_eq!(letter.header_text("kept"), Some("yes"));
    assert_eq!(letter.header_text("wasmill.value.omitted"), Some("50001"));
    assert_eq!(letter.header_text("wasmill.code"), Some("wire-magic"));
}

/// Good jobs around a bad one in each of two partitions.
fn around(schemas: Schemas, kind: Kind) -> Vec<TestRecord> {
    let mut records = Vec::new();
    for partition in 0..2 {
        for id in 0..20 {
            let kind = (id == 9).then_some(kind);
            records.push(match kind {
                Some(kind) => bad(schemas, id, kind, partition),
                None => job(schemas, id, "pass", partition),
            });
        }
    }
    records
}

#[test]
fn dropped_records_leave_no_letter() {
    for kind in [WIRE_MAGIC, TRAP, BAD_VALUE, TOO_LARGE] {
        let (pipeline, schemas) = pipeline(2);
        let pipeline = pipeline.with("on_bad_record: drop");
        pipeline.kafka.produce(&pipeline.in_topic("jobs"), around(schemas, kind)).expect("jobs written");
        pipeline.run().expect("every record dealt with");
        let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("outcomes")).expect("outputs read");
        let expected: Vec<i64> = (0..20).filter(|id| *id != 9).collect();
        for partition in 0..2 {
            assert_eq!(ids(&pipeline, &outputs, partition), expected, "{kind:?}");
        }
        assert_eq!(pipeline.kafka.partitions(&pipeline.letters()).expect("asked"), 0, "no topic for letters");
    }
}

#[test]
fn a_bad_record_stops_the_pipeline_and_mending_resumes_it() {
    for kind in [TRUNCATED, REJECT, TRAP, BAD_VALUE] {
        let (mut pipeline, schemas) = pipeline(2);
        pipeline.kafka.produce(&pipeline.in_topic("jobs"), around(schemas, kind)).expect("jobs written");
        let policy = pipeline.extra.clone();
        pipeline.extra.push_str("on_bad_record: stop\n");
        // A second start changes nothing: it stops at the same record.
        for _ in 0..2 {
            let mut host = pipeline.start("host-1").expect("started");
            let status = host.wait(Duration::from_secs(60)).expect("it stops by itself");
            assert_eq!(status.code(), Some(1), "{}", host.log_tail());
            let log = host.log_tail();
            assert!(log.contains("bad-record") && log.contains(kind.code), "{kind:?}: {log}");
            assert!(log.contains("offset 9 of"), "{kind:?}: {log}");
        }
        let before = pipeline.kafka.read_committed(&pipeline.out_topic("outcomes")).expect("outputs read");
        for partition in 0..2 {
            let before = ids(&pipeline, &before, partition);
            assert!(before.iter().all(|id| *id < 9), "nothing after the bad record came out: {before:?}");
        }
        pipeline.extra = policy + "on_bad_record: dead-letter\n";
        pipeline.run().expect("every record dealt with");
        let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("outcomes")).expect("outputs read");
        let expected: Vec<i64> = (0..20).filter(|id| *id != 9).collect();
        for partition in 0..2 {
            assert_eq!(ids(&pipeline, &outputs, partition), expected, "{kind:?}");
        }
        let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
        assert_eq!(letters.len(), 2, "{kind:?}");
    }
}

#[test]
fn a_fatal_guest_stops_the_pipeline_with_its_reason() {
    let (pipeline, schemas) = pipeline(1);
    let records = [job(schemas, 1, "pass", 0), job(schemas, 2, "fatal", 0)];
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), records).expect("jobs written");
    let mut host = pipeline.start("host-1").expect("started");
    let status = host.wait(DRAIN_MAX).expect("it stops by itself");
    assert_eq!(status.code(), Some(1), "{}", host.log_tail());
    let log = host.log_tail();
    assert!(log.contains("guest-fatal") && log.contains("job 2 is fatal"), "{log}");
}
