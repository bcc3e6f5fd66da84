//! Attacks on keyed state and timers meet their limit with the right error; the state that was lent
//! comes back, and a healthy guest of the same host keeps working.

mod wasm_guests;

use std::time::Duration;

use wasm_guests::attacks::Call;
use wasm_guests::attacks::Host;
use wasm_guests::attacks::limits;
use wasmill::model::state::StateTimes;
use wasmill::model::state::StoreIndex;
use wasmill::pipeline::ports::Guest;
use wasmill::pipeline::ports::InvokeFailure;
use wasmill::pipeline::state_ports::TaskState;
use wasmill::wasm::guest::WasmGuest;

#[test]
fn floods_of_writes_meet_the_state_limit() {
    let mut host = Host::new();
    for name in ["state_flood", "state_weightless", "timer_flood"] {
        let failure = host.attack(name, limits(|l| l.state_bytes_per_batch_max = 1 << 20));
        let InvokeFailure::StateLimit { limit_bytes } = failure else { panic!("{name}: {failure:?}") };
        assert_eq!(limit_bytes, 1 << 20, "{name}");
    }
}

#[test]
fn values_beyond_the_guests_memory_meet_the_memory_limit() {
    let failure = Host::new().attack("read_flood", |_| ());
    assert!(
        matches!(failure, InvokeFailure::Memory { limit_bytes } if limit_bytes == 64 << 20),
        "{failure:?}"
    );
}

#[test]
fn the_deadline_comes_in_the_middle_of_a_call_too() {
    let mut host = Host::new();
    let component = host.loader.load(&wasm_guests::hostile_guest("read_many")).expect("loads");
    let mut state = wasm_guests::state(&component, StateTimes::default());
    // A disk so slow that the keys would take most of a minute.
    state.answer_after(Duration::from_millis(20));
    let mut spec = wasm_guests::spec(component);
    spec.limits.invocation_ms_max = 50;
    let mut guest = WasmGuest::new(spec).expect("a guest");
    let mut slot = wasm_guests::slot(&state);
    let failure = guest.invoke(&wasm_guests::raw_batch(1), &mut slot).map(|_| ()).expect_err("too long");
    assert!(matches!(failure, InvokeFailure::Deadline { limit_ms: 50, .. }), "{failure:?}");
    assert!(slot.is_some(), "the state is back");
    state.undo();
    host.check_healthy("read_many");
}

#[test]
fn what_breaks_the_rules_is_refused_as_a_value() {
    let mut host = Host::new();
    for (name, message) in [
        ("huge_key", "key 0 is no state key: it has 4097 bytes; expected at most 4096"),
        ("huge_value", "value 0 has 1048576 bytes; expected at most 1043456"),
        (
            "state_bad_offsets",
            "entry 1 reaches from 5 to 2; expected ascending offsets within the 8 bytes of data",
        ),
        (
            "state_offsets_beyond",
            "entry 0 reaches from 0 to 2147483647; expected ascending offsets within the 8 bytes of data",
        ),
        (
            "state_bad_count",
            "there are 8 bytes of offsets; expected 17179869184, 4 for each of the 4294967295 entries and 4 more",
        ),
        (
            "state_bad_validity",
            "there are 1 bytes of validity; expected none, or one bit for each of the 9 entries",
        ),
        ("state_absent_key", "key 1 is absent"),
        ("state_bad_key", "key 0 is no state key: it says that `key` has 5 bytes, but only 3 follow"),
        ("state_value_count", "there are 2 values for 1 keys; expected one for each"),
        ("state_wrong_body", "value 1 is none of the store `blobs`"),
        ("unknown_store", "unknown-store"),
        ("scan_without_limit", "the limit is 0; expected 1 to 10000"),
        ("scan_over_limit", "the limit is 10001; expected 1 to 10000"),
        ("scan_undeclared", "the store `longs` is not declared with `scan`"),
        ("scan_bad_cursor", "`cursor` has 5000 bytes; expected at most 4096"),
        ("timer_undeclared", "not-declared"),
        ("timer_huge_tag", "tag 0 has 257 bytes; expected at most 256"),
        ("timer_huge_key", "key 0 has 4097 bytes; expected at most 4096"),
        ("timer_bad_times", "`times` has 11 bytes; expected 8 for each of the 1 keys"),
        ("timer_tag_count", "there are 3 tags for 1 keys; expected one for each"),
    ] {
        let failure = host.attack(name, |_| ());
        let InvokeFailure::Fatal(found) = &failure else { panic!("{name}: {failure:?}") };
        assert!(found.contains(message), "{name}: {found}");
    }
}

#[test]
fn nothing_of_a_refused_write_is_done() {
    let host = Host::new();
    let component = host.loader.load(&wasm_guests::hostile_guest("state_wrong_body")).expect("loads");
    let mut state = wasm_guests::state(&component, StateTimes::default());
    let mut guest = wasm_guests::guest(component);
    guest
        .invoke(&wasm_guests::raw_batch(1), &mut wasm_guests::slot(&state))
        .map(|_| ())
        .expect_err("refused");
    state.keep();
    assert_eq!(state.overlay_bytes(), 0, "the first of the two values was right");
}

#[test]
fn state_and_timers_are_refused_before_the_first_batch() {
    let mut host = Host::new();
    for (name, message) in [
        ("state_in_open", "`open` failed: state can only be used during `process` and `on-timers`"),
        (
            "timers_in_open",
            "`open` failed: timers can only be registered and cancelled during `process` and `on-timers`",
        ),
    ] {
        let failure = host.attack(name, |_| ());
        let InvokeFailure::Fatal(found) = &failure else { panic!("{name}: {failure:?}") };
        assert_eq!(found, message, "{name}");
    }
    // Loading fails unless both are refused, and neither with a trap.
    host.loader.load(&wasm_guests::hostile_guest("state_in_describe")).expect("loads");
}

#[test]
fn an_allocator_that_calls_back_is_a_trap() {
    let failure = Host::new().attack("reentrant_allocator", |_| ());
    let InvokeFailure::Trap { message, .. } = &failure else { panic!("{failure:?}") };
    assert!(message.contains("cannot leave component instance"), "{message}");
}

#[test]
fn timers_that_fire_meet_the_limits_of_a_batch() {
    let mut host = Host::new();
    let failure = host.attack_by(Call::OnTimers, "trap_in_on_timers", |_| ());
    let InvokeFailure::Trap { message, backtrace } = failure else { panic!("{failure:?}") };
    assert!(message.contains("unreachable"), "{message}");
    assert!(backtrace.contains("innermost"), "{backtrace}");
    let failure = host.attack_by(Call::OnTimers, "spin_in_on_timers", limits(|l| l.invocation_ms_max = 50));
    assert!(matches!(failure, InvokeFailure::Deadline { limit_ms: 50, .. }), "{failure:?}");
    let flood = limits(|l| l.output_bytes_per_batch_max = 1 << 20);
    let failure = host.attack_by(Call::OnTimers, "emit_flood_in_on_timers", flood);
    assert!(
        matches!(failure, InvokeFailure::Output { limit_bytes } if limit_bytes == 1 << 20),
        "{failure:?}"
    );
    let failure = host.attack_by(Call::OnTimers, "bad_sources_in_on_timers", |_| ());
    let InvokeFailure::Fatal(message) = &failure else { panic!("{failure:?}") };
    assert_eq!(message, "entry 0 is row 2, but the batch has 2 rows");
}

#[test]
fn what_a_trap_leaves_behind_can_be_undone() {
    let host = Host::new();
    let component = host.loader.load(&wasm_guests::hostile_guest("trap_in_on_timers")).expect("loads");
    let mut state = wasm_guests::state(&component, StateTimes::default());
    let mut guest = wasm_guests::guest(component);
    let mut slot = wasm_guests::slot(&state);
    guest.fire(&wasm_guests::fired(&[b"a"]), &mut slot).map(|_| ()).expect_err("traps");
    slot.expect("the state is back").undo();
    state.keep();
    state.committed(&[]);
    assert!(state.committed_entries(StoreIndex(0)).is_empty());
}
