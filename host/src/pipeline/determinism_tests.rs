//! The same input gives the same bytes, wherever batches, commits, aborts and crashes fall.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::ids::PortIndex;
use crate::model::position::Partition;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::state_key::StateKey;
use crate::pipeline::fakes::BatchSize;
use crate::pipeline::fakes::LATE;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::TestDriver;
use crate::pipeline::fakes::UNENCODABLE;
use crate::pipeline::fakes::counter::from_avro;
use crate::pipeline::fakes::keeper::replayed;
use crate::pipeline::fakes::partition;
use crate::pipeline::fakes::plain::Outcome;
use crate::pipeline::fakes::plain::Script;
use crate::pipeline::fakes::plain::Transform;
use crate::pipeline::fakes::plain::Written;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::rig::event_time;
use crate::pipeline::fakes::world;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::settings::LatePolicy;
use crate::pipeline::state_ports::TaskState;

fn random_log(random: &mut StdRng, len: i64, base: i64) -> Vec<Entry> {
    let mut time = 0;
    let entry = |value| {
        // Time leaps now and then, so that many timers are due at once.
        time += if random.random_bool(0.02) { 300 } else { random.random_range(0..12) };
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
        timer_refused: [key("k11"), key("k12")].into(),
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
        world.broker_refuses_timers.extend(script.timer_refused.iter().cloned());
        world.timer_traps.extend(script.timer_traps.iter().cloned());
        world.timer_rejects.extend(script.timer_rejects.iter().cloned());
        world.timer_unencodable.extend(script.timer_unencodable.iter().cloned());
    })
}

/// A transform, and what becomes of its late records.
#[derive(Debug, Clone, Copy)]
struct Case {
    transform: Transform,
    late: LatePolicy,
}

const TRANSFORMS: [Transform; 2] = [Transform::Counter, Transform::Alarms];
const LATE_POLICIES: [LatePolicy; 3] = [LatePolicy::Process, LatePolicy::Drop, LatePolicy::Copy(LATE)];

fn join(world: &Shared, case: Case, records_max: u64, overlay_bytes_max: u64) -> TestDriver {
    let partitions = world.borrow().logs.keys().cloned().collect();
    world.borrow_mut().events.push_front(SourceEvent::Assigned(partitions));
    let rig = match case.transform {
        Transform::Counter => Rig::counter(TimeDomain::Event),
        Transform::Alarms => Rig::alarms(),
    };
    rig.event_time("in", event_time(case.late))
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
fn run(world: &Shared, case: Case, mut chaos: Option<StdRng>, what: &str) {
    let mut driver = join(world, case, 100, 1 << 20);
    if let Some(chaos) = &chaos {
        world.borrow_mut().random_aborts = Some(chaos.clone());
    }
    for _ in 0..100_000 {
        driver.turn().expect("turn");
        world.borrow().clock.pass(1);
        if is_read(world) {
            // Timers that the last records made due may be left.
            world.borrow_mut().random_aborts = None;
            for _ in 0..30 {
                driver.turn().expect("turn");
                world.borrow().clock.pass(1);
            }
            return driver.drain().expect("drained");
        }
        if let Some(chaos) = &mut chaos
            && chaos.random_bool(0.02)
        {
            die(world, driver);
            let overlay_bytes_max = if chaos.random_bool(0.5) { 300 } else { 1 << 20 };
            driver = join(world, case, chaos.random_range(1..200), overlay_bytes_max);
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

/// What was committed, and the state that its changelogs alone come to.
fn outcome(world: &Shared, number: i32) -> Outcome {
    let world = world.borrow();
    let of = |topic: TopicIndex| -> Vec<Written> {
        let sent = world.committed_to(topic).filter(|sent| sent.partition == Partition(number));
        sent.map(|sent| (sent.key.clone(), sent.value, sent.timestamp)).collect()
    };
    let state = replayed(Partition(number), &world.keeper.lock().changelog);
    let sums = state.committed_entries(StoreIndex(0)).into_iter();
    let timers = state.committed_timers().into_iter();
    let key = |state_key: &[u8]| StateKey::parse(state_key).expect("a state key").key.to_vec();
    Outcome {
        outputs: of(OUTPUT),
        letters: of(LETTERS),
        late: of(LATE),
        sums: sums.map(|(state_key, sum)| (key(&state_key), from_avro(&sum))).collect(),
        timers: timers.map(|(_, key, tag, time)| ((key, tag), time)).collect(),
        clock: state.event_clock(PortIndex(0)),
    }
}

fn assert_as_in_plain(world: &Shared, logs: &[Vec<Entry>], script: &Script, case: Case, what: &str) {
    for (number, log) in (0..).zip(logs) {
        let found = outcome(world, number);
        let expected = Outcome::of(case.transform, log, script, case.late);
        let same =
            found.outputs.iter().zip(&expected.outputs).take_while(|(found, expected)| found == expected);
        let (from, len) = (same.count(), expected.outputs.len().max(found.outputs.len()));
        let some = |outputs: &[Written]| outputs.iter().skip(from).take(3).cloned().collect::<Vec<_>>();
        assert_eq!(
            some(&found.outputs),
            some(&expected.outputs),
            "outputs from {from} of {len} of {number}: {what}"
        );
        assert_eq!(found, expected, "partition {number}: {what}");
    }
}

fn random_logs(random: &mut StdRng) -> [Vec<Entry>; 2] {
    // From 1: what a timer emits is negative then.
    [random_log(random, 400, 1), random_log(random, 400, 401)]
}

#[test]
fn batches_of_any_size_give_the_same_bytes() {
    for (transform, late) in TRANSFORMS.into_iter().flat_map(|of| LATE_POLICIES.map(|late| (of, late))) {
        let case = Case { transform, late };
        let mut random = StdRng::seed_from_u64(11);
        let logs = random_logs(&mut random);
        let script = random_script(&mut random, 0..800);
        let random = BatchSize::Random(Box::new(StdRng::seed_from_u64(12)));
        for batch in [BatchSize::Of(1), BatchSize::Of(7), BatchSize::Of(1000), random] {
            let what = format!("{case:?}, {batch:?}");
            let world = world_of(&logs, &script, batch);
            run(&world, case, None, &what);
            assert_as_in_plain(&world, &logs, &script, case, &what);
        }
        let expected = Outcome::of(transform, &logs[0], &script, late);
        assert!(expected.letters.len() > 10 && expected.outputs.len() > 200, "worth a test: {expected:?}");
        let fired = expected.outputs.iter().filter(|(_, value, _)| *value < Some(0)).count();
        assert!(fired > 50, "only {fired} timers");
        assert_eq!(matches!(late, LatePolicy::Copy(_)), !expected.late.is_empty(), "records are late");
    }
}

#[test]
fn aborts_and_crashes_at_random_change_nothing() {
    for seed in 0..24 {
        let mut random = StdRng::seed_from_u64(seed);
        let late = LATE_POLICIES[random.random_range(0..3)];
        let case = Case { transform: TRANSFORMS[seed as usize % 2], late };
        let logs = random_logs(&mut random);
        let script = random_script(&mut random, 0..800);
        let sizes = StdRng::seed_from_u64(random.random());
        let world = world_of(&logs, &script, BatchSize::Random(Box::new(sizes)));
        let what = format!("seed {seed}, {case:?}");
        run(&world, case, Some(random), &what);
        assert_as_in_plain(&world, &logs, &script, case, &what);
        assert!(world.borrow().aborts > 10, "{what}: only {} aborts", world.borrow().aborts);
    }
}
