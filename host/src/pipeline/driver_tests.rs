//! What the core promises, against a world in memory.

use crate::model::position::Offset;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::TestDriver;
use crate::pipeline::fakes::assigned;
use crate::pipeline::fakes::driver;
use crate::pipeline::fakes::letters;
use crate::pipeline::fakes::partition;
use crate::pipeline::fakes::records::Numbers;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::world;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::ports::TopicIndex;

fn feed(world: &Shared, records: Numbers) {
    world.borrow_mut().events.push_back(SourceEvent::Records(records));
}

fn turns(driver: &mut TestDriver, count: usize) {
    for _ in 0..count {
        driver.turn().expect("turn");
    }
}

fn committed(world: &Shared, topic: TopicIndex) -> Vec<i64> {
    let world = world.borrow();
    world.committed.iter().filter(|sent| sent.topic == topic).map(|sent| sent.value.expect("value")).collect()
}

fn offset(world: &Shared, number: i32) -> Option<Offset> {
    world.borrow().committed_offsets.get(&partition(number)).copied()
}

#[test]
fn outputs_and_offsets_are_committed_together_in_order() {
    let world = world(|_| {});
    let mut driver = driver(&world, letters());
    feed(&world, Numbers::new(0, 0, 0..100));
    turns(&mut driver, 1);
    assert_eq!(committed(&world, OUTPUT), (0..100).collect::<Vec<_>>());
    assert_eq!(offset(&world, 0), Some(Offset(100)));
    assert_eq!(world.borrow().transactions, 1);
}

#[test]
fn a_bad_record_of_any_kind_leaves_its_neighbours_in_order() {
    for at in [0, 1, 49, 98, 99] {
        for kind in ["trap", "reject", "decode", "encode"] {
            let world = world(|w| {
                let set = match kind {
                    "trap" => &mut w.traps,
                    "reject" => &mut w.rejects,
                    "decode" => &mut w.undecodable,
                    _ => &mut w.unencodable,
                };
                set.insert(at);
            });
            let mut driver = driver(&world, letters());
            feed(&world, Numbers::new(0, 0, 0..100));
            turns(&mut driver, 2);
            let expected: Vec<i64> = (0..100).filter(|v| *v != at).collect();
            assert_eq!(committed(&world, OUTPUT), expected, "{kind} at {at}");
            assert_eq!(committed(&world, LETTERS), [at], "{kind} at {at}");
            assert_eq!(offset(&world, 0), Some(Offset(100)));
            let world = world.borrow();
            let letter = world.committed.iter().find(|sent| sent.topic == LETTERS).expect("a letter");
            assert_eq!(letter.headers.first().map(String::as_str), Some("own"), "its own headers come first");
            assert!(world.calls < 20, "{} invocations to find one record of 100", world.calls);
        }
    }
}

#[test]
fn a_record_that_the_broker_refuses_becomes_a_dead_letter_on_the_second_pass() {
    let world = world(|w| {
        w.broker_refuses.insert((OUTPUT.0, 3));
    });
    let mut driver = driver(&world, letters());
    feed(&world, Numbers::new(0, 0, 0..6));
    turns(&mut driver, 1);
    assert_eq!(world.borrow().aborts, 1);
    assert!(world.borrow().sought.contains(&(partition(0), Offset(0))), "back to the last commit");
    feed(&world, Numbers::new(0, 0, 0..6));
    turns(&mut driver, 1);
    assert_eq!(committed(&world, OUTPUT), [0, 1, 2, 4, 5]);
    assert_eq!(committed(&world, LETTERS), [3]);
}

#[test]
fn a_refusal_that_is_known_before_the_commit_is_remembered_too() {
    let world = world(|w| {
        w.broker_refuses.extend([(OUTPUT.0, 1), (OUTPUT.0, 3)]);
        w.refuses_early = true;
    });
    let mut driver = driver(&world, letters());
    for _ in 0..3 {
        feed(&world, Numbers::new(0, 0, 0..6));
        turns(&mut driver, 1);
    }
    assert_eq!(world.borrow().aborts, 2, "one a refused record, and the driver goes on");
    assert_eq!(committed(&world, OUTPUT), [0, 2, 4, 5]);
    assert_eq!(committed(&world, LETTERS), [1, 3]);
}

#[test]
fn a_letter_that_the_broker_refuses_goes_without_its_value() {
    let world = world(|w| {
        w.traps.insert(3);
        w.broker_refuses.insert((LETTERS.0, 3));
    });
    let mut driver = driver(&world, letters());
    feed(&world, Numbers::new(0, 0, 0..6));
    turns(&mut driver, 1);
    feed(&world, Numbers::new(0, 0, 0..6));
    turns(&mut driver, 1);
    assert_eq!(committed(&world, OUTPUT), [0, 1, 2, 4, 5]);
    let world = world.borrow();
    let letter = world.committed.iter().find(|sent| sent.topic == LETTERS).expect("a letter");
    assert_eq!(letter.value, None);
    assert!(letter.headers.contains(&"omitted".to_owned()), "{:?}", letter.headers);
}

#[test]
fn a_letter_that_the_broker_refuses_keeps_its_cause() {
    for kind in ["trap", "decode", "output"] {
        let world = world(|w| {
            match kind {
                "trap" => _ = w.traps.insert(3),
                "decode" => _ = w.undecodable.insert(3),
                _ => _ = w.broker_refuses.insert((OUTPUT.0, 3)),
            }
            w.broker_refuses.insert((LETTERS.0, 3));
        });
        let mut driver = driver(&world, letters());
        // A pass for the output that is refused, one for the letter.
        for _ in 0..if kind == "output" { 3 } else { 2 } {
            feed(&world, Numbers::new(0, 0, 0..6));
            turns(&mut driver, 1);
        }
        assert_eq!(offset(&world, 0), Some(Offset(6)), "{kind}");
        let world = world.borrow();
        let letter = world.committed.iter().find(|sent| sent.topic == LETTERS).expect("a letter");
        let code = match kind {
            "trap" => "guest-trap",
            "decode" => "avro-invalid",
            _ => "record-too-large",
        };
        assert!(letter.headers.contains(&code.to_owned()), "{kind}: {:?}", letter.headers);
    }
}

#[test]
fn a_letter_that_is_refused_without_its_value_too_stops_the_pipeline() {
    let world = world(|w| {
        w.traps.insert(3);
        w.refuses_every_letter = true;
    });
    let mut driver = driver(&world, letters());
    feed(&world, Numbers::new(0, 0, 0..6));
    turns(&mut driver, 1);
    feed(&world, Numbers::new(0, 0, 0..6));
    let failure = driver.turn().expect_err("nothing is left to leave out");
    let DriverFailure::Stop(stop) = failure else { panic!("{failure:?}") };
    assert_eq!(stop.code.0, "dead-letter-refused");
    assert!(stop.message.contains("offset 3 of in-0"), "{}", stop.message);
    driver.abandon();
    assert_eq!(committed(&world, OUTPUT), Vec::<i64>::new());
    assert_eq!(offset(&world, 0), Some(Offset(0)), "nothing is lost");
}

#[test]
fn a_missing_schema_stops_its_own_partition_only() {
    let world = world(|w| {
        w.pending.insert(0, 1);
    });
    let mut driver = assigned(&world, Rig::echo().policy(letters()).test_clock());
    feed(&world, Numbers::new(0, 0, [1, 2]));
    feed(&world, Numbers::new(1, 0, [10, 20]));
    turns(&mut driver, 2);
    assert!(world.borrow().paused.contains(&partition(0)));
    assert_eq!(committed(&world, OUTPUT), [10, 20]);
    turns(&mut driver, 2);
    assert_eq!(committed(&world, OUTPUT), [10, 20], "it is not asked for again at once");
    world.borrow().clock.pass(1_000);
    turns(&mut driver, 2);
    assert_eq!(committed(&world, OUTPUT), [10, 20, 1, 2]);
    assert!(world.borrow().paused.is_empty(), "resumed");
}

#[test]
fn a_retry_is_tried_again_and_set_aside_after_its_attempts() {
    let world = world(|w| {
        w.retries.insert(2, 2);
        w.retries.insert(5, u32::MAX);
    });
    let mut driver = driver(&world, letters());
    feed(&world, Numbers::new(0, 0, [1, 2, 3]));
    turns(&mut driver, 4);
    assert_eq!(committed(&world, OUTPUT), [1, 2, 3], "passes after two waits");
    feed(&world, Numbers::new(0, 3, [4, 5, 6]));
    turns(&mut driver, 8);
    assert_eq!(committed(&world, OUTPUT), [1, 2, 3, 4, 6]);
    assert_eq!(committed(&world, LETTERS), [5]);
}

#[test]
fn under_the_policy_stop_the_pipeline_stops_before_the_record() {
    let world = world(|w| {
        w.traps.insert(2);
    });
    let mut driver = driver(&world, BadRecordPolicy::Stop);
    feed(&world, Numbers::new(0, 0, 0..4));
    let failure = driver.turn().expect_err("a bad record");
    let DriverFailure::Stop(stop) = failure else { panic!("{failure:?}") };
    assert_eq!(stop.code.0, "bad-record");
    assert!(stop.message.contains("offset 2 of in-0"), "{}", stop.message);
    driver.abandon();
    assert_eq!(committed(&world, OUTPUT), [0, 1], "what came before is kept");
    assert_eq!(offset(&world, 0), Some(Offset(2)));
}

#[test]
fn an_aborted_transaction_leaves_nothing_and_is_done_again() {
    let world = world(|w| w.commit_aborts = 1);
    let mut driver = driver(&world, letters());
    feed(&world, Numbers::new(0, 0, 0..3));
    turns(&mut driver, 1);
    assert_eq!(committed(&world, OUTPUT), Vec::<i64>::new());
    assert_eq!(offset(&world, 0), Some(Offset(0)));
    feed(&world, Numbers::new(0, 0, 0..3));
    turns(&mut driver, 1);
    assert_eq!(committed(&world, OUTPUT), [0, 1, 2]);
}

#[test]
fn a_worker_that_is_no_longer_a_member_commits_nothing() {
    let world = world(|_| {});
    let mut driver = driver(&world, letters());
    world.borrow_mut().owned = false;
    feed(&world, Numbers::new(0, 0, 0..3));
    turns(&mut driver, 1);
    assert_eq!(committed(&world, OUTPUT), Vec::<i64>::new());
    assert_eq!(world.borrow().aborts, 1);
}

#[test]
fn lost_partitions_take_the_open_transaction_with_them() {
    let world = world(|w| {
        w.pending.insert(0, u32::MAX);
    });
    let mut driver = driver(&world, letters());
    feed(&world, Numbers::new(0, 0, 0..3));
    world.borrow_mut().events.push_back(SourceEvent::Lost(vec![partition(0), partition(1)]));
    turns(&mut driver, 2);
    assert_eq!(world.borrow().released, [partition(0), partition(1)]);
    feed(&world, Numbers::new(0, 3, 3..6));
    turns(&mut driver, 1);
    assert_eq!(committed(&world, OUTPUT), Vec::<i64>::new(), "records of a lost partition are ignored");
}
