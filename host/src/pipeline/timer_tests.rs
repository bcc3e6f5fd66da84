//! Timers in the loop of a worker: in their order, alone when they are bad, again when they fail.

use std::time::Duration;

use crate::model::position::Partition;
use crate::model::state::TimeDomain;
use crate::model::status::TaskStatus;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::fakes::BatchSize;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::SILENCE_MS;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::TestDriver;
use crate::pipeline::fakes::UNENCODABLE;
use crate::pipeline::fakes::partition;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::world;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::status::StatusBoard;

const EVENT: TimeDomain = TimeDomain::Event;
const PROCESSING: TimeDomain = TimeDomain::Processing;

fn with_log(log: Vec<Entry>) -> Shared {
    world(|world| {
        world.logs.insert(partition(0), log);
    })
}

/// Keys of one record each, all of the same time, and one far behind it, which makes all their timers
/// due.
fn silent(keys: usize) -> Vec<Entry> {
    let mut log: Vec<Entry> = (0..keys).map(|index| Entry::new(&format!("k{index:04}"), 1, 0)).collect();
    log.push(Entry::new("end", 7, 1_000_000));
    log.push(Entry::new("end", 7, 1_000_001));
    log
}

fn started(rig: Rig, world: &Shared) -> (TestDriver, StatusBoard) {
    world.borrow_mut().events.push_back(SourceEvent::Assigned(vec![partition(0)]));
    let status = rig.status.clone();
    let mut driver = rig.join(world);
    driver.turn().expect("assigned");
    (driver, status)
}

fn turns(driver: &mut TestDriver, count: usize) {
    for _ in 0..count {
        driver.turn().expect("turn");
    }
}

fn keys_and_values(world: &Shared) -> Vec<(String, i64)> {
    let world = world.borrow();
    let text = |key: &Option<Vec<u8>>| String::from_utf8(key.clone().expect("a key")).expect("text");
    world.committed_to(OUTPUT).map(|sent| (text(&sent.key), sent.value.expect("a value"))).collect()
}

/// Keys of the timers that fired.
fn fired(world: &Shared) -> Vec<String> {
    keys_and_values(world).into_iter().filter(|(_, value)| *value < 0).map(|(key, _)| key).collect()
}

fn timers_left(world: &Shared) -> usize {
    world.borrow().keeper.lock().live[&Partition(0)].committed_timers().len()
}

fn task(status: &StatusBoard) -> TaskStatus {
    status.read().tasks.into_iter().next().expect("a task")
}

#[test]
fn due_timers_fire_before_the_record_that_follows() {
    let world = with_log(vec![
        Entry::new("b", 1, 0),
        Entry::new("a", 2, 0),
        Entry::new("c", 3, 10),
        Entry::new("a", 4, 70),
        Entry::new("d", 5, 80),
        Entry::new("a", 6, 75),
    ]);
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    turns(&mut driver, 1);
    let found = keys_and_values(&world);
    let expected = [("b", 1), ("a", 2), ("c", 3), ("a", 6), ("b", -1), ("d", 5), ("c", -3), ("a", 12)];
    assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
    let world = world.borrow();
    let alarm = world.committed_to(OUTPUT).find(|sent| sent.value == Some(-1)).expect("b fired");
    assert_eq!(alarm.timestamp, Some(SILENCE_MS), "the timer's time");
    assert_eq!(alarm.headers, Vec::<String>::new());
    assert_eq!(world.decoded, 6, "nothing is decoded again behind a cut");
}

#[test]
fn a_timer_for_a_time_that_has_passed_fires_before_the_next_record() {
    // The watermark is 80 when the late record comes; its timer is due at once.
    let log =
        vec![Entry::new("x", 1, 100), Entry::new("a", 2, 5), Entry::new("a", 3, 5), Entry::new("x", 4, 101)];
    let world = with_log(log);
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    turns(&mut driver, 1);
    let expected = [("x", 1), ("a", 2), ("a", -2), ("a", 3), ("a", -3), ("x", 5)];
    assert_eq!(keys_and_values(&world), expected.map(|(key, value)| (key.to_owned(), value)));
}

#[test]
fn a_timer_that_is_due_at_once_fires_before_a_bad_record_too() {
    // As above; the timer of the second record comes to the dead letters before the third record.
    let log =
        vec![Entry::new("x", 1, 100), Entry::new("a", 2, 5), Entry::new("b", 3, 5), Entry::new("x", 4, 101)];
    let world = with_log(log);
    world.borrow_mut().timer_traps.insert(b"a".to_vec());
    world.borrow_mut().undecodable.insert(3);
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    turns(&mut driver, 1);
    let world = world.borrow();
    let letters: Vec<_> = world.committed_to(LETTERS).map(|sent| sent.key.clone()).collect();
    assert_eq!(letters, [Some(b"a".to_vec()), Some(b"b".to_vec())]);
}

#[test]
fn many_timers_fire_in_calls_of_a_fixed_size() {
    let world = with_log(silent(2500));
    world.borrow_mut().batch = BatchSize::Of(4000);
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    turns(&mut driver, 1);
    assert_eq!(fired(&world), (0..2500).map(|index| format!("k{index:04}")).collect::<Vec<_>>());
    assert_eq!(world.borrow().fires, 3);
    assert_eq!(timers_left(&world), 1, "that of the last key");
}

#[test]
fn a_bad_timer_is_set_aside_alone() {
    for kind in ["trap", "reject", "encode", "refused"] {
        for at in [0, 1, 57, 99] {
            let world = with_log(silent(100));
            let key = format!("k{at:04}");
            {
                let mut world = world.borrow_mut();
                let bytes = key.clone().into_bytes();
                world.unencodable.insert(UNENCODABLE);
                match kind {
                    "trap" => world.timer_traps.insert(bytes),
                    "reject" => world.timer_rejects.insert(bytes),
                    "encode" => world.timer_unencodable.insert(bytes),
                    _ => {
                        world.logs.get_mut(&partition(0)).expect("a log")[at] = Entry::new(&key, 5, 0);
                        world.broker_refuses.insert((OUTPUT.0, -5))
                    }
                };
            }
            let (mut driver, _) = started(Rig::counter(EVENT), &world);
            turns(&mut driver, 3);
            let expected: Vec<String> =
                (0..100).filter(|index| *index != at).map(|index| format!("k{index:04}")).collect();
            assert_eq!(fired(&world), expected, "{kind} at {at}");
            let world = world.borrow();
            let letters: Vec<_> = world.committed_to(LETTERS).collect();
            let (code, stage) = match kind {
                "trap" => ("guest-trap", "TIMER"),
                "reject" => ("guest-rejected", "TIMER"),
                "encode" => ("encode", "VALUE_ENCODE"),
                _ => ("record-too-large", "PRODUCE"),
            };
            assert_eq!(letters.len(), 1, "{kind} at {at}");
            assert_eq!(letters[0].key, Some(key.into_bytes()));
            assert_eq!((letters[0].bytes.as_deref(), letters[0].timestamp), (None, None));
            assert_eq!(letters[0].headers, [code, stage], "{kind} at {at}");
            let state = world.keeper.lock().live[&Partition(0)].clone();
            assert_eq!(state.committed_timers().len(), 1, "{kind} at {at}: it does not fire again");
            assert!(world.fires < 20, "{} calls to find one timer of 100", world.fires);
        }
    }
}

#[test]
fn several_bad_timers_of_one_call_are_found() {
    let world = with_log(silent(50));
    let bad = [3, 4, 30, 49].map(|index| format!("k{index:04}"));
    for key in &bad {
        world.borrow_mut().timer_traps.insert(key.clone().into_bytes());
    }
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    turns(&mut driver, 1);
    assert_eq!(fired(&world).len(), 46);
    let world = world.borrow();
    let letters: Vec<_> = world.committed_to(LETTERS).filter_map(|sent| sent.key.clone()).collect();
    assert_eq!(letters, bad.map(String::into_bytes));
}

#[test]
fn an_output_of_unknown_timer_that_is_refused_is_found_one_by_one() {
    let world = with_log(silent(20));
    {
        let mut world = world.borrow_mut();
        world.logs.get_mut(&partition(0)).expect("a log")[4] = Entry::new("k0004", 5, 0);
        world.broker_refuses.insert((OUTPUT.0, -5));
        world.forgets_sources = true;
    }
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    turns(&mut driver, 4);
    let world = world.borrow();
    let alarms: Vec<_> = world.committed_to(OUTPUT).filter(|sent| sent.value < Some(0)).collect();
    assert_eq!(alarms.len(), 19);
    assert!(alarms.iter().all(|sent| sent.key.is_none()), "a row without a source has no key");
    assert!(alarms.iter().all(|sent| sent.timestamp == Some(999_980)), "and the watermark as its time");
    let letters: Vec<_> = world.committed_to(LETTERS).map(|sent| sent.key.clone()).collect();
    assert_eq!(letters, [Some(b"k0004".to_vec())]);
}

#[test]
fn a_bad_timer_stops_the_pipeline_or_is_dropped_as_the_policy_says() {
    let world = with_log(silent(10));
    world.borrow_mut().timer_traps.insert(b"k0005".to_vec());
    let (mut driver, _) = started(Rig::counter(EVENT).policy(BadRecordPolicy::Stop), &world);
    let failure = driver.turn().expect_err("a bad timer");
    let DriverFailure::Stop(stop) = failure else { panic!("{failure:?}") };
    assert_eq!(stop.code.0, "bad-timer");
    assert!(stop.message.contains("due at 50 ms"), "{}", stop.message);
    assert!(!stop.message.contains("k0005"), "a key may be a secret: {}", stop.message);
    assert_eq!(fired(&world).len(), 5, "what came before it is kept");
    driver.abandon();

    let world = with_log(silent(10));
    world.borrow_mut().timer_traps.insert(b"k0005".to_vec());
    let (mut driver, _) = started(Rig::counter(EVENT).policy(BadRecordPolicy::Drop), &world);
    turns(&mut driver, 1);
    assert_eq!((fired(&world).len(), timers_left(&world)), (9, 1));
    assert_eq!(world.borrow().committed_to(LETTERS).count(), 0);
}

#[test]
fn a_refused_letter_of_a_timer_stops_the_pipeline() {
    let world = with_log(silent(10));
    world.borrow_mut().timer_traps.insert(b"k0005".to_vec());
    world.borrow_mut().broker_refuses_keys.insert((LETTERS.0, b"k0005".to_vec()));
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    let failure = driver.turn().expect_err("a refused letter");
    let DriverFailure::Stop(stop) = failure else { panic!("{failure:?}") };
    assert_eq!(stop.code.0, "dead-letter-refused");
}

#[test]
fn timers_that_ask_for_a_retry_hold_up_the_records_behind_them() {
    let world = with_log(silent(3));
    world.borrow_mut().timer_retries.insert(b"k0001".to_vec(), 2);
    let (mut driver, status) = started(Rig::counter(EVENT), &world);
    world.borrow_mut().events.push_back(SourceEvent::Idle);
    turns(&mut driver, 1);
    // The status is published once a second.
    world.borrow().clock.pass(1000);
    turns(&mut driver, 1);
    assert_eq!(fired(&world), Vec::<String>::new());
    assert_eq!(keys_and_values(&world).last(), Some(&("end".to_owned(), 7)), "not the record behind");
    assert_eq!(task(&status).waiting.map(|waiting| waiting.code.0), Some("guest-retry"));
    turns(&mut driver, 4);
    assert_eq!(fired(&world).len(), 3);
    assert_eq!(keys_and_values(&world).last(), Some(&("end".to_owned(), 14)));
    world.borrow().clock.pass(1000);
    turns(&mut driver, 1);
    assert_eq!(task(&status).waiting, None);

    let world = with_log(silent(3));
    world.borrow_mut().timer_retries.insert(b"k0001".to_vec(), u32::MAX);
    let (mut driver, _) = started(Rig::counter(EVENT), &world);
    turns(&mut driver, 8);
    assert_eq!(fired(&world), ["k0000", "k0002"]);
    let world = world.borrow();
    assert_eq!(
        world.committed_to(LETTERS).next().map(|sent| sent.headers.clone()),
        Some(vec!["guest-retry".to_owned(), "TIMER".to_owned()])
    );
}

#[test]
fn an_idle_pipeline_wakes_for_its_timers_and_not_before() {
    let world = with_log(vec![Entry::new("a", 3, 0)]);
    let (mut driver, _) = started(Rig::counter(PROCESSING), &world);
    turns(&mut driver, 2);
    assert_eq!(keys_and_values(&world), [("a".to_owned(), 3)]);
    let wait = *world.borrow().waits.last().expect("a poll");
    assert_eq!(wait, Duration::from_millis(SILENCE_MS as u64));
    world.borrow().clock.pass(SILENCE_MS - 1);
    turns(&mut driver, 2);
    assert_eq!((fired(&world).len(), world.borrow().fires), (0, 0));
    assert_eq!(world.borrow().waits.last(), Some(&Duration::from_millis(1)));
    world.borrow().clock.pass(1);
    turns(&mut driver, 1);
    assert_eq!(fired(&world), ["a"]);
    assert_eq!(timers_left(&world), 0);
    turns(&mut driver, 2);
    assert_eq!(world.borrow().waits.last(), Some(&Duration::from_millis(500)), "nothing is left to wake for");
}

#[test]
fn processing_timers_that_fail_let_records_go_on() {
    let world = with_log(vec![Entry::new("a", 3, 0)]);
    world.borrow_mut().timer_retries.insert(b"a".to_vec(), 1);
    let (mut driver, _) = started(Rig::counter(PROCESSING), &world);
    turns(&mut driver, 2);
    world.borrow().clock.pass(SILENCE_MS);
    world.borrow_mut().logs.get_mut(&partition(0)).expect("a log").push(Entry::new("b", 1, 0));
    turns(&mut driver, 1);
    assert_eq!(keys_and_values(&world), [("a".to_owned(), 3), ("b".to_owned(), 1)]);
    turns(&mut driver, 1);
    assert_eq!(fired(&world), ["a"]);
}

#[test]
fn a_flood_of_timers_is_committed_a_part_at_a_time() {
    let world = with_log(silent(3000));
    world.borrow_mut().batch = BatchSize::Of(4000);
    // Less than one call with 1000 timers writes.
    let rig =
        Rig::counter(EVENT).commit_every(Duration::from_secs(1000), 1_000_000).overlay_bytes_max(15_000);
    let (mut driver, _) = started(rig, &world);
    turns(&mut driver, 30);
    assert_eq!(world.borrow().transactions, 4, "the records before, and each call");
    driver.drain().expect("drained");
    assert_eq!(fired(&world), (0..3000).map(|index| format!("k{index:04}")).collect::<Vec<_>>());
    assert_eq!(keys_and_values(&world).last(), Some(&("end".to_owned(), 14)), "the records behind come last");
}
