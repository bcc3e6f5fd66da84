//! Exactly once, whatever dies and whenever.

use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index;
use wasmill_test_support::Broker;
use wasmill_test_support::Registry;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::payments_filter;
use wasmill_test_support::payments_filter::FAST_TIMEOUTS;
use wasmill_test_support::seed;

#[test]
fn a_pipeline_filters_payments_and_drains_on_sigterm() {
    let (pipeline, schema) = payments_filter::pipeline(4).expect("a pipeline");
    let payments: Vec<Payment> = Payments::new(1, 1000).take(20_000).collect();
    payments_filter::feed(&pipeline, schema, &payments).expect("fed");
    pipeline.run().expect("every payment, and a drain");
    payments_filter::check_outputs(&pipeline, &payments).expect("exactly once");
}

/// A pipeline whose hosts are killed at random moments while records keep coming.
struct Lives {
    pipeline: TestPipeline,
    schema: u32,
    random: StdRng,
    source: Payments,
    fed: Vec<Payment>,
    lived: u32,
    /// Lives that committed anything.
    progressed: u32,
    /// Records that were committed when the last life ended.
    committed: i64,
}

/// What happens to the broker during a life.
#[derive(Debug, Clone, Copy)]
enum Restart {
    None,
    /// It is away when the host is killed.
    AroundTheEnd,
    /// The host outlives its absence.
    Amid,
}

impl Lives {
    fn new((pipeline, schema): (TestPipeline, u32), seed: u64) -> Self {
        Self {
            pipeline: pipeline.with(FAST_TIMEOUTS),
            schema,
            random: StdRng::seed_from_u64(seed),
            source: Payments::new(seed, 1000),
            fed: Vec::new(),
            lived: 0,
            progressed: 0,
            committed: 0,
        }
    }

    fn pause(&mut self) {
        std::thread::sleep(Duration::from_millis(self.random.random_range(100..1500)));
    }

    fn one(&mut self) {
        self.one_with(None, Restart::None);
    }

    /// Feeds, starts a host, and kills it.
    fn one_with(&mut self, mut broker: Option<&mut Broker>, restart: Restart) {
        let batch: Vec<Payment> = self.source.by_ref().take(2000).collect();
        payments_filter::feed(&self.pipeline, self.schema, &batch).expect("fed");
        self.fed.extend(batch);
        let mut host = self.pipeline.start("host-1").expect("started");
        self.pause();
        if let (Some(broker), Restart::Amid) = (broker.as_deref_mut(), restart) {
            broker.kill().expect("broker killed");
            broker.restart().expect("broker restarted");
            self.pause();
        }
        if let (Some(broker), Restart::AroundTheEnd) = (broker.as_deref_mut(), restart) {
            broker.kill().expect("broker killed");
        }
        assert!(!host.has_ended(), "the host ended by itself:\n{}", host.log_tail());
        host.kill();
        if let (Some(broker), Restart::AroundTheEnd) = (broker, restart) {
            broker.restart().expect("broker restarted");
        }
        let input = self.pipeline.in_topic("payments");
        let committed = |partition| {
            let found = self.pipeline.kafka.committed(&self.pipeline.group(), &input, partition);
            found.expect("committed").unwrap_or(0)
        };
        let committed: i64 = (0..self.pipeline.partitions).map(committed).sum();
        self.lived += 1;
        self.progressed += u32::from(committed > self.committed);
        self.committed = committed;
    }

    /// The last host works off what is left. Deaths prove something only if they came amid work.
    fn end(&self) {
        let Self { lived, progressed, .. } = self;
        println!("{lived} kills, of which {progressed} came after progress");
        assert!(progressed * 5 >= *lived, "only {progressed} of {lived} lives committed anything");
        self.pipeline.run().expect("the rest, and a drain");
    }
}

#[test]
fn nothing_is_lost_or_doubled_under_fifty_kills() {
    let mut lives = Lives::new(payments_filter::pipeline(4).expect("a pipeline"), seed());
    for _ in 0..50 {
        lives.one();
    }
    lives.end();
    payments_filter::check_outputs(&lives.pipeline, &lives.fed).expect("exactly once");
}

#[test]
fn nothing_is_lost_or_doubled_when_the_broker_restarts_too() {
    const LIVES: usize = 16;
    const RESTARTS: usize = 6;
    let mut broker = Broker::start().expect("a broker of its own");
    let registry = Registry::start().expect("a registry of its own");
    let pipeline = TestPipeline::on(broker.client(), registry.api(), "payments-filter", 4);
    let pipeline = pipeline.and_then(payments_filter::bound).and_then(payments_filter::registered);
    let mut lives = Lives::new(pipeline.expect("a pipeline"), seed());
    let restarts = index::sample(&mut lives.random, LIVES, RESTARTS).into_vec();
    for life in 0..LIVES {
        let restart = match restarts.iter().position(|at| *at == life) {
            None => Restart::None,
            Some(number) if number.is_multiple_of(2) => Restart::Amid,
            Some(_) => Restart::AroundTheEnd,
        };
        lives.one_with(Some(&mut broker), restart);
    }
    lives.end();
    payments_filter::check_outputs(&lives.pipeline, &lives.fed).expect("exactly once");
}

#[test]
fn at_least_once_loses_nothing_under_kills() {
    let (pipeline, schema) = payments_filter::pipeline(4).expect("a pipeline");
    let mut lives = Lives::new((pipeline.with("delivery: at-least-once"), schema), seed());
    for _ in 0..10 {
        lives.one();
    }
    lives.end();
    let found = payments_filter::outputs(&lives.pipeline).expect("outputs of one schema");
    for (output, count) in payments_filter::expected(&lives.fed) {
        let times = found.get(&output).copied().unwrap_or(0);
        assert!(times >= count, "{output:?} came out {times} times of {count}");
    }
}
