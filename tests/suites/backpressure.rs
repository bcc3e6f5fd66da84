//! A transform that is slower than its topic: the host holds back, and its memory stays bounded.

use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DONE_MAX;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::payments;

const JOB: &str = r#"{"type":"record","name":"Job","namespace":"com.example.faults","fields":[
{"name":"id","type":"long"},{"name":"action","type":"string"}]}"#;
/// What lies in the topic when the host starts, and what the host may hold at most.
const BACKLOG_BYTES: usize = 200 << 20;
const RESIDENT_BYTES_MAX: u64 = 400 << 20;
const VALUE_BYTES: usize = 10 << 10;
/// How long the host is watched.
const WATCH: Duration = Duration::from_secs(8);

#[test]
fn a_slow_guest_on_a_fast_topic_does_not_fill_the_memory() {
    let pipeline = TestPipeline::new("trap-on-marker", 4)
        .and_then(|pipeline| pipeline.input("jobs", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("outcomes", "key: text, value: avro"))
        .expect("a pipeline")
        .with("batch: { rows_max: 10 }\nconfig: { idle_rounds: \"15000000\" }");
    let subject = format!("{}-value", pipeline.in_topic("jobs"));
    let schema = pipeline.registry.register_avro(&subject, JOB).expect("registered");
    let count = BACKLOG_BYTES / VALUE_BYTES;
    let text = "pass".repeat(VALUE_BYTES / 4);
    let records = (0..count as i64).map(|id| {
        let mut value = payments::frame(schema);
        payments::long(&mut value, id);
        payments::text(&mut value, &text);
        TestRecord::new(format!("k{id}"), value)
    });
    pipeline.kafka.produce(&pipeline.in_topic("jobs"), records).expect("jobs written");

    let done = || -> i64 {
        let committed =
            |partition| pipeline.kafka.committed(&pipeline.group(), &pipeline.in_topic("jobs"), partition);
        (0..4).map(|partition| committed(partition).expect("asked").unwrap_or(0)).sum()
    };
    let mut host = pipeline.start("host-1").expect("started");
    let until = Instant::now() + DONE_MAX;
    while done() == 0 {
        assert!(!host.has_ended() && Instant::now() < until, "no work is done:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut peak = 0;
    let watched = Instant::now();
    while watched.elapsed() < WATCH {
        let resident = host.resident_bytes().expect("it lives");
        peak = peak.max(resident);
        assert!(resident < RESIDENT_BYTES_MAX, "the host takes {} MiB", resident >> 20);
        std::thread::sleep(Duration::from_millis(20));
    }
    let at = done();
    println!("peak {} MiB, {at} of {count} records done", peak >> 20);
    assert!(at > 0 && (at as usize) < count / 2, "{at} of {count}: the guest is to be slower than the topic");
    // Memory was held back, not time lost: a drain does not first work off what is fetched.
    pipeline.drain(&mut host).expect("drained");
    assert!((done() as usize) < count / 2, "it drained without working off the backlog");
}
