//! Hosts that come and go, partitions that appear and offsets that are gone.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DONE_MAX;
use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::payments_filter;
use wasmill_test_support::payments_filter::FAST_TIMEOUTS;
use wasmill_test_support::payments_filter::feed_to;

fn filter(partitions: i32) -> (TestPipeline, u32) {
    let (pipeline, schema) = payments_filter::pipeline(partitions).expect("a pipeline");
    (pipeline.with(FAST_TIMEOUTS), schema)
}

fn feed(pipeline: &TestPipeline, schema: u32, payments: &[Payment]) {
    payments_filter::feed(pipeline, schema, payments).expect("payments written");
}

fn assert_outputs(pipeline: &TestPipeline, payments: &[Payment]) {
    payments_filter::check_outputs(pipeline, payments).expect("each output once");
    let outputs = pipeline.kafka.read_committed(&pipeline.out_topic("large_payments")).expect("outputs read");
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
                feed(&pipeline, schema, &part);
                payments.extend(part);
                std::thread::sleep(Duration::from_millis(50));
            }
            payments
        });
        let start = |name: &str| pipeline.start(name).expect("started");
        let pause = || std::thread::sleep(Duration::from_millis(700));
        let mut first = start("host-1");
        pipeline.wait_for_members(1).expect("a rebalance");
        pause();
        let mut second = start("host-2");
        pipeline.wait_for_members(2).expect("a rebalance");
        pause();
        let mut third = start("host-3");
        pipeline.wait_for_members(3).expect("a rebalance");
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
        pipeline.wait_for_members(1).expect("a rebalance");
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
    feed_to(&pipeline, schema, before, 0).expect("written");
    let mut host = pipeline.start("host-1").expect("started");
    pipeline.wait_for_members(1).expect("a rebalance");
    let input = pipeline.in_topic("payments");
    let until = Instant::now() + DONE_MAX;
    // The start is pinned before the group is joined.
    while pipeline.kafka.committed(&pipeline.group(), &input, 0).expect("asked") != Some(100) {
        assert!(Instant::now() < until, "the start is not pinned:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
    feed_to(&pipeline, schema, during, 0).expect("written");
    pipeline.kafka.grow_topic(&input, 2).expect("grown");
    let grown = Instant::now();
    feed_to(&pipeline, schema, added, 1).expect("written");
    pipeline.wait_until_done(&mut host).expect("every record dealt with");
    let (took, promised) = (grown.elapsed(), promised_for_a_new_partition());
    // The group also has to rebalance, on a machine that is busy with other tests.
    assert!(took < promised + Duration::from_secs(5), "read after {took:?}; the docs promise {promised:?}");
    pipeline.drain(&mut host).expect("drained");
    payments_filter::check_outputs(&pipeline, rest).expect("each output once");
}

#[test]
fn a_committed_offset_that_is_gone_stops_the_pipeline() {
    let (pipeline, schema) = filter(1);
    let payments: Vec<Payment> = Payments::new(9, 20).take(200).collect();
    let (first, rest) = payments.split_at(100);
    feed(&pipeline, schema, first);
    pipeline.run().expect("the first part");
    feed(&pipeline, schema, rest);
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
    feed(&pipeline, schema, first);
    pipeline.wait_until_done(&mut one).expect("the first part");
    // The same name from another folder, as on another machine.
    let mut plan = pipeline.plan("host-1");
    plan.dir = plan.dir.join("elsewhere");
    let mut two = plan.start().expect("started");
    feed(&pipeline, schema, rest);
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
    pipeline.wait_for_members(1).expect("a rebalance");
    let mut two = pipeline.start("host-1").expect("started");
    let status = two.wait(DONE_MAX).expect("it ends by itself");
    assert!(!status.success());
    assert!(two.log_tail().contains("another host uses the data folder"), "{}", two.log_tail());
    pipeline.drain(&mut one).expect("the first goes on");
}
