//! Exactly once, whatever dies and whenever.

use std::time::Duration;
use std::time::Instant;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use wasmill_test_support::Broker;
use wasmill_test_support::KafkaClient;
use wasmill_test_support::PaymentsPipeline;
use wasmill_test_support::Registry;
use wasmill_test_support::RegistryApi;
use wasmill_test_support::Sidecar;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::seed;
use wasmill_test_support::shared_broker;
use wasmill_test_support::shared_registry;

/// How long the rest of the work may take once nothing is killed any more.
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// Session and transaction timeouts that let a killed worker's successor start at once.
const FAST_TIMEOUTS: &str = "kafka: { session.timeout.ms: \"6000\", transaction.timeout.ms: \"4000\" }\n";

fn feed(kafka: &KafkaClient, pipeline: &PaymentsPipeline, payments: &[Payment]) {
    kafka
        .produce(&pipeline.input, payments.iter().map(|payment| pipeline.record(payment)))
        .expect("payments produced");
}

/// Waits until the group has committed the end of every input partition.
fn wait_until_done(kafka: &KafkaClient, pipeline: &PaymentsPipeline, host: &mut Sidecar) {
    let until = Instant::now() + SETTLE_MAX;
    loop {
        let done = (0..pipeline.partitions).all(|partition| {
            let (_, end) = kafka.offsets(&pipeline.input, partition).expect("offsets");
            let committed =
                kafka.committed(&pipeline.group(), &pipeline.input, partition).expect("committed");
            end == 0 || committed == Some(end)
        });
        if done {
            return;
        }
        assert!(!host.has_ended(), "the host ended by itself:\n{}", host.log_tail());
        assert!(Instant::now() < until, "not done within {SETTLE_MAX:?}:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn assert_outputs(kafka: &KafkaClient, pipeline: &PaymentsPipeline, payments: &[Payment]) {
    let records = kafka.read_committed(&pipeline.output).expect("outputs read");
    let found = PaymentsPipeline::found(&records).expect("outputs of one schema");
    let expected = PaymentsPipeline::expected(payments);
    PaymentsPipeline::compare(&expected, &found).expect("exactly once");
    let letters = kafka.read_committed(&pipeline.letters).expect("dead letters read");
    assert_eq!(letters, [], "no payment is bad");
}

#[test]
fn a_pipeline_filters_payments_and_drains_on_sigterm() {
    let (kafka, registry) = (shared_broker().expect("broker"), shared_registry().expect("registry"));
    let pipeline = PaymentsPipeline::create(&kafka, &registry, 4).expect("pipeline");
    let payments: Vec<Payment> = Payments::new(1, 1000).take(20_000).collect();
    feed(&kafka, &pipeline, &payments);
    let dir = tempfile::tempdir().expect("a folder");
    let plan = pipeline.plan(dir.path(), &kafka, &registry, "host-1").expect("plan");
    let mut host = plan.start().expect("started");
    wait_until_done(&kafka, &pipeline, &mut host);
    let status = host.terminate(Duration::from_secs(30)).expect("ended");
    assert!(status.success(), "{status}:\n{}", host.log_tail());
    assert_outputs(&kafka, &pipeline, &payments);
}

/// Kills the host at random moments while records keep coming.
fn kill_again_and_again(kafka: &KafkaClient, registry: &RegistryApi, kills: u32, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pipeline = PaymentsPipeline::create(kafka, registry, 4).expect("pipeline");
    pipeline.extra = FAST_TIMEOUTS.to_owned();
    let mut source = Payments::new(seed, 1000);
    let mut payments: Vec<Payment> = Vec::new();
    let dir = tempfile::tempdir().expect("a folder");
    let plan = pipeline.plan(dir.path(), kafka, registry, "host-1").expect("plan");
    let mut progressed = 0;
    let mut last_end = 0;
    for _ in 0..kills {
        let batch: Vec<Payment> = source.by_ref().take(2000).collect();
        feed(kafka, &pipeline, &batch);
        payments.extend(batch);
        let mut host = plan.start().expect("started");
        std::thread::sleep(Duration::from_millis(random.random_range(100..1500)));
        host.kill();
        let committed: i64 = (0..pipeline.partitions)
            .map(|p| kafka.committed(&pipeline.group(), &pipeline.input, p).expect("committed").unwrap_or(0))
            .sum();
        progressed += u32::from(committed > last_end);
        last_end = committed;
    }
    println!("{kills} kills, of which {progressed} came after progress");
    assert!(progressed * 5 >= kills, "only {progressed} of {kills} lives committed anything");
    let mut host = plan.start().expect("started");
    wait_until_done(kafka, &pipeline, &mut host);
    host.terminate(Duration::from_secs(30)).expect("ended");
    assert_outputs(kafka, &pipeline, &payments);
}

#[test]
fn nothing_is_lost_or_doubled_under_fifty_kills() {
    let (kafka, registry) = (shared_broker().expect("broker"), shared_registry().expect("registry"));
    kill_again_and_again(&kafka, &registry, 50, seed());
}

#[test]
fn nothing_is_lost_or_doubled_when_the_broker_restarts_too() {
    let mut broker = Broker::start().expect("a broker of its own");
    let registry = Registry::start().expect("a registry of its own");
    let (kafka, registry) = (broker.client(), registry.api());
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut pipeline = PaymentsPipeline::create(&kafka, &registry, 4).expect("pipeline");
    pipeline.extra = FAST_TIMEOUTS.to_owned();
    let payments: Vec<Payment> = Payments::new(seed, 1000).take(60_000).collect();
    let dir = tempfile::tempdir().expect("a folder");
    let plan = pipeline.plan(dir.path(), &kafka, &registry, "host-1").expect("plan");
    let mut host = plan.start().expect("started");
    for (round, part) in payments.chunks(20_000).enumerate() {
        feed(&kafka, &pipeline, part);
        std::thread::sleep(Duration::from_millis(random.random_range(200..1500)));
        if round == 1 {
            host.kill();
            host = plan.start().expect("started");
        }
        broker.kill().expect("broker killed");
        broker.restart().expect("broker restarted");
    }
    wait_until_done(&kafka, &pipeline, &mut host);
    host.terminate(Duration::from_secs(30)).expect("ended");
    assert_outputs(&kafka, &pipeline, &payments);
}

#[test]
fn at_least_once_loses_nothing_under_kills() {
    let (kafka, registry) = (shared_broker().expect("broker"), shared_registry().expect("registry"));
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut pipeline = PaymentsPipeline::create(&kafka, &registry, 4).expect("pipeline");
    pipeline.extra = format!("delivery: at-least-once\n{FAST_TIMEOUTS}");
    let payments: Vec<Payment> = Payments::new(seed, 1000).take(20_000).collect();
    let dir = tempfile::tempdir().expect("a folder");
    let plan = pipeline.plan(dir.path(), &kafka, &registry, "host-1").expect("plan");
    for part in payments.chunks(2_000) {
        feed(&kafka, &pipeline, part);
        let mut host = plan.start().expect("started");
        std::thread::sleep(Duration::from_millis(random.random_range(200..1500)));
        host.kill();
    }
    let mut host = plan.start().expect("started");
    wait_until_done(&kafka, &pipeline, &mut host);
    host.terminate(Duration::from_secs(30)).expect("ended");
    let records = kafka.read_committed(&pipeline.output).expect("outputs read");
    let found = PaymentsPipeline::found(&records).expect("outputs of one schema");
    for (output, count) in PaymentsPipeline::expected(&payments) {
        let times = found.get(&output).copied().unwrap_or(0);
        assert!(times >= count, "{output:?} came out {times} times of {count}");
    }
}
