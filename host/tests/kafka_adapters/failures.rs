use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use wasmill::kafka::security::Security;
use wasmill::kafka::settings::ClientSettings;
use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::pipeline::ports::CommitFailure;
use wasmill::pipeline::ports::OutputRecord;
use wasmill::pipeline::ports::SendFailure;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::SinkFailure;
use wasmill::pipeline::ports::Source as _;
use wasmill::pipeline::ports::SourceEvent;
use wasmill::pipeline::ports::SourceFailure;
use wasmill::pipeline::ports::TopicIndex;
use wasmill::source::kafka_source::KafkaSource;

use crate::support::Joined;
use crate::support::at;
use crate::support::fill;
use crate::support::outside;
use crate::support::record;
use crate::support::send;
use crate::support::sink;
use crate::support::source;
use crate::support::source_settings;
use crate::support::topic;
use crate::support::unique;

/// Bytes that no compression makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

/// Polls until the source fails.
fn failure_of(source: &mut KafkaSource, within: Duration) -> SourceFailure {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        match source.poll(Duration::from_millis(100)) {
            Err(SourceFailure::Outage(_)) => {}
            Err(failure) => return failure,
            Ok(SourceEvent::Assigned(partitions)) => {
                let positions: Vec<_> =
                    partitions.into_iter().map(|partition| (partition, Offset(0))).collect();
                source.start(&positions).expect("start");
            }
            Ok(_) => {}
        }
    }
    panic!("the source did not fail");
}

#[test]
fn a_record_that_the_broker_refuses_is_named_and_its_neighbours_are_not() {
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let output = topic("small", 1, &[("max.message.bytes", "10000")]);
        let mut member = Joined::new(&unique("group"), "m", &output);
        let group = member.source.group().expect("a member");
        let mut sink = sink(&unique("sink"), delivery, &[&output]);
        let large = noise(50_000);
        sink.begin().expect("begin");
        assert_eq!(sink.topic_bytes_max(TopicIndex(0)), 10_000);
        let values: Vec<Vec<u8>> =
            (0..20).map(|index| if index == 7 { large.clone() } else { noise(900) }).collect();
        for (index, value) in values.iter().enumerate() {
            send(&mut sink, &OutputRecord { token: index as u64, ..record(0, b"k", value) });
        }
        let refused = match sink.commit(&[], &group).expect_err("one record is too large") {
            CommitFailure::Refused(refused) => refused,
            failure => panic!("{delivery:?}: {failure:?}"),
        };
        let tokens: Vec<u64> = refused.iter().map(|refused| refused.token).collect();
        assert_eq!(tokens, [7], "{delivery:?}");
        assert_eq!(refused[0].cause.code.0, "record-too-large");
        sink.abort().expect("abort");
        sink.begin().expect("begin");
        for (index, value) in values.iter().enumerate().filter(|(index, _)| *index != 7) {
            send(&mut sink, &OutputRecord { token: index as u64, ..record(0, b"k", value) });
        }
        sink.commit(&[], &group).expect("commit without it");
        if delivery == Delivery::ExactlyOnce {
            assert_eq!(outside(&output).len(), 19);
        }
    }
}

#[test]
fn a_record_for_which_a_whole_batch_is_refused_is_found() {
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let output = topic("late", 2, &[]);
        let mut member = Joined::new(&unique("group"), "m", &output);
        let group = member.source.group().expect("a member");
        let mut sink = sink(&unique("sink"), delivery, &[&output]);
        let far = 9_999_999_999_999;
        let mut set_aside: Vec<u64> = Vec::new();
        for attempt in 0.. {
            assert!(attempt < 12, "not found: {set_aside:?}");
            sink.begin().expect("begin");
            let mut early = None;
            for token in (0..2000_u64).filter(|token| !set_aside.contains(token)) {
                let timestamp = Some(if token == 123 || token == 1600 { far } else { 1000 });
                let value = token.to_string();
                let record = record((token % 2) as i32, b"k", value.as_bytes());
                // After the first refusal the transaction takes no more.
                match sink.send(&OutputRecord { token, timestamp, ..record }) {
                    Ok(()) | Err(SendFailure::Sink(SinkFailure::Outage(_))) => {}
                    Err(SendFailure::Abort { refused, reason }) => {
                        early = Some(if refused.is_empty() {
                            CommitFailure::Abort(reason)
                        } else {
                            CommitFailure::Refused(refused)
                        });
                        break;
                    }
                    Err(failure) => panic!("{failure:?}"),
                }
            }
            match early.map_or_else(|| sink.commit(&[], &group), Err) {
                Ok(()) => break,
                Err(CommitFailure::Refused(refused)) => {
                    assert!(refused.iter().all(|refused| refused.cause.code.0 == "record-timestamp-refused"));
                    set_aside.extend(refused.iter().map(|refused| refused.token));
                }
                Err(CommitFailure::Abort(_)) => {}
                Err(failure) => panic!("{failure:?}"),
            }
            sink.abort().expect("abort");
        }
        set_aside.sort_unstable();
        assert_eq!(set_aside, [123, 1600], "{delivery:?}");
        if delivery == Delivery::ExactlyOnce {
            let seen = outside(&output);
            assert_eq!(seen.len(), 1998);
        }
    }
}

#[test]
fn a_record_larger_than_any_is_refused_before_it_is_sent() {
    let output = topic("out", 1, &[]);
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&output]);
    sink.begin().expect("begin");
    let failure = sink.send(&record(0, b"k", &vec![0; 20 << 20])).expect_err("too large");
    let SendFailure::Refused(bad, 0) = failure else { panic!("{failure:?}") };
    assert_eq!(bad.code.0, "record-too-large");
    send(&mut sink, &record(0, b"k", b"fits"));
}

#[test]
fn an_input_topic_that_is_missing_stops_by_name() {
    let missing: Arc<str> = Arc::from(unique("missing"));
    let mut source = source(&unique("group"), "m", &missing);
    let failure = failure_of(&mut source, Duration::from_secs(30));
    let SourceFailure::Stop(stop) = failure else { panic!("{failure:?}") };
    assert_eq!(stop.code.0, "topic-missing");
    assert!(stop.message.contains(&*missing), "{stop}");
    let SourceFailure::Stop(stop) = source.partitions(&missing).expect_err("missing") else { panic!() };
    assert_eq!(stop.code.0, "topic-missing");
}

#[test]
fn an_output_topic_that_is_missing_stops_by_name() {
    let missing: Arc<str> = Arc::from(unique("missing"));
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&missing]);
    let SinkFailure::Stop(stop) = sink.begin().expect_err("missing") else { panic!() };
    assert_eq!(stop.code.0, "topic-missing");
    assert!(stop.message.contains(&*missing), "{stop}");
}

#[test]
fn an_offset_that_is_gone_is_told_with_what_is_there() {
    let input = topic("gone", 1, &[]);
    fill(&input, 1, 0..10);
    let mut source = source(&unique("group"), "m", &input);
    let failure = loop {
        match source.poll(Duration::from_millis(100)) {
            Ok(SourceEvent::Assigned(_)) => source.start(&[(at(&input, 0), Offset(1000))]).expect("start"),
            Ok(SourceEvent::Idle) => {}
            Ok(event) => panic!("{event:?}"),
            Err(failure) => break failure,
        }
    };
    match failure {
        SourceFailure::OffsetGone { partition, offset, first } => {
            assert_eq!((partition, offset, first), (at(&input, 0), Offset(1000), Offset(0)));
        }
        failure => panic!("{failure:?}"),
    }
    // A seek accepts it.
    source.seek(&[(at(&input, 0), Offset(4))]).expect("seek");
    let mut member = Joined { source, assigned: vec![at(&input, 0)] };
    assert_eq!(member.read(6), (4..10).map(|number| (0, number)).collect::<Vec<_>>());
}

#[test]
fn a_second_worker_of_the_same_name_stops_the_first_by_name() {
    let input = topic("twice", 2, &[]);
    let group = unique("group");
    let mut first = Joined::new(&group, "same", &input);
    let mut second = Joined::new(&group, "same", &input);
    let deadline = Instant::now() + Duration::from_secs(20);
    let failure = loop {
        assert!(Instant::now() < deadline, "the first was not stopped");
        second.step(Duration::from_millis(10)).expect("the second lives");
        if let Err(failure) = first.step(Duration::from_millis(10)) {
            break failure;
        }
    };
    let SourceFailure::Stop(stop) = failure else { panic!("{failure:?}") };
    assert_eq!(stop.code.0, "duplicate-host-id");
    assert!(stop.message.contains("same"), "{stop}");
    assert!(first.source.group().is_none(), "a fenced member must not commit");
}

#[test]
fn brokers_that_are_away_are_an_outage() {
    let nobody = ClientSettings::new("127.0.0.1:1", Security::default(), "test").expect("settings");
    let input: Arc<str> = Arc::from("any");
    let mut settings = source_settings(&unique("group"), "m", &[&input]);
    settings.client = nobody;
    let mut source = crate::support::joined(settings);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < deadline, "no outage was told");
        match source.poll(Duration::from_millis(100)) {
            Err(SourceFailure::Outage(outage)) => {
                assert_eq!(outage.code.0, "broker-away");
                break;
            }
            Ok(SourceEvent::Idle) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(source.commit(&[(at(&input, 0), Offset(1))]), Err(SourceFailure::Outage(_))));
}
