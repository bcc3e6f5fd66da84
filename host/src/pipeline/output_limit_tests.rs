//! Batches that would write too much: made smaller, until one record, or one timer, is to blame alone.

use crate::model::limits::HEADER_BYTES;
use crate::model::state::TimeDomain;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::SILENCE_MS;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::partition;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::world;
use crate::pipeline::ports::SourceEvent;

/// What the one header of an [`Entry`], `own`, counts.
const OWN_BYTES: u64 = HEADER_BYTES + 3;

fn with_log(log: Vec<Entry>) -> Shared {
    world(|world| {
        world.logs.insert(partition(0), log);
        world.events.push_back(SourceEvent::Assigned(vec![partition(0)]));
    })
}

fn run(rig: Rig, world: &Shared) {
    let mut driver = rig.join(world);
    for _ in 0..4 {
        driver.turn().expect("turn");
    }
}

fn outputs(world: &Shared) -> Vec<i64> {
    world.borrow().committed_to(OUTPUT).map(|sent| sent.value.expect("a value")).collect()
}

/// Code of each dead letter, which comes after the record's own header.
fn letters(world: &Shared) -> Vec<String> {
    world.borrow().committed_to(LETTERS).map(|sent| sent.headers.join(" ")).collect()
}

fn keys(lens: &[usize]) -> Vec<Entry> {
    (0..).zip(lens).map(|(n, len)| Entry::new(&"k".repeat(*len), n, n)).collect()
}

#[test]
fn a_batch_that_is_too_large_once_encoded_is_made_smaller() {
    let world = with_log(keys(&[1; 8]));
    // Two values of eight bytes.
    world.borrow_mut().encoded_bytes_max = Some(16);
    run(Rig::echo(), &world);
    assert_eq!(outputs(&world), (0..8).collect::<Vec<_>>());
    assert!(letters(&world).is_empty());
    assert_eq!(world.borrow().calls, 7, "eight, four, two, two, four, two, two");
}

#[test]
fn a_record_whose_outputs_alone_are_too_large_once_encoded_is_set_aside() {
    for (rig, is_stateful) in [(Rig::echo(), false), (Rig::counter(TimeDomain::Processing), true)] {
        let world = with_log(keys(&[1, 2, 3]));
        world.borrow_mut().encoded_bytes_max = Some(7);
        run(rig, &world);
        assert!(outputs(&world).is_empty(), "stateful: {is_stateful}");
        assert_eq!(letters(&world), ["own encode-too-large"; 3], "stateful: {is_stateful}");
    }
}

#[test]
fn a_batch_that_takes_over_too_much_from_its_sources_is_made_smaller() {
    let world = with_log(keys(&[100; 8]));
    run(Rig::echo().inherited_bytes_max(2 * (100 + OWN_BYTES)), &world);
    assert_eq!(outputs(&world), (0..8).collect::<Vec<_>>());
    assert!(letters(&world).is_empty());
    assert_eq!(world.borrow().calls, 7);
}

#[test]
fn one_large_source_among_small_ones_is_no_reason_to_make_a_batch_smaller() {
    let world = with_log(keys(&[1, 1, 100, 1]));
    run(Rig::echo().inherited_bytes_max(103 + 4 * OWN_BYTES), &world);
    assert_eq!(outputs(&world), [0, 1, 2, 3]);
    assert_eq!(world.borrow().calls, 1);
}

#[test]
fn a_record_from_which_too_much_is_taken_over_is_set_aside_alone() {
    for (rig, is_stateful) in [(Rig::echo(), false), (Rig::counter(TimeDomain::Processing), true)] {
        let world = with_log(keys(&[1, 2, 300, 3]));
        run(rig.inherited_bytes_max(150), &world);
        assert_eq!(outputs(&world), [0, 1, 3], "stateful: {is_stateful}");
        assert_eq!(letters(&world), ["own guest-output-limit"], "stateful: {is_stateful}");
    }
}

#[test]
fn timers_are_fired_in_smaller_calls_until_one_is_to_blame() {
    for is_inherited in [true, false] {
        let world = with_log(keys(&[60, 61, 62]));
        let mut driver =
            Rig::counter(TimeDomain::Processing).inherited_bytes_max(62 + OWN_BYTES).join(&world);
        let mut turns = |count| (0..count).for_each(|_| driver.turn().map(|_| ()).expect("turn"));
        turns(2);
        assert_eq!(outputs(&world), [0, 1, 2], "a record has a header, so that only one fits");
        if !is_inherited {
            world.borrow_mut().encoded_bytes_max = Some(7);
        }
        world.borrow().clock.pass(SILENCE_MS);
        turns(2);
        assert_eq!(world.borrow().fires, 5, "three, one, two, one, one");
        if is_inherited {
            assert_eq!(outputs(&world), [0, 1, 2, 0, -1, -2]);
            assert!(letters(&world).is_empty());
        } else {
            assert_eq!(outputs(&world), [0, 1, 2]);
            assert_eq!(letters(&world), ["encode-too-large VALUE_ENCODE"; 3]);
        }
    }
}
