//! Keyed state in the loop of a worker: restored, committed, dropped, given back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::binaries::BinariesBuf;
use crate::model::ids::PortIndex;
use crate::model::pipeline_spec::Start;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::state::StateTimes;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::status::TaskStatus;
use crate::model::task_phase::TaskPhase;
use crate::pipeline::driver::DriverFailure;
use crate::pipeline::fakes::BatchSize;
use crate::pipeline::fakes::CHANGELOG;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::TestDriver;
use crate::pipeline::fakes::UNENCODABLE;
use crate::pipeline::fakes::counter::avro;
use crate::pipeline::fakes::counter::from_avro;
use crate::pipeline::fakes::counter::state_key;
use crate::pipeline::fakes::keeper::disk_full;
use crate::pipeline::fakes::partition;
use crate::pipeline::fakes::partition_of;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::world;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::settings::InputRole;
use crate::pipeline::state_ports::TaskState;
use crate::pipeline::status::StatusBoard;

const EVENT: TimeDomain = TimeDomain::Event;

/// Records of the keys in turn, each with the value 1, a millisecond apart.
fn ones(keys: &[&str], count: usize) -> Vec<Entry> {
    (0..count).map(|index| Entry::new(keys[index % keys.len()], 1, index as i64)).collect()
}

fn with_logs(logs: &[(TopicPartition, Vec<Entry>)]) -> Shared {
    world(|world| world.logs.extend(logs.iter().cloned()))
}

fn assign(world: &Shared, partitions: &[TopicPartition]) {
    world.borrow_mut().events.push_back(SourceEvent::Assigned(partitions.to_vec()));
}

fn turns(driver: &mut TestDriver, count: usize) {
    for _ in 0..count {
        driver.turn().expect("turn");
    }
}

fn outputs(world: &Shared) -> Vec<i64> {
    world.borrow().committed_to(OUTPUT).map(|sent| sent.value.expect("a value")).collect()
}

fn letters(world: &Shared) -> Vec<Vec<String>> {
    world.borrow().committed_to(LETTERS).map(|sent| sent.headers.clone()).collect()
}

/// What is committed in the state of a partition that is out.
fn sums(world: &Shared, number: i32) -> BTreeMap<Vec<u8>, i64> {
    let world = world.borrow();
    let keeper = world.keeper.lock();
    let entries = keeper.live[&Partition(number)].committed_entries(StoreIndex(0));
    entries.into_iter().map(|(key, value)| (key, from_avro(&value))).collect()
}

fn closed(world: &Shared) -> Vec<(i32, bool)> {
    world.borrow().keeper.lock().closed.iter().map(|(number, state)| (number.0, *state)).collect()
}

fn opened(world: &Shared) -> Vec<(i32, Vec<(PortIndex, Offset)>)> {
    world.borrow().keeper.lock().opened.iter().map(|(number, at)| (number.0, at.clone())).collect()
}

fn committed(world: &Shared, partition: &TopicPartition) -> Option<i64> {
    world.borrow().committed_offsets.get(partition).map(|offset| offset.0)
}

fn task(status: &StatusBoard, partition: &TopicPartition) -> TaskStatus {
    status.read().tasks.into_iter().find(|task| task.partition == *partition).expect("a task")
}

/// A driver of the counter with these partitions, one turn after their assignment.
fn counter(world: &Shared, partitions: &[TopicPartition]) -> (TestDriver, StatusBoard) {
    started(Rig::counter(EVENT), world, partitions)
}

fn started(rig: Rig, world: &Shared, partitions: &[TopicPartition]) -> (TestDriver, StatusBoard) {
    assign(world, partitions);
    let status = rig.status.clone();
    let mut driver = rig.join(world);
    driver.turn().expect("assigned");
    (driver, status)
}

#[test]
fn a_task_is_paused_until_its_state_is_there() {
    let world = with_logs(&[(partition(0), ones(&["a", "b"], 10))]);
    world.borrow().keeper.lock().rounds = 2;
    let (mut driver, status) = counter(&world, &[partition(0)]);
    assert!(world.borrow().paused.contains(&partition(0)));
    assert_eq!(opened(&world), [(0, vec![(PortIndex(0), Offset(0))])]);
    turns(&mut driver, 1);
    let restoring = task(&status, &partition(0));
    assert_eq!(restoring.phase, TaskPhase::Restoring);
    assert_eq!(restoring.restore.and_then(|progress| progress.records_left), Some(2));
    let waited = *world.borrow().waits.last().expect("a poll");
    assert!(waited > Duration::ZERO && waited <= Duration::from_millis(50), "{waited:?}");
    assert_eq!(outputs(&world), Vec::<i64>::new());
    turns(&mut driver, 3);
    let running = task(&status, &partition(0));
    assert_eq!((running.phase, running.restore), (TaskPhase::Running, None));
    assert!(world.borrow().paused.is_empty());
    assert_eq!(outputs(&world), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
}

#[test]
fn outputs_offsets_and_changes_are_committed_together() {
    let world = with_logs(&[(partition(0), ones(&["a"], 3))]);
    world.borrow_mut().commit_aborts = 1;
    let (mut driver, _) = counter(&world, &[partition(0)]);
    turns(&mut driver, 1);
    assert_eq!(world.borrow().aborts, 1);
    assert_eq!((outputs(&world), sums(&world, 0)), (vec![], BTreeMap::new()), "an abort leaves nothing");
    assert_eq!(committed(&world, &partition(0)), Some(0));
    turns(&mut driver, 1);
    assert_eq!(outputs(&world), [1, 2, 3]);
    assert_eq!(sums(&world, 0), BTreeMap::from([(state_key(b"a"), 3)]));
    assert_eq!(committed(&world, &partition(0)), Some(3));
    let world = world.borrow();
    let changes: Vec<_> = world.committed.iter().filter(|sent| sent.topic == CHANGELOG).collect();
    assert_eq!(changes.len(), 1, "one record a key and transaction");
    assert_eq!((changes[0].partition, changes[0].bytes.as_deref()), (Partition(0), Some(&avro(3)[..])));
    let offsets = world.keeper.lock().live[&Partition(0)].committed_offsets();
    assert_eq!(offsets, BTreeMap::from([(PortIndex(0), Offset(3))]));
}

#[test]
fn a_worker_that_is_no_longer_a_member_leaves_the_state_as_it_was() {
    let world = with_logs(&[(partition(0), ones(&["a"], 3))]);
    let (mut driver, _) = counter(&world, &[partition(0)]);
    world.borrow_mut().owned = false;
    turns(&mut driver, 1);
    assert_eq!((outputs(&world), sums(&world, 0)), (vec![], BTreeMap::new()));
}

#[test]
fn a_refused_change_stops_the_pipeline_and_never_becomes_a_dead_letter() {
    for refuses_early in [false, true] {
        let world = with_logs(&[(partition(0), ones(&["a", "b"], 3))]);
        world.borrow_mut().broker_refuses_keys.insert((CHANGELOG.0, state_key(b"a")));
        world.borrow_mut().refuses_early = refuses_early;
        let (mut driver, _) = counter(&world, &[partition(0)]);
        let failure = driver.turn().expect_err("a refused change");
        let DriverFailure::Stop(stop) = failure else { panic!("{failure:?}") };
        assert_eq!(stop.code.0, "changelog-refused");
        assert!(stop.message.contains("group.sums.changelog-0"), "{}", stop.message);
        driver.abandon();
        assert_eq!((outputs(&world), letters(&world).len()), (vec![], 0));
        assert_eq!(closed(&world), [(0, true)]);
    }
}

#[test]
fn a_state_that_fails_is_restored_anew_while_others_go_on() {
    let world = with_logs(&[(partition(0), ones(&["a"], 2)), (partition(1), ones(&["b"], 2))]);
    let (mut driver, status) = counter(&world, &[partition(0), partition(1)]);
    turns(&mut driver, 4);
    world.borrow().keeper.lock().live[&Partition(0)].fail_next(disk_full(Partition(0)));
    for number in [0, 1] {
        let more = ones(&["a"], 2);
        world.borrow_mut().logs.get_mut(&partition(number)).expect("a log").extend(more);
    }
    turns(&mut driver, 4);
    assert_eq!(closed(&world), [(0, true)]);
    let failed = task(&status, &partition(0));
    assert_eq!(failed.phase, TaskPhase::Restoring);
    let waiting = failed.waiting.expect("says why");
    assert_eq!(
        (waiting.code.0, waiting.reason.as_str()),
        ("disk-full", "state of partition 0: no space left")
    );
    assert_eq!(status.read().errors.last().map(|error| error.code.0), Some("disk-full"));
    assert_eq!((committed(&world, &partition(0)), committed(&world, &partition(1))), (Some(2), Some(4)));
    world.borrow().clock.pass(200);
    turns(&mut driver, 3);
    assert_eq!(opened(&world).len(), 3);
    assert_eq!(committed(&world, &partition(0)), Some(4));
    assert_eq!(sums(&world, 0), BTreeMap::from([(state_key(b"a"), 4)]));
}

#[test]
fn a_restore_that_fails_is_tried_again_later_each_time() {
    let world = with_logs(&[(partition(0), ones(&["a"], 2))]);
    world.borrow().keeper.lock().failures = 2;
    let (mut driver, status) = counter(&world, &[partition(0)]);
    turns(&mut driver, 5);
    assert_eq!(opened(&world).len(), 1, "not before its time");
    let wait = *world.borrow().waits.last().expect("a poll");
    assert!(wait >= Duration::from_millis(40), "{wait:?}: no busy loop");
    assert_eq!(task(&status, &partition(0)).waiting.map(|waiting| waiting.code.0), Some("disk-full"));
    world.borrow().clock.pass(100);
    turns(&mut driver, 2);
    assert_eq!(opened(&world).len(), 2);
    world.borrow().clock.pass(200);
    turns(&mut driver, 3);
    assert_eq!(outputs(&world), [1, 2]);
    assert_eq!(task(&status, &partition(0)).phase, TaskPhase::Running);
    assert_eq!(task(&status, &partition(0)).waiting, None);
}

#[test]
fn a_revoked_task_commits_first_and_gives_its_state_back() {
    let world = with_logs(&[(partition(0), ones(&["a"], 2)), (partition(1), ones(&["b"], 2))]);
    let rig = Rig::counter(EVENT).commit_every(Duration::from_secs(100), 1000);
    let (mut driver, status) = started(rig, &world, &[partition(0), partition(1)]);
    turns(&mut driver, 2);
    assert_eq!(outputs(&world), Vec::<i64>::new(), "the cycle is open");
    world.borrow_mut().events.push_back(SourceEvent::Revoked(vec![partition(0)]));
    turns(&mut driver, 1);
    assert_eq!(outputs(&world), [1, 2, 1, 2]);
    assert_eq!(closed(&world), [(0, true)]);
    assert_eq!(status.read().tasks.len(), 1);
    assert_eq!(sums(&world, 1), BTreeMap::from([(state_key(b"b"), 2)]));
    driver.drain().expect("drained");
    assert_eq!(closed(&world), [(0, true), (1, true)]);
}

#[test]
fn a_revoked_task_ends_its_restore() {
    let world = with_logs(&[(partition(0), ones(&["a"], 2))]);
    world.borrow().keeper.lock().rounds = 1000;
    let (mut driver, _) = counter(&world, &[partition(0)]);
    world.borrow_mut().events.push_back(SourceEvent::Revoked(vec![partition(0)]));
    turns(&mut driver, 2);
    assert_eq!(closed(&world), [(0, false)]);
    assert_eq!(world.borrow().released, [partition(0)]);
}

#[test]
fn a_lost_task_gives_its_state_back_without_the_overlay() {
    let world = with_logs(&[(partition(0), ones(&["a"], 2)), (partition(1), ones(&["b"], 2))]);
    let rig = Rig::counter(EVENT).commit_every(Duration::from_secs(100), 1000);
    let (mut driver, _) = started(rig, &world, &[partition(0), partition(1)]);
    turns(&mut driver, 2);
    world.borrow_mut().events.push_back(SourceEvent::Lost(vec![partition(0)]));
    turns(&mut driver, 1);
    assert_eq!((outputs(&world), closed(&world)), (vec![], vec![(0, true)]));
    assert_eq!(sums(&world, 1), BTreeMap::new());
    turns(&mut driver, 1);
    driver.drain().expect("drained");
    assert_eq!(outputs(&world), [1, 2], "the other's work is done again");
}

#[test]
fn a_driver_that_gives_up_gives_back_committed_state_only() {
    let world = with_logs(&[(partition(0), ones(&["a"], 2))]);
    let rig = Rig::counter(EVENT).commit_every(Duration::from_secs(100), 1000);
    let (mut driver, _) = started(rig, &world, &[partition(0)]);
    turns(&mut driver, 1);
    driver.abandon();
    assert_eq!((outputs(&world), closed(&world)), (vec![], vec![(0, true)]));
}

#[test]
fn a_task_needs_its_partition_of_every_input() {
    let other = partition_of("other", 0);
    let world = with_logs(&[(partition(0), ones(&["a"], 2)), (other.clone(), ones(&["a"], 3))]);
    let rig = Rig::counter(EVENT).input("other", InputRole::Stream);
    let (mut driver, status) = started(rig, &world, &[partition(0)]);
    turns(&mut driver, 2);
    assert!(opened(&world).is_empty());
    let waiting = task(&status, &partition(0)).waiting.expect("says why");
    assert_eq!(waiting.code.0, "input-missing");
    assert!(waiting.reason.contains("partition 0 of `other`"), "{}", waiting.reason);
    assert_eq!(outputs(&world), Vec::<i64>::new());
    assign(&world, std::slice::from_ref(&other));
    turns(&mut driver, 4);
    assert_eq!(opened(&world), [(0, vec![(PortIndex(0), Offset(0)), (PortIndex(1), Offset(0))])]);
    assert_eq!(outputs(&world).len(), 5, "both inputs go on");
    assert_eq!(sums(&world, 0), BTreeMap::from([(state_key(b"a"), 5)]), "and share their state");

    world.borrow_mut().events.push_back(SourceEvent::Revoked(vec![other.clone()]));
    turns(&mut driver, 1);
    assert_eq!(closed(&world), [(0, true)]);
    assert_eq!(task(&status, &partition(0)).phase, TaskPhase::Created);
    assert!(world.borrow().paused.contains(&partition(0)));
    assign(&world, std::slice::from_ref(&other));
    turns(&mut driver, 2);
    assert_eq!(opened(&world)[1], (0, vec![(PortIndex(0), Offset(2)), (PortIndex(1), Offset(3))]));
    assert_eq!(task(&status, &partition(0)).phase, TaskPhase::Running);
}

#[test]
fn streams_begin_when_the_tables_are_read_to_the_ends_that_they_had() {
    let table = partition_of("table", 0);
    let world = with_logs(&[(partition(0), ones(&["a"], 2)), (table.clone(), ones(&["a"], 20))]);
    world.borrow_mut().batch = BatchSize::Of(8);
    // The last record is followed by the marker of a transaction.
    world.borrow_mut().markers = 1;
    let rig = Rig::counter(EVENT).input("table", InputRole::Table);
    let (mut driver, status) = started(rig, &world, &[partition(0), table.clone()]);
    turns(&mut driver, 2);
    assert!(world.borrow().paused.contains(&partition(0)));
    let waiting = task(&status, &partition(0)).waiting.expect("says why");
    assert_eq!(
        (waiting.code.0, waiting.reason.as_str()),
        ("table-filling", "table-0 is read up to offset 21 first")
    );
    turns(&mut driver, 2);
    assert!(!world.borrow().paused.contains(&partition(0)), "the table is read and committed");
    turns(&mut driver, 2);
    let last: Vec<i64> = outputs(&world).into_iter().skip(20).collect();
    assert_eq!(last, [21, 22], "the stream comes behind the table");
    assert_eq!(task(&status, &partition(0)).waiting, None);
}

#[test]
fn streams_wait_until_the_table_is_committed() {
    let table = partition_of("table", 0);
    let world = with_logs(&[(partition(0), ones(&["a"], 2)), (table.clone(), ones(&["a"], 3))]);
    world.borrow_mut().commit_aborts = 3;
    let rig = Rig::counter(EVENT).input("table", InputRole::Table);
    let (mut driver, _) = started(rig, &world, &[partition(0), table.clone()]);
    turns(&mut driver, 9);
    assert_eq!(world.borrow().aborts, 3);
    assert_eq!(outputs(&world), [1, 2, 3, 4, 5], "the table as often as it takes, then the stream");
    let first = world.borrow().watermarks.iter().position(|(_, watermark)| watermark.is_some());
    assert!(first > Some(3), "the stream moves the watermark behind the table: {first:?}");
}

#[test]
fn a_table_that_compaction_has_left_an_empty_end_is_read() {
    let table = partition_of("table", 0);
    let world = with_logs(&[(partition(0), ones(&["a"], 2)), (table.clone(), ones(&["a"], 20))]);
    world.borrow_mut().emptied = 3;
    let rig = Rig::counter(EVENT).input("table", InputRole::Table);
    let (mut driver, _) = started(rig, &world, &[partition(0), table.clone()]);
    turns(&mut driver, 5);
    assert_eq!(outputs(&world).len(), 20, "the table only");
    world.borrow().clock.pass(1_999);
    turns(&mut driver, 3);
    assert_eq!((outputs(&world).len(), world.borrow().asked), (20, 0), "it may still be on its way");
    world.borrow().clock.pass(1);
    turns(&mut driver, 3);
    assert_eq!(world.borrow().asked, 1);
    assert_eq!(outputs(&world)[20..], [21, 22]);
}

#[test]
fn a_table_is_read_from_its_beginning_wherever_the_streams_start() {
    for start in [Start::Latest, Start::Timestamp(3)] {
        let table = partition_of("table", 0);
        let world = with_logs(&[(partition(0), ones(&["a"], 4)), (table.clone(), ones(&["b"], 5))]);
        let rig = Rig::counter(EVENT).input("table", InputRole::Table).start(start.clone());
        let (mut driver, _) = started(rig, &world, &[partition(0), table.clone()]);
        turns(&mut driver, 5);
        let expected: &[i64] = if start == Start::Latest { &[1, 2, 3, 4, 5] } else { &[1, 2, 3, 4, 5, 1] };
        assert_eq!(outputs(&world), expected, "{start:?}");
    }
}

#[test]
fn an_overlay_at_its_limit_commits_early() {
    let keys: Vec<String> = (0..100).map(|index| format!("key-{index}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let world = with_logs(&[(partition(0), ones(&keys, 100))]);
    world.borrow_mut().batch = BatchSize::Of(10);
    let rig = Rig::counter(TimeDomain::Processing)
        .commit_every(Duration::from_secs(100), 1_000_000)
        .overlay_bytes_max(500);
    let (mut driver, _) = started(rig, &world, &[partition(0)]);
    turns(&mut driver, 12);
    let transactions = world.borrow().transactions;
    assert!((3..=10).contains(&transactions), "{transactions} transactions");
    driver.drain().expect("drained");
    assert_eq!(outputs(&world), vec![1; 100]);
}

#[test]
fn an_output_that_cannot_be_encoded_leaves_nothing_in_the_state() {
    let world = with_logs(&[(
        partition(0),
        vec![Entry::new("a", 1, 0), Entry::new("a", 2, 1), Entry::new("a", 3, 2)],
    )]);
    world.borrow_mut().unencodable_inputs.insert(2);
    world.borrow_mut().unencodable.insert(UNENCODABLE);
    let (mut driver, _) = counter(&world, &[partition(0)]);
    turns(&mut driver, 1);
    assert_eq!(outputs(&world), [1, 4]);
    assert_eq!(letters(&world).len(), 1);
    // The first record moves the watermark, which cuts it off.
    assert_eq!(world.borrow().calls, 3, "the window of the others ran once more, without the record");
    assert_eq!(sums(&world, 0), BTreeMap::from([(state_key(b"a"), 4)]));
}

#[test]
fn a_batch_that_writes_too_much_is_split_and_a_record_that_does_is_set_aside() {
    let long = "x".repeat(80);
    let mut log = ones(&["a", "b", "c", "d", "e", "f", "g", "h"], 8);
    log[5] = Entry::new(&long, 1, 5);
    let world = with_logs(&[(partition(0), log)]);
    let rig = Rig::counter(TimeDomain::Processing).bytes_per_batch_max(100);
    let (mut driver, _) = started(rig, &world, &[partition(0)]);
    turns(&mut driver, 1);
    assert_eq!(outputs(&world), vec![1; 7]);
    assert_eq!(letters(&world), [["own", "guest-state-limit"]]);
    assert_eq!(sums(&world, 0).len(), 7);
}

#[test]
fn housekeeping_that_fails_has_the_state_restored() {
    let world = with_logs(&[(partition(0), ones(&["a"], 2))]);
    let (mut driver, status) = counter(&world, &[partition(0)]);
    turns(&mut driver, 2);
    world.borrow().keeper.lock().live[&Partition(0)].fail_next(disk_full(Partition(0)));
    turns(&mut driver, 1);
    assert_eq!(task(&status, &partition(0)).phase, TaskPhase::Restoring);
    world.borrow().clock.pass(200);
    turns(&mut driver, 3);
    assert_eq!(task(&status, &partition(0)).phase, TaskPhase::Running);
    assert_eq!(sums(&world, 0), BTreeMap::from([(state_key(b"a"), 2)]), "all of it is in the changelog");
}

#[test]
fn what_housekeeping_changes_is_committed_without_any_record() {
    let world = with_logs(&[(partition(0), ones(&["a", "b"], 2))]);
    let (mut driver, _) = counter(&world, &[partition(0)]);
    turns(&mut driver, 2);
    let transactions = world.borrow().transactions;
    let mut state = world.borrow().keeper.lock().live[&Partition(0)].clone();
    state.begin(StateTimes::default(), 1000);
    let expired: BinariesBuf = [Some(state_key(b"a"))].into_iter().collect();
    state.delete_many(StoreIndex(0), expired.as_ref()).expect("deleted");
    state.keep();
    turns(&mut driver, 2);
    assert_eq!(world.borrow().transactions, transactions + 1);
    assert_eq!(sums(&world, 0), BTreeMap::from([(state_key(b"b"), 1)]));
    turns(&mut driver, 3);
    assert_eq!(world.borrow().transactions, transactions + 1, "and only once");
}
