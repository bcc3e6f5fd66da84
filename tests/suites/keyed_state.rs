//! Keyed state through the whole host: what a crash, a move or an empty disk leaves of it.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use wasmill_test_support::RunningTotals;
use wasmill_test_support::Sidecar;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::payments_filter::FAST_TIMEOUTS;
use wasmill_test_support::seed;

/// What is committed reaches the disk soon, so that restores begin there too.
const FAST_FLUSHES: &str = "state: { flush_interval_ms: 300 }\n";

fn totals(partitions: i32) -> RunningTotals {
    RunningTotals::new(partitions).expect("a pipeline").with(FAST_TIMEOUTS)
}

fn start(totals: &RunningTotals, host: &str) -> Sidecar {
    let plan = totals.pipeline.plan(host);
    plan.write_settings(FAST_FLUSHES).expect("settings written");
    plan.start().expect("started")
}

/// What a host has of the pipeline's state on its disk.
fn folder(totals: &RunningTotals, host: &str) -> std::path::PathBuf {
    let data = totals.pipeline.plan(host).data_dir();
    data.join("state/default").join(&totals.pipeline.name)
}

/// How many restores began at what the disk had, and how many at nothing.
fn restores(host: &Path) -> (usize, usize) {
    let log = std::fs::read_to_string(host).expect("the log");
    let count = |source: &str| {
        let restored = |line: &&str| line.contains("state restored") && line.contains(source);
        log.lines().filter(restored).count()
    };
    (count("Folder"), count("Empty"))
}

#[test]
fn totals_go_on_after_a_drain_and_after_the_disk_is_gone() {
    let totals = totals(4);
    let payments: Vec<Payment> = Payments::new(11, 200).take(9000).collect();
    for (round, part) in payments.chunks(3000).enumerate() {
        totals.feed(part).expect("fed");
        let mut host = start(&totals, "host-1");
        totals.pipeline.wait_until_done(&mut host).expect("every payment");
        totals.pipeline.drain(&mut host).expect("drained");
        if round == 1 {
            // As on another machine: everything comes from the changelog.
            std::fs::remove_dir_all(folder(&totals, "host-1")).expect("there is state on the disk");
        }
    }
    let (from_disk, from_nothing) = restores(&totals.pipeline.plan("host-1").dir.join("host-1.log"));
    assert_eq!((from_disk, from_nothing), (4, 8), "restores of four tasks in three lives");
    totals.compare(&payments).expect("outputs and state of the model");
}

/// `state_model` lets hosts die more often, and at every step; this one has more keys and batches.
#[test]
fn no_update_is_lost_or_doubled_under_kills() {
    const KILLS: u32 = 8;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let totals = totals(4);
    let mut source = Payments::new(seed, 500);
    let mut payments: Vec<Payment> = Vec::new();
    let (mut progressed, mut last) = (0, 0);
    for _ in 0..KILLS {
        let part: Vec<Payment> = source.by_ref().take(2000).collect();
        totals.feed(&part).expect("fed");
        payments.extend(part);
        let mut host = start(&totals, "host-1");
        std::thread::sleep(Duration::from_millis(random.random_range(100..2500)));
        assert!(!host.has_ended(), "the host ended by itself:\n{}", host.log_tail());
        host.kill();
        let input = totals.pipeline.in_topic("payments");
        let committed = |partition| {
            let found = totals.pipeline.kafka.committed(&totals.pipeline.group(), &input, partition);
            found.expect("committed").unwrap_or(0)
        };
        let now: i64 = (0..4).map(committed).sum();
        progressed += u32::from(now > last);
        last = now;
    }
    println!("{KILLS} kills, of which {progressed} came after progress");
    assert!(progressed * 5 >= KILLS, "only {progressed} of {KILLS} lives committed anything");
    let mut host = start(&totals, "host-1");
    totals.pipeline.wait_until_done(&mut host).expect("every payment");
    totals.pipeline.drain(&mut host).expect("drained");
    let (from_disk, from_nothing) = restores(&totals.pipeline.plan("host-1").dir.join("host-1.log"));
    println!("{from_disk} restores from the disk, {from_nothing} from nothing");
    assert!(from_disk > 0, "what is flushed is used");
    totals.compare(&payments).expect("outputs and state of the model");
}

/// Sets a flag when it goes, also with a panic: whoever waits for the flag would wait for ever.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn state_follows_its_partitions_between_hosts_under_load() {
    let totals = totals(6);
    let fed_enough = AtomicBool::new(false);
    let payments = std::thread::scope(|scope| {
        let fed_enough = Ended(&fed_enough);
        let (is_fed, totals) = (fed_enough.0, &totals);
        let feeder = scope.spawn(move || {
            let mut source = Payments::new(17, 300);
            let mut payments = Vec::new();
            while !is_fed.load(Ordering::Relaxed) {
                let part: Vec<Payment> = source.by_ref().take(300).collect();
                totals.feed(&part).expect("fed");
                payments.extend(part);
                std::thread::sleep(Duration::from_millis(50));
            }
            payments
        });
        let pause = || std::thread::sleep(Duration::from_millis(900));
        let mut first = start(totals, "host-1");
        totals.pipeline.wait_for_members(1).expect("a rebalance");
        pause();
        let mut second = start(totals, "host-2");
        totals.pipeline.wait_for_members(2).expect("a rebalance");
        pause();
        // One leaves in good order, and comes back to the state that it left on its disk.
        totals.pipeline.drain(&mut second).expect("drained");
        let mut second = start(totals, "host-2");
        pause();
        // One is frozen for longer than its session, and thawed: it must not add to what others have
        // gone on with.
        first.signal(libc::SIGSTOP);
        totals.pipeline.wait_for_members(1).expect("a rebalance");
        pause();
        first.signal(libc::SIGCONT);
        totals.pipeline.wait_for_members(2).expect("a rebalance");
        pause();
        second.kill();
        let mut second = start(totals, "host-2");
        pause();
        first.kill();
        totals.pipeline.wait_for_members(1).expect("a rebalance");
        pause();
        drop(fed_enough);
        let payments = feeder.join().expect("fed");
        totals.pipeline.wait_until_done(&mut second).expect("every payment");
        totals.pipeline.drain(&mut second).expect("drained");
        payments
    });
    println!("{} payments", payments.len());
    totals.compare(&payments).expect("outputs and state of the model");
}
