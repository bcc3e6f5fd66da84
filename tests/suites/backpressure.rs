//! A transform that is slower than its topic: the host holds back, and its memory stays bounded.

use std::time::Duration;
use std::time::Instant;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use wasmill_test_support::DONE_MAX;
use wasmill_test_support::TestRecord;
use wasmill_test_support::jobs;

/// What is written to the topic while the host runs, in text that no codec makes much shorter.
const BACKLOG_BYTES: usize = 320 << 20;
/// By how much the host may grow, which was three times less when this was written: 32 MiB of fetched records,
/// and the guest. A host that fetched what it can get would hold most of the backlog.
const GROWTH_BYTES_MAX: u64 = 128 << 20;
/// Values are cut out of so much random text.
const POOL_BYTES: usize = 1 << 20;
const VALUE_BYTES: usize = 10 << 10;
/// How long the host is watched after all is written: long enough to fetch everything.
const WATCH: Duration = Duration::from_secs(8);

/// Records of random text.
fn backlog(schema: u32) -> impl Iterator<Item = TestRecord> {
    let mut random = StdRng::seed_from_u64(1);
    let letters = std::iter::repeat_with(|| char::from(random.random_range(b'0'..=b'z')));
    let pool: String = letters.take(POOL_BYTES).collect();
    (0..(BACKLOG_BYTES / VALUE_BYTES) as i64).map(move |id| {
        let at = random.random_range(0..POOL_BYTES - VALUE_BYTES);
        TestRecord::new(format!("k{id}"), jobs::encode(schema, id, &pool[at..at + VALUE_BYTES]))
    })
}

#[test]
fn a_slow_guest_on_a_fast_topic_does_not_fill_the_memory() {
    let (pipeline, schema) = jobs::pipeline(4).expect("a pipeline");
    let pipeline = pipeline.with("batch: { rows_max: 10 }\nconfig: { idle_rounds: \"15000000\" }");
    let count = BACKLOG_BYTES / VALUE_BYTES;
    let done = || -> i64 {
        let committed =
            |partition| pipeline.kafka.committed(&pipeline.group(), &pipeline.in_topic("jobs"), partition);
        (0..4).map(|partition| committed(partition).expect("asked").unwrap_or(0)).sum()
    };
    let mut host = pipeline.start("host-1").expect("started");
    pipeline.wait_for_members(1).expect("it runs");
    let before = host.resident_bytes().expect("it lives");
    let mut peak = before;
    std::thread::scope(|scope| {
        let feeder = scope.spawn(|| pipeline.kafka.produce(&pipeline.in_topic("jobs"), backlog(schema)));
        let mut watch_until = Instant::now() + DONE_MAX;
        let mut is_fed = false;
        while Instant::now() < watch_until {
            if !is_fed && feeder.is_finished() {
                is_fed = true;
                watch_until = Instant::now() + WATCH;
            }
            assert!(!host.has_ended(), "the host ended:\n{}", host.log_tail());
            peak = peak.max(host.resident_bytes().expect("it lives"));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(is_fed, "the backlog was not written within {DONE_MAX:?}");
        feeder.join().expect("no panic").expect("jobs written");
    });
    let at = done();
    println!("{} MiB at the start, peak {} MiB, {at} of {count} records done", before >> 20, peak >> 20);
    let growth = peak - before;
    assert!(growth < GROWTH_BYTES_MAX, "the host grew by {} MiB, to {} MiB", growth >> 20, peak >> 20);
    assert!(at > 0 && (at as usize) < count / 2, "{at} of {count}: the guest is to be slower than the topic");
    // Memory was held back, not time lost: a drain does not first work off what is fetched.
    pipeline.drain(&mut host).expect("drained");
    assert!((done() as usize) < count / 2, "it drained without working off the backlog");
}
