//! The same input gives the same bytes, wherever batches, commits, aborts and crashes fall.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::ids::PortIndex;
use crate::model::position::Partition;
use crate::model::state::EventClock;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::pipeline::fakes::BatchSize;
use crate::pipeline::fakes::LATE;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::SILENCE_MS;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::TestDriver;
use crate::pipeline::fakes::UNENCODABLE;
use crate::pipeline::fakes::counter::avro;
use crate::pipeline::fakes::counter::state_key;
use crate::pipeline::fakes::keeper::replayed;
use crate::pipeline::fakes::partition;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::records::number;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::rig::event_time;
use crate::pipeline::fakes::world;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::settings::LatePolicy;
use crate::pipeline::state_ports::TaskState;

/// Key, value and timestamp of a record that was written.
type Written = (Option<Vec<u8>>, Option<i64>, Option<i64>);

/// What a script says of the input; the same for every run of it.
#[derive(Debug, Default)]
struct Script {
    traps: BTreeSet<i64>,
    rejects: BTreeSet<i64>,
    undecodable: BTreeSet<i64>,
    unencodable: BTreeSet<i64>,
    refused_key: Vec<u8>,
    timer_traps: BTreeSet<Vec<u8>>,
    timer_rejects: BTreeSet<Vec<u8>>,
    timer_unencodable: BTreeSet<Vec<u8>>,
}

/// Everything that a run leaves behind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    outputs: Vec<Written>,
    letters: Vec<Written>,
    late: Vec<Written>,
    sums: BTreeMap<Vec<u8>, Vec<u8>>,
    timers: BTreeMap<Vec<u8>, i64>,
    clock: EventClock,
}

/// What is to come out, one record after another, in the plainest way.
fn reference(log: &[Entry], script: &Script, late: LatePolicy) -> Outcome {
    let mut outcome = Outcome::default();
    let mut sums: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    for entry in log {
        let (key, value) = (entry.key.clone().expect("a key"), number(&entry.value));
        let time = entry.timestamp.expect("a time");
        let letter = (Some(key.clone()), Some(value), None);
        if script.undecodable.contains(&value) {
            outcome.letters.push(letter);
            continue;
        }
        let is_late = outcome.clock.event_watermark.is_some_and(|watermark| time < watermark);
        if is_late && late != LatePolicy::Process {
            if late == LatePolicy::Copy(LATE) {
                outcome.late.push((Some(key), Some(value), Some(time)));
            }
            continue;
        }
        let is_bad =
            [&script.traps, &script.rejects, &script.unencodable].iter().any(|set| set.contains(&value));
        if is_bad || key == script.refused_key {
            outcome.letters.push(letter);
            continue;
        }
        let sum = sums.entry(key.clone()).or_default();
        *sum += value;
        outcome.outputs.push((Some(key.clone()), Some(*sum), Some(time)));
        outcome.timers.insert(key, time + SILENCE_MS);
        let clock = &mut outcome.clock;
        clock.event_time_max = clock.event_time_max.max(Some(time));
        let watermark = clock.event_time_max.map(|largest| (largest - 20).div_euclid(10) * 10);
        clock.event_watermark = clock.event_watermark.max(watermark);
        let mut due: Vec<(i64, Vec<u8>)> =
            outcome.timers.iter().map(|(key, time)| (*time, key.clone())).collect();
        due.retain(|(time, _)| Some(*time) <= outcome.clock.event_watermark);
        due.sort();
        for (time, key) in due {
            outcome.timers.remove(&key);
            let is_bad = [&script.timer_traps, &script.timer_rejects, &script.timer_unencodable];
            if is_bad.iter().any(|set| set.contains(&key)) {
                outcome.letters.push((Some(key), None, None));
                continue;
            }
            let sum = sums.remove(&key).expect("a sum");
            outcome.outputs.push((Some(key), Some(-sum), Some(time)));
        }
    }
    outcome.sums = sums.into_iter().map(|(key, sum)| (state_key(&key), avro(sum))).collect();
    outcome
}

fn random_log(random: &mut StdRng, len: i64, base: i64) -> Vec<Entry> {
    let mut time = 0;
    let entry = |value| {
        time += random.random_range(0..12);
        let back = if random.random_bool(0.2) { random.random_range(0..60) } else { 0 };
        Entry::new(&format!("k{}", random.random_range(0..30)), value, time - back)
    };
    (base..base + len).map(entry).collect()
}

fn random_script(random: &mut StdRng, values: std::ops::Range<i64>) -> Script {
    let mut some =
        |count: usize| -> BTreeSet<i64> { (0..count).map(|_| random.random_range(values.clone())).collect() };
    let key = |name: &str| name.as_bytes().to_vec();
    Script {
        traps: some(4),
        rejects: some(4),
        undecodable: some(4),
        unencodable: some(4),
        refused_key: key("k3"),
        timer_traps: [key("k7"), key("k8")].into(),
        timer_rejects: [key("k9")].into(),
        timer_unencodable: [key("k10")].into(),
    }
}

fn world_of(logs: &[Vec<Entry>], script: &Script, batch: BatchSize) -> Shared {
    world(|world| {
        for (number, log) in (0..).zip(logs) {
            world.logs.insert(partition(number), log.clone());
        }
        world.batch = batch;
        world.traps.extend(&script.traps);
        world.rejects.extend(&script.rejects);
        world.undecodable.extend(&script.undecodable);
        world.unencodable_inputs.extend(&script.unencodable);
        world.unencodable.insert(UNENCODABLE);
        world.broker_refuses_keys.insert((OUTPUT.0, script.refused_key.clone()));
        world.timer_traps.extend(script.timer_traps.iter().cloned());
        world.timer_rejects.extend(script.timer_rejects.iter().cloned());
        world.timer_unencodable.extend(script.timer_unencodable.iter().cloned());
    })
}

fn join(world: &Shared, late: LatePolicy, records_max: u64, overlay_bytes_max: u64) -> TestDriver {
    let partitions = world.borrow().logs.keys().cloned().collect();
    world.borrow_mut().events.push_front(SourceEvent::Assigned(partitions));
    Rig::counter(TimeDomain::Event)
        .event_time("in", event_time(late))
        .commit_every(Duration::from_millis(10), records_max)
        .overlay_bytes_max(overlay_bytes_max)
        .join(world)
}

/// The process dies: what is open is gone, what is committed stays.
fn die(world: &Shared, driver: TestDriver) {
    drop(driver);
    let mut world = world.borrow_mut();
    world.open.clear();
    world.assigned.clear();
    world.paused.clear();
    world.events.clear();
    world.keeper.lock().die();
}

/// Lets a driver run until everything is committed. With `chaos` commits abort, processes die and
/// cycles end at random.
fn run(world: &Shared, late: LatePolicy, mut chaos: Option<StdRng>, what: &str) {
    let mut driver = join(world, late, 100, 1 << 20);
    if let Some(chaos) = &chaos {
        world.borrow_mut().random_aborts = Some(chaos.clone());
    }
    for _ in 0..100_000 {
        driver.turn().expect("turn");
        world.borrow().clock.pass(1);
        if is_read(world) {
            return;
        }
        if let Some(chaos) = &mut chaos
            && chaos.random_bool(0.02)
        {
            die(world, driver);
            let overlay_bytes_max = if chaos.random_bool(0.5) { 300 } else { 1 << 20 };
            driver = join(world, late, chaos.random_range(1..200), overlay_bytes_max);
        }
    }
    panic!("never read to the end: {what}");
}

fn is_read(world: &Shared) -> bool {
    let world = world.borrow();
    world.logs.iter().all(|(partition, log)| {
        world.committed_offsets.get(partition).is_some_and(|offset| offset.0 as usize == log.len())
    })
}

fn outcome(world: &Shared, number: i32) -> Outcome {
    let world = world.borrow();
    let of = |topic: TopicIndex| -> Vec<Written> {
        let sent = world.committed_to(topic).filter(|sent| sent.partition == Partition(number));
        sent.map(|sent| (sent.key.clone(), sent.value, sent.timestamp)).collect()
    };
    let state = replayed(Partition(number), &world.keeper.lock().changelog);
    let timers = state.committed_timers().into_iter();
    Outcome {
        outputs: of(OUTPUT),
        letters: of(LETTERS),
        late: of(LATE),
        sums: state.committed_entries(StoreIndex(0)),
        timers: timers.map(|(_, key, _, time)| (key, time)).collect(),
        clock: state.event_clock(PortIndex(0)),
    }
}

fn assert_as_referred(world: &Shared, logs: &[Vec<Entry>], script: &Script, late: LatePolicy, what: &str) {
    for (number, log) in (0..).zip(logs) {
        let (found, expected) = (outcome(world, number), reference(log, script, late));
        assert_eq!(found.outputs, expected.outputs, "outputs of {number}: {what}");
        assert_eq!(found, expected, "partition {number}: {what}");
    }
}

fn random_logs(random: &mut StdRng) -> [Vec<Entry>; 2] {
    [random_log(random, 400, 0), random_log(random, 400, 400)]
}

const LATE_POLICIES: [LatePolicy; 3] = [LatePolicy::Process, LatePolicy::Drop, LatePolicy::Copy(LATE)];

#[test]
fn batches_of_any_size_give_the_same_bytes() {
    for late in LATE_POLICIES {
        let mut random = StdRng::seed_from_u64(11);
        let logs = random_logs(&mut random);
        let script = random_script(&mut random, 0..800);
        let random = BatchSize::Random(Box::new(StdRng::seed_from_u64(12)));
        for batch in [BatchSize::Of(1), BatchSize::Of(7), BatchSize::Of(1000), random] {
            let what = format!("{late:?}, {batch:?}");
            let world = world_of(&logs, &script, batch);
            run(&world, late, None, &what);
            assert_as_referred(&world, &logs, &script, late, &what);
        }
        let expected = reference(&logs[0], &script, late);
        assert!(expected.letters.len() > 10 && expected.outputs.len() > 200, "worth a test: {expected:?}");
        assert!(expected.outputs.iter().any(|(_, value, _)| *value < Some(0)), "timers fire");
        assert_eq!(late == LatePolicy::Copy(LATE), !expected.late.is_empty(), "records are late");
    }
}

#[test]
fn aborts_and_crashes_at_random_change_nothing() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let late = LATE_POLICIES[random.random_range(0..3)];
        let logs = random_logs(&mut random);
        let script = random_script(&mut random, 0..800);
        let sizes = StdRng::seed_from_u64(random.random());
        let world = world_of(&logs, &script, BatchSize::Random(Box::new(sizes)));
        let what = format!("seed {seed}, {late:?}");
        run(&world, late, Some(random), &what);
        assert_as_referred(&world, &logs, &script, late, &what);
        assert!(world.borrow().aborts > 10, "{what}: only {} aborts", world.borrow().aborts);
    }
}
