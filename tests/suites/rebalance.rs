//! Hosts that come and go, partitions that appear and offsets that are gone.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DONE_MAX;
use wasmill_test_support::PaymentsPipeline;
use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::payments::PAYMENT_SCHEMA;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;

/// A host that left or was killed is missed after this long, and its transaction settled.
const FAST_TIMEOUTS: &str = "kafka: { session.timeout.ms: \"6000\", transaction.timeout.ms: \"4000\" }";

fn filter(partitions: i32) -> (TestPipeline, u32) {
    let pipeline = TestPipeline::new("payments-filter", partitions)
        .and_then(|pipeline| pipeline.input("payments", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("large_payments", "key: text, value: avro"))
        .expect("a pipeline")
        .with(FAST_TIMEOUTS);
    let subject = format!("{}-value", pipeline.in_topic("payments"));
    let id = pipeline.registry.register_avro(&subject, PAYMENT_SCHEMA).expect("registered");
    (pipeline, id)
}

fn feed(pipeline: &TestPipeline, schema: u32, payments: &[Payment], partition: Option<i32>) {
    let records = payments.iter().map(|payment| {
        let record = TestRecord::new(payment.account.as_bytes(), payment.encode(schema)).at(payment.ts);
        TestRecord { partition, ..record }
    });
    pipeline.kafka.produce(&pipeline.in_topic("payments"), records).expect("payments written");
}

fn assert_outputs(pipeline: &TestPipeline, payments: &[Payment]) {
    let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("large_payments")).expect("outputs read");
    let found = PaymentsPipeline::found(&outputs).expect("outputs of one schema");
    PaymentsPipeline::compare(&PaymentsPipeline::expected(payments), &found).expect("each output once");
    // The payments of an account stay in order: their times only grow.
    let mut last: HashMap<Vec<u8>, (i32, i64)> = HashMap::new();
    for record in outputs {
        let at = record.timestamp_ms.expect("a time");
        let key = record.key.expect("an account");
        if let Some((partition, before)) = last.insert(key, (record.partition, at)) {
            assert_eq!(partition, record.partition, "an account has one partition");
            assert!(before < at, "offset {} of partition {partition} is out of order", record.offset);
        }
    }
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    assert_eq!(letters, [], "no payment is bad");
}

/// Waits until every one of these hosts has work, so that a rebalance has happened.
fn wait_for_members(pipeline: &TestPipeline, count: usize) {
    let until = Instant::now() + DONE_MAX;
    loop {
        let members = pipeline.kafka.members(&pipeline.group()).expect("the group's members");
        if members == count {
            return;
        }
        assert!(Instant::now() < until, "{members} members of {count}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn hosts_join_leave_and_are_killed_under_load() {
    let (pipeline, schema) = filter(6);
    let fed_enough = AtomicBool::new(false);
    let payments = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| {
            let mut source = Payments::new(7, 300);
            let mut payments = Vec::new();
            while !fed_enough.load(Ordering::Relaxed) {
                let part: Vec<Payment> = source.by_ref().take(500).collect();
                feed(&pipeline, schema, &part, None);
                payments.extend(part);
                std::thread::sleep(Duration::from_millis(50));
            }
            payments
        });
        let start = |name: &str| pipeline.start(name).expect("started");
        let pause = || std::thread::sleep(Duration::from_millis(700));
        let mut first = start("host-1");
        wait_for_members(&pipeline, 1);
        pause();
        let mut second = start("host-2");
        wait_for_members(&pipeline, 2);
        pause();
        let mut third = start("host-3");
        wait_for_members(&pipeline, 3);
        pause();
        // One leaves in good order, and comes back under its name before it is missed.
        pipeline.drain(&mut second).expect("drained");
        let mut second = start("host-2");
        pause();
        // One is killed and comes back at once.
        third.kill();
        let mut third = start("host-3");
        pause();
        // One is killed for good, one leaves for good: the last takes everything over.
        first.kill();
        pipeline.drain(&mut second).expect("drained");
        wait_for_members(&pipeline, 1);
        pause();
        fed_enough.store(true, Ordering::Relaxed);
        let payments = feeder.join().expect("fed");
        pipeline.wait_until_done(&mut third).expect("every record dealt with");
        pipeline.drain(&mut third).expect("drained");
        payments
    });
    println!("{} payments", payments.len());
    assert_outputs(&pipeline, &payments);
}

/// What `docs/delivery.md` says.
fn promised_for_a_new_partition() -> Duration {
    const DOCS: &str = include_str!("../../docs/delivery.md");
    let text = DOCS.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, rest) = text.split_once("is read from its beginning, within about ").expect("the promise");
    let seconds = rest.split_whitespace().next().expect("a number");
    Duration::from_secs(seconds.parse().expect("a number of seconds"))
}

#[test]
fn a_partition_that_is_added_is_read_from_its_beginning() {
    let (pipeline, schema) = filter(1);
    // What is there before the start is left out; what a new partition has is not.
    let pipeline = pipeline.with("start: latest");
    let payments: Vec<Payment> = Payments::new(8, 20).take(300).collect();
    let (before, rest) = payments.split_at(100);
    let (during, added) = rest.split_at(100);
    feed(&pipeline, schema, before, Some(0));
    let mut host = pipeline.start("host-1").expect("started");
    wait_for_members(&pipeline, 1);
    let input = pipeline.in_topic("payments");
    let until = Instant::now() + DONE_MAX;
    // The start is pinned before the group is joined.
    while pipeline.kafka.committed(&pipeline.group(), &input, 0).expect("asked") != Some(100) {
        assert!(Instant::now() < until, "the start is not pinned:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
    feed(&pipeline, schema, during, Some(0));
    pipeline.kafka.grow_topic(&input, 2).expect("grown");
    let grown = Instant::now();
    feed(&pipeline, schema, added, Some(1));
    pipeline.wait_until_done(&mut host).expect("every record dealt with");
    let (took, promised) = (grown.elapsed(), promised_for_a_new_partition());
    // The group also has to rebalance, on a machine that is busy with other tests.
    assert!(took < promised + Duration::from_secs(5), "read after {took:?}; the docs promise {promised:?}");
    pipeline.drain(&mut host).expect("drained");
    let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("large_payments")).expect("outputs read");
    let found = PaymentsPipeline::found(&outputs).expect("outputs of one schema");
    PaymentsPipeline::compare(&PaymentsPipeline::expected(rest), &found).expect("each output once");
}

#[test]
fn a_committed_offset_that_is_gone_stops_the_pipeline() {
    let (pipeline, schema) = filter(1);
    let payments: Vec<Payment> = Payments::new(9, 20).take(200).collect();
    let (first, rest) = payments.split_at(100);
    feed(&pipeline, schema, first, None);
    pipeline.run().expect("the first part");
    feed(&pipeline, schema, rest, None);
    pipeline.kafka.delete_records_before(&pipeline.in_topic("payments"), 0, 150).expect("deleted");
    let mut host = pipeline.start("host-1").expect("started");
    let status = host.wait(DONE_MAX).expect("it stops by itself");
    assert_eq!(status.code(), Some(1), "{}", host.log_tail());
    let log = host.log_tail();
    assert!(log.contains("offset-out-of-range"), "{log}");
    assert!(log.contains("100") && log.contains("150") && log.contains("50 records"), "{log}");
    assert_outputs(&pipeline, first);
}

/// Waits until one of two hosts has ended by itself.
fn first_to_end<'a>(one: &'a mut Sidecar, two: &'a mut Sidecar) -> (&'a mut Sidecar, &'a mut Sidecar) {
    let until = Instant::now() + DONE_MAX;
    loop {
        if one.has_ended() {
            return (one, two);
        }
        if two.has_ended() {
            return (two, one);
        }
        assert!(Instant::now() < until, "both run:\n{}\n{}", one.log_tail(), two.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_duplicate_host_id_is_an_error_by_name() {
    let (pipeline, schema) = filter(2);
    let payments: Vec<Payment> = Payments::new(10, 20).take(2000).collect();
    let (first, rest) = payments.split_at(1000);
    let mut one = pipeline.start("host-1").expect("started");
    feed(&pipeline, schema, first, None);
    pipeline.wait_until_done(&mut one).expect("the first part");
    // The same name from another folder, as on another machine.
    let mut plan = pipeline.plan("host-1");
    plan.dir = plan.dir.join("elsewhere");
    let mut two = plan.start().expect("started");
    feed(&pipeline, schema, rest, None);
    let (ended, other) = first_to_end(&mut one, &mut two);
    let log = ended.log_tail();
    assert!(!ended.wait(DONE_MAX).expect("ended").success(), "{log}");
    assert!(log.contains("duplicate-host-id") && log.contains("host-1"), "{log}");
    pipeline.wait_until_done(other).expect("the other goes on");
    pipeline.drain(other).expect("drained");
    assert_outputs(&pipeline, &payments);
}

#[test]
fn two_hosts_do_not_share_a_data_folder() {
    let (pipeline, _) = filter(1);
    let mut one = pipeline.start("host-1").expect("started");
    wait_for_members(&pipeline, 1);
    let mut two = pipeline.start("host-1").expect("started");
    let status = two.wait(DONE_MAX).expect("it ends by itself");
    assert!(!status.success());
    assert!(two.log_tail().contains("another host uses the data folder"), "{}", two.log_tail());
    pipeline.drain(&mut one).expect("the first goes on");
}
