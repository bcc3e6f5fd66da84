use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::Source as _;
use wasmill::pipeline::ports::SourceEvent;
use wasmill::source::kafka_source::KafkaSource;

use crate::support::Joined;
use crate::support::at;
use crate::support::fill;
use crate::support::outside;
use crate::support::record;
use crate::support::send;
use crate::support::sink;
use crate::support::source_settings;
use crate::support::topic;
use crate::support::unique;

#[test]
fn a_revoked_partition_is_not_given_away_before_it_is_released() {
    let (input, output) = (topic("in", 4, &[]), topic("out", 1, &[]));
    fill(&input, 4, 0..50);
    let group = unique("group");
    let mut first = Joined::new(&group, "first", &input);
    assert_eq!(first.assigned.len(), 4);
    assert_eq!(first.read(200).len(), 200);
    let mut second = crate::support::joined(source_settings(&group, "second", &[&input]));
    let mut given = Vec::new();
    let poll_second = |second: &mut KafkaSource, given: &mut Vec<_>| {
        if let SourceEvent::Assigned(partitions) = second.poll(Duration::from_millis(20)).expect("poll") {
            let positions: Vec<_> = partitions.iter().map(|one| (one.clone(), Offset(0))).collect();
            second.start(&positions).expect("start");
            given.extend(partitions);
        }
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let revoked = loop {
        assert!(Instant::now() < deadline, "nothing was revoked");
        poll_second(&mut second, &mut given);
        match first.source.poll(Duration::from_millis(20)).expect("poll") {
            SourceEvent::Revoked(partitions) => break partitions,
            SourceEvent::Assigned(partitions) => {
                assert!(partitions.is_empty(), "all four are assigned already");
                first.source.start(&[]).expect("start");
            }
            _ => {}
        }
    };
    assert_eq!(revoked.len(), 2);
    // The worker takes its time: it goes on to poll, and commits what it read in a transaction.
    let late = Instant::now() + Duration::from_secs(2);
    while Instant::now() < late {
        poll_second(&mut second, &mut given);
        assert!(given.is_empty(), "given away before it was released: {given:?}");
        assert!(matches!(first.source.poll(Duration::from_millis(20)).expect("poll"), SourceEvent::Idle));
    }
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&output]);
    sink.begin().expect("begin");
    send(&mut sink, &record(0, b"k", b"last words"));
    let membership = first.source.group().expect("still a member");
    let positions: Vec<_> = revoked.iter().map(|one| (one.clone(), Offset(50))).collect();
    sink.commit(&positions, &membership).expect("commit while revoking");
    first.source.release(&revoked).expect("release");
    let deadline = Instant::now() + Duration::from_secs(20);
    while given.len() < 2 {
        assert!(Instant::now() < deadline, "nothing was given to the second");
        poll_second(&mut second, &mut given);
        first.step(Duration::from_millis(20)).expect("poll");
    }
    assert_eq!(given.iter().collect::<HashSet<_>>(), revoked.iter().collect::<HashSet<_>>());
    assert_eq!(second.committed(&revoked).expect("committed"), [Some(Offset(50)), Some(Offset(50))]);
    assert_eq!(outside(&output).len(), 1);
}

#[test]
fn the_consumer_commits_by_itself_too() {
    let input = topic("in", 2, &[]);
    let group = unique("group");
    let mut member = Joined::new(&group, "m", &input);
    member.source.commit(&[(at(&input, 0), Offset(5))]).expect("commit");
    let partitions = [at(&input, 0), at(&input, 1)];
    assert_eq!(member.source.committed(&partitions).expect("committed"), [Some(Offset(5)), None]);
}

#[test]
fn start_positions_are_committed_before_the_first_record() {
    let input = topic("in", 1, &[]);
    fill(&input, 1, 0..10);
    let mut source = crate::support::joined(source_settings(&unique("group"), "m", &[&input]));
    let partition = at(&input, 0);
    loop {
        if let SourceEvent::Assigned(partitions) = source.poll(Duration::from_millis(100)).expect("poll") {
            assert_eq!(partitions, std::slice::from_ref(&partition));
            assert_eq!(source.committed(&partitions).expect("committed"), [None]);
            source.commit(&[(partition.clone(), Offset(8))]).expect("commit before the answer");
            source.start(&[(partition.clone(), Offset(8))]).expect("start");
            break;
        }
    }
    assert_eq!(source.committed(std::slice::from_ref(&partition)).expect("committed"), [Some(Offset(8))]);
    let mut member = Joined { source, assigned: vec![partition] };
    assert_eq!(member.read(2), [(0, 8), (0, 9)]);
}

#[test]
fn partition_n_of_every_input_comes_to_one_worker() {
    let (left, right) = (topic("left", 4, &[]), topic("right", 4, &[]));
    let group = unique("group");
    let join = |member: &str| {
        let source = crate::support::joined(source_settings(&group, member, &[&left, &right]));
        Joined { source, assigned: Vec::new() }
    };
    let (mut first, mut second) = (join("first"), join("second"));
    let deadline = Instant::now() + Duration::from_secs(40);
    while first.assigned.len() != 4 || second.assigned.len() != 4 {
        assert!(
            Instant::now() < deadline,
            "assigned {} and {}, expected 4 and 4",
            first.assigned.len(),
            second.assigned.len()
        );
        first.step(Duration::from_millis(50)).expect("poll");
        second.step(Duration::from_millis(50)).expect("poll");
    }
    for member in [&first, &second] {
        let of = |topic: &str| -> HashSet<i32> {
            let partitions = member.assigned.iter().filter(|one| &*one.topic == topic);
            partitions.map(|one| one.partition.0).collect()
        };
        assert_eq!(of(&left), of(&right));
    }
}

#[test]
fn a_member_that_stopped_to_poll_loses_its_partitions_and_may_not_commit() {
    let input = topic("lost", 1, &[]);
    let group = unique("group");
    let mut settings = source_settings(&group, "m", &[&input]);
    let properties = [("max.poll.interval.ms", "6000"), ("session.timeout.ms", "6000")];
    let properties =
        properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    let mut refusals = Vec::new();
    settings.overrides = wasmill::kafka::overrides::Overrides::new(&properties, &mut refusals);
    assert_eq!(refusals, []);
    let mut member = Joined::with(crate::support::joined(settings));
    let before = member.source.group().expect("a member");
    std::thread::sleep(Duration::from_secs(8));
    assert!(member.source.group().is_none(), "the membership is lost");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        assert!(Instant::now() < deadline, "the loss was not told");
        match member.source.poll(Duration::from_millis(100)).expect("poll") {
            SourceEvent::Lost(partitions) => {
                assert_eq!(partitions, [at(&input, 0)]);
                member.source.release(&partitions).expect("release");
                break;
            }
            SourceEvent::Idle => {}
            event => panic!("{event:?}"),
        }
    }
    // The old snapshot is refused by the coordinator.
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&input]);
    sink.begin().expect("begin");
    let stale = sink.commit(&[(at(&input, 0), Offset(1))], &before);
    assert!(stale.is_err(), "a lost member committed");
    sink.abort().expect("abort");
}
