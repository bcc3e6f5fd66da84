//! Event time in the loop of a worker, and the arithmetic behind it.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::TimestampMillisecondArray;
use arrow_array::TimestampNanosecondArray;
use arrow_buffer::NullBuffer;
use arrow_schema::Field;
use arrow_schema::Fields;
use proptest::prelude::*;

use crate::model::ids::PortIndex;
use crate::model::ids::SchemaId;
use crate::model::record_batch::Rows;
use crate::model::state::EventClock;
use crate::model::state::TimeDomain;
use crate::pipeline::event_time::EventTimes;
use crate::pipeline::event_time::TimedPart;
use crate::pipeline::event_time::TimedRows;
use crate::pipeline::fakes::BatchSize;
use crate::pipeline::fakes::LATE;
use crate::pipeline::fakes::LETTERS;
use crate::pipeline::fakes::OUTPUT;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::TestDriver;
use crate::pipeline::fakes::partition;
use crate::pipeline::fakes::partition_of;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::records::Numbers;
use crate::pipeline::fakes::rig::Rig;
use crate::pipeline::fakes::rig::event_time;
use crate::pipeline::fakes::world;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::SourceEvent;
use crate::pipeline::sending::SourceRows;
use crate::pipeline::settings::EventTimeSettings;
use crate::pipeline::settings::InputRole;
use crate::pipeline::settings::LatePolicy;
use crate::pipeline::task_time::TaskTime;

const FIRST: PortIndex = PortIndex(0);
const SECOND: PortIndex = PortIndex(1);

fn decoded(value: ArrayRef, schema: Option<SchemaId>) -> Decoded {
    let count = value.len();
    let rows = Rows { count, value: Some(value), ..Rows::default() };
    Decoded { rows, schema, records: (0..count as u32).collect(), bad: Vec::new(), end: count }
}

/// A record of one field; the last row is a tombstone, whatever its field holds.
fn record(field: ArrayRef) -> ArrayRef {
    let fields = Fields::from(vec![Field::new("at", field.data_type().clone(), true)]);
    let valid = (0..field.len()).map(|row| row + 1 < field.len()).collect::<Vec<_>>();
    Arc::new(StructArray::new(fields, vec![field], Some(NullBuffer::from(valid))))
}

fn times_of(value: ArrayRef, schema: Option<SchemaId>) -> Result<Vec<Option<i64>>, String> {
    let settings = EventTimeSettings { field: Some("at".to_owned()), ..event_time(LatePolicy::Process) };
    let decoded = decoded(value, schema);
    let records = Numbers::new(0, 0, 0..decoded.end as i64);
    let times = EventTimes::of(&settings, &records, &decoded).map_err(|stop| stop.message)?;
    Ok(each(&times))
}

fn each(times: &EventTimes) -> Vec<Option<i64>> {
    let time = |row| times.slice(row, 1).max_of(&SourceRows::new(1));
    (0..times.len()).map(time).collect()
}

#[test]
fn event_times_are_read_from_a_field_of_any_unit() {
    let micros = TimestampMicrosecondArray::from(vec![Some(1_999), Some(-1), None, Some(9_000)]);
    let nanos = TimestampNanosecondArray::from(vec![Some(1_999_999), Some(-1), None, Some(9_000_000)]);
    let expected = vec![Some(1), Some(-1), None, None];
    for field in [Arc::new(micros) as ArrayRef, Arc::new(nanos)] {
        assert_eq!(times_of(record(field), None), Ok(expected.clone()));
    }
    let millis = TimestampMillisecondArray::from(vec![Some(1), Some(-1), None, Some(9)]);
    let longs = Int64Array::from(vec![Some(1), Some(-1), None, Some(9)]);
    for field in [Arc::new(millis.with_timezone("+00:00")) as ArrayRef, Arc::new(longs)] {
        assert_eq!(times_of(record(field), None), Ok(expected.clone()));
    }
}

#[test]
fn a_field_that_is_no_time_says_what_was_found() {
    let text = record(Arc::new(StringArray::from(vec!["1", "2"])));
    let error = times_of(text.clone(), None).expect_err("text is no time");
    assert!(
        error.contains("`at`") && error.contains("Utf8") && error.contains("expected a timestamp"),
        "{error}"
    );
    let error = times_of(Arc::new(Int64Array::from(vec![1])), None).expect_err("no record");
    assert!(error.contains("the value is no record"), "{error}");
    assert_eq!(times_of(text, Some(SchemaId(1))), Ok(vec![None, None]), "a topic's schema may be anything");
}

/// Rows 0 to 9 at the raw indexes 0, 2, 4 and so on, with every third one undecodable between them.
fn timed() -> TimedRows {
    let values: ArrayRef = Arc::new(Int64Array::from((0..10).collect::<Vec<i64>>()));
    let numbers = Arc::new(Int64Array::from((0..10).map(|row| row * 2).collect::<Vec<i64>>()));
    let rows = Rows {
        count: 10,
        key: Some(values.clone()),
        value: Some(values.clone()),
        timestamp: Some(numbers.clone()),
        headers: Some(values),
        offset: Some(numbers),
    };
    let records: Vec<u32> = (0..10).map(|row| row * 2).collect();
    let bad = [3, 9, 15].map(|index| {
        let cause = crate::model::failure::BadRecord {
            code: crate::model::failure::Code("avro-invalid"),
            stage: crate::model::failure::Stage::ValueDecode,
            message: String::new(),
            trace: String::new(),
        };
        (index, cause)
    });
    let decoded = Decoded { rows, schema: None, records, bad: bad.into(), end: 21 };
    let settings = event_time(LatePolicy::Process);
    let times = EventTimes::of(&settings, &Numbers::new(0, 0, 0..21), &decoded).expect("times");
    TimedRows::new(decoded, times, 0)
}

fn values(rows: &Rows) -> Vec<i64> {
    let value = rows.value.as_ref().expect("values");
    let roots = [&rows.key, &rows.headers].map(|root| root.as_ref().expect("a root"));
    assert!(roots.iter().all(|root| *root == value), "all roots are of the same rows");
    let numbers = [&rows.timestamp, &rows.offset].map(|root| root.as_ref().expect("a root"));
    assert!(numbers.iter().all(|root| root.len() == rows.count));
    value.as_any().downcast_ref::<Int64Array>().expect("numbers").values().to_vec()
}

#[test]
fn rows_are_split_behind_a_row() {
    let bad = |part: &TimedPart| part.decoded.bad.iter().map(|(index, _)| *index).collect::<Vec<_>>();
    let (first, rest) = timed().split_after(Some(4));
    let rest = rest.expect("a rest");
    assert_eq!((first.decoded.end, rest.range()), (9, 9..21));
    assert_eq!(values(&first.decoded.rows), [0, 1, 2, 3, 4]);
    assert_eq!((first.decoded.records.as_slice(), bad(&first)), (&[0, 2, 4, 6, 8][..], vec![3]));
    assert_eq!(each(&first.times), [0, 2, 4, 6, 8].map(Some));
    assert_eq!(rest.first_from(3), Some(5), "rows that are taken do not count");

    let (second, rest) = rest.split_after(Some(6));
    let rest = rest.expect("a rest");
    assert_eq!(values(&second.decoded.rows), [5, 6]);
    assert_eq!(
        (second.decoded.end, bad(&second), each(&second.times)),
        (13, vec![9], vec![Some(10), Some(12)])
    );
    let (third, rest) = rest.split_after(None);
    assert!(rest.is_none());
    assert_eq!((values(&third.decoded.rows), third.decoded.end, bad(&third)), (vec![7, 8, 9], 21, vec![15]));

    // What is behind the last row is undecodable, and has its turn too.
    let (_, rest) = timed().split_after(Some(9));
    let (last, rest) = rest.expect("records without rows").split_after(None);
    assert_eq!((last.decoded.rows.count, last.decoded.end, rest.is_none()), (0, 21, true));
}

#[test]
fn rows_are_taken_out() {
    let (mut part, _) = timed().split_after(None);
    assert_eq!(part.take_out(&[0, 3, 9]).expect("numbers can be filtered"), [0, 6, 18]);
    assert_eq!(values(&part.decoded.rows), [1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(part.decoded.records, [2, 4, 8, 10, 12, 14, 16]);
    assert_eq!(each(&part.times), [2, 4, 8, 10, 12, 14, 16].map(Some));
}

fn task_time(inputs: &[(PortIndex, EventTimeSettings)]) -> (TaskTime, Instant) {
    let now = Instant::now();
    (TaskTime::new(inputs.iter().map(|(port, settings)| (*port, settings)), now), now)
}

fn settings(out_of_orderness_ms: u64, granularity_ms: u64) -> EventTimeSettings {
    EventTimeSettings { out_of_orderness_ms, granularity_ms, ..event_time(LatePolicy::Process) }
}

#[test]
fn the_watermark_advances_in_steps_and_never_goes_back() {
    let (mut time, now) = task_time(&[(FIRST, settings(20, 100))]);
    assert_eq!((time.event_watermark(), time.moves_at(FIRST)), (None, Some(i64::MIN)));
    time.advance(FIRST, None, now);
    assert_eq!(time.event_watermark(), None, "a record without event time moves nothing");
    for (at, watermark, moves_at) in [
        (50, 0, 120),
        (119, 0, 120),
        (120, 100, 220),
        (-500, 100, 220),
        (1019, 900, 1020),
        (1020, 1000, 1120),
    ] {
        time.advance(FIRST, Some(at), now);
        assert_eq!((time.event_watermark(), time.moves_at(FIRST)), (Some(watermark), Some(moves_at)), "{at}");
    }
    let (mut time, now) = task_time(&[(FIRST, settings(20, 100))]);
    time.advance(FIRST, Some(-1), now);
    assert_eq!(time.event_watermark(), Some(-100), "downwards");
    for extreme in [i64::MIN, i64::MAX] {
        time.advance(FIRST, Some(extreme), now);
        assert!(time.moves_at(FIRST).is_some());
    }
}

#[test]
fn a_task_is_as_far_as_its_slowest_input() {
    let (mut time, now) = task_time(&[(FIRST, settings(0, 10)), (SECOND, settings(0, 10))]);
    time.advance(FIRST, Some(55), now);
    assert_eq!((time.event_watermark(), time.moves_at(FIRST)), (None, None), "the other has no record yet");
    assert_eq!(time.moves_at(SECOND), Some(i64::MIN));
    time.advance(SECOND, Some(20), now);
    assert_eq!(
        (time.event_watermark(), time.moves_at(FIRST), time.moves_at(SECOND)),
        (Some(20), None, Some(30))
    );
    time.advance(SECOND, Some(90), now);
    assert_eq!(
        (time.event_watermark(), time.moves_at(FIRST), time.moves_at(SECOND)),
        (Some(50), Some(60), None)
    );
}

#[test]
fn an_idle_input_is_drawn_along_and_stays_there_after_a_restart() {
    let (mut time, now) = task_time(&[(FIRST, settings(0, 10)), (SECOND, settings(0, 10))]);
    time.advance(FIRST, Some(100), now);
    time.advance(SECOND, Some(20), now);
    let later = now + Duration::from_secs(60);
    assert_eq!(time.idle_in(now), Some(Duration::from_secs(60)));
    time.mark_idle(later, |port| port == FIRST);
    assert_eq!(
        time.event_watermark(),
        Some(20),
        "the other is behind, not idle, and this one holds nothing back"
    );
    time.advance(FIRST, Some(101), later);
    time.mark_idle(later + Duration::from_secs(59), |_| true);
    assert_eq!(time.event_watermark(), Some(20), "its time counts from when it was last behind");
    time.mark_idle(later + Duration::from_secs(60), |port| port == SECOND);
    assert_eq!(time.event_watermark(), Some(100));
    let clocks: Vec<(PortIndex, EventClock)> = time.changes().collect();
    assert_eq!(clocks[1], (SECOND, EventClock { event_time_max: Some(20), event_watermark: Some(100) }));
    time.committed();
    assert_eq!(time.changes().count(), 0);
    time.advance(SECOND, Some(30), later);
    time.advance(FIRST, Some(500), later);
    assert_eq!(time.event_watermark(), Some(100), "it is back, and holds up the task, but not back");
    time.aborted();
    assert_eq!(time.event_watermark(), Some(100));
    let (mut restored, now) = task_time(&[(FIRST, settings(0, 10)), (SECOND, settings(0, 10))]);
    restored.restore(|port| clocks[port.as_usize()].1, now);
    assert_eq!(restored.event_watermark(), Some(100));
}

proptest! {
    /// Where the watermark advances is told before it does, to the millisecond.
    #[test]
    fn the_watermark_moves_exactly_where_it_is_said_to(
        behind in 0_u64..300,
        step in 0_u64..150,
        times in prop::collection::vec((any::<bool>(), -1000_i64..1000), 1..60),
    ) {
        let (mut time, now) = task_time(&[(FIRST, settings(behind, step)), (SECOND, settings(7, 3))]);
        for (is_first, at) in times {
            let port = if is_first { FIRST } else { SECOND };
            let (before, moves_at) = (time.event_watermark(), time.moves_at(port));
            time.advance(port, Some(at), now);
            let moved = time.event_watermark() != before;
            prop_assert_eq!(moved, moves_at.is_some_and(|moves_at| at >= moves_at));
            prop_assert!(time.event_watermark() >= before);
        }
    }
}

fn started(rig: Rig, world: &Shared) -> TestDriver {
    let partitions = world.borrow().logs.keys().cloned().collect();
    world.borrow_mut().events.push_back(SourceEvent::Assigned(partitions));
    let mut driver = rig.join(world);
    driver.turn().expect("assigned");
    driver
}

fn turns(driver: &mut TestDriver, count: usize) {
    for _ in 0..count {
        driver.turn().expect("turn");
    }
}

fn log(times: &[i64]) -> Vec<Entry> {
    (0..).zip(times).map(|(value, time)| Entry::new("k", value, *time)).collect()
}

#[test]
fn every_record_sees_the_same_watermark_whatever_its_batch() {
    let times = [5, 31, 38, 30, 39, 40, 12, 200, 190, 40, 231];
    let expected = [
        None,
        Some(-20),
        Some(10),
        Some(10),
        Some(10),
        Some(10),
        Some(20),
        Some(20),
        Some(180),
        Some(180),
        Some(180),
    ];
    for size in [1, 2, 3, 7, 100] {
        let world = world(|world| {
            world.logs.insert(partition(0), log(&times));
            world.batch = BatchSize::Of(size);
        });
        let rig = Rig::echo().event_time("in", event_time(LatePolicy::Process));
        let mut driver = started(rig, &world);
        turns(&mut driver, 12);
        let world = world.borrow();
        let expected: Vec<_> = (0..).zip(expected).collect();
        assert_eq!(world.watermarks, expected, "batches of {size}");
        assert_eq!(world.decoded, times.len(), "each record is decoded once");
    }
}

#[test]
fn late_records_are_dropped_or_copied_as_they_came() {
    let times = [100, 79, 80, 70, 130, 99];
    for (late, copies) in [(LatePolicy::Drop, vec![]), (LatePolicy::Copy(LATE), vec![1, 3, 5])] {
        let world = world(|world| {
            world.logs.insert(partition(0), log(&times));
            // A late record is not looked at any further.
            world.traps.insert(3);
        });
        let mut driver = started(Rig::echo().event_time("in", event_time(late)), &world);
        turns(&mut driver, 2);
        let world = world.borrow();
        let of =
            |topic| world.committed_to(topic).map(|sent| sent.value.expect("a value")).collect::<Vec<_>>();
        assert_eq!((of(OUTPUT), of(LATE), of(LETTERS)), (vec![0, 2, 4], copies, vec![]));
        for copy in world.committed_to(LATE) {
            assert_eq!(
                (copy.key.as_deref(), copy.headers.as_slice()),
                (Some(&b"k"[..]), &["own".to_owned()][..])
            );
            assert_eq!(copy.timestamp, Some(times[copy.value.expect("a value") as usize]));
        }
        assert_eq!(world.committed_offsets[&partition(0)].0, 6);
    }
}

#[test]
fn a_refused_copy_of_a_late_record_makes_it_a_dead_letter() {
    let world = world(|world| {
        world.logs.insert(partition(0), log(&[100, 10, 120]));
        world.broker_refuses.insert((LATE.0, 1));
    });
    let mut driver = started(Rig::echo().event_time("in", event_time(LatePolicy::Copy(LATE))), &world);
    turns(&mut driver, 3);
    let world = world.borrow();
    let of = |topic| world.committed_to(topic).map(|sent| sent.value.expect("a value")).collect::<Vec<_>>();
    assert_eq!((of(OUTPUT), of(LATE), of(LETTERS)), (vec![0, 2], vec![], vec![1]));
}

#[test]
fn a_record_that_is_set_aside_moves_no_watermark() {
    for kind in ["trap", "reject", "decode", "encode", "refused"] {
        let world = world(|world| {
            // The second record is far in the future, by mistake.
            world.logs.insert(partition(0), log(&[10, 100_000, 20, 50]));
            match kind {
                "trap" => world.traps.insert(1),
                "reject" => world.rejects.insert(1),
                "decode" => world.undecodable.insert(1),
                "encode" => world.unencodable.insert(1),
                _ => world.broker_refuses.insert((OUTPUT.0, 1)),
            };
        });
        let mut driver = started(Rig::echo().event_time("in", event_time(LatePolicy::Drop)), &world);
        turns(&mut driver, 4);
        let world = world.borrow();
        let of =
            |topic| world.committed_to(topic).map(|sent| sent.value.expect("a value")).collect::<Vec<_>>();
        assert_eq!((of(OUTPUT), of(LETTERS)), (vec![0, 2, 3], vec![1]), "{kind}");
    }
}

#[test]
fn timers_fire_when_an_idle_input_lets_the_watermark_go() {
    let other = partition_of("other", 0);
    let world = world(|world| {
        world.logs.insert(partition(0), log(&[0, 500]));
        world.logs.insert(other.clone(), vec![Entry::new("o", 9, 0)]);
    });
    let rig = Rig::counter(TimeDomain::Event)
        .input("other", InputRole::Stream)
        .event_time("other", event_time(LatePolicy::Process));
    let mut driver = started(rig, &world);
    turns(&mut driver, 4);
    assert_eq!(world.borrow().fires, 0, "the other input holds the watermark back");
    let wait = *world.borrow().waits.last().expect("a poll");
    assert_eq!(wait, Duration::from_millis(500), "nothing is due");
    world.borrow().clock.pass(59_990);
    world.borrow_mut().logs.get_mut(&partition(0)).expect("a log").push(Entry::new("k", 7, 600));
    turns(&mut driver, 2);
    assert_eq!(world.borrow().waits.last(), Some(&Duration::from_millis(10)), "wakes when the other is idle");
    world.borrow().clock.pass(10);
    turns(&mut driver, 2);
    let world = world.borrow();
    let fired: Vec<i64> =
        world.committed_to(OUTPUT).filter_map(|sent| sent.value.filter(|v| *v < 0)).collect();
    assert_eq!(fired, [-9], "that of `o`; the one of `k` has moved on");
}
