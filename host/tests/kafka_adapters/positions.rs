use std::time::Duration;
use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::producer::BaseProducer;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer as _;
use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::model::record_batch::RawRecords as _;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::Source as _;
use wasmill::source::kafka_source::KafkaSource;

use crate::support::Joined;
use crate::support::at;
use crate::support::brokers;
use crate::support::fill;
use crate::support::number;
use crate::support::record;
use crate::support::send;
use crate::support::sink;
use crate::support::source_settings;
use crate::support::topic;
use crate::support::unique;

#[test]
fn after_a_seek_no_record_from_before_comes() {
    let input = topic("seek", 2, &[]);
    fill(&input, 2, 0..3000);
    let mut member = Joined::new(&unique("group"), "m", &input);
    assert_eq!(member.read(1).len(), 100, "one run of the limit");
    for target in [0_i64, 2500, 17, 1500, 0, 2999] {
        // Let the client fetch far ahead, so that there is something stale.
        member.read(400);
        member
            .source
            .seek(&[(at(&input, 0), Offset(target)), (at(&input, 1), Offset(target))])
            .expect("seek");
        let mut next = [target, target];
        let end = Instant::now() + Duration::from_secs(5);
        while next.iter().any(|next| *next < (target + 300).min(3000)) {
            assert!(Instant::now() < end, "no records after the seek to {target}: {next:?}");
            let Some(records) = member.step(Duration::from_millis(100)).expect("poll") else {
                continue;
            };
            let next = &mut next[records.topic_partition().partition.0 as usize];
            for index in 0..records.len() {
                assert_eq!(records.offset(index), Offset(*next), "after the seek to {target}");
                assert_eq!(i64::from(number(records.value(index))), *next);
                *next += 1;
            }
        }
    }
}

#[test]
fn a_seek_right_after_the_start_is_obeyed() {
    let input = topic("seek", 1, &[]);
    fill(&input, 1, 0..1000);
    for _ in 0..5 {
        let mut member = Joined::new(&unique("group"), "m", &input);
        member.source.seek(&[(at(&input, 0), Offset(990))]).expect("seek");
        assert_eq!(member.read(10), (990..1000).map(|number| (0, number)).collect::<Vec<_>>());
    }
}

#[test]
fn a_paused_partition_gives_nothing_and_then_everything() {
    let input = topic("pause", 2, &[]);
    fill(&input, 2, 0..2000);
    let mut member = Joined::new(&unique("group"), "m", &input);
    let mut next = [0_u32; 2];
    let mut take = |member: &mut Joined, paused: Option<usize>, rounds: usize| {
        for _ in 0..rounds {
            let Some(records) = member.step(Duration::from_millis(20)).expect("poll") else {
                continue;
            };
            let partition = records.topic_partition().partition.0 as usize;
            assert_ne!(Some(partition), paused, "a record of a paused partition");
            for index in 0..records.len() {
                assert_eq!(number(records.value(index)), next[partition]);
                next[partition] += 1;
            }
        }
        next
    };
    take(&mut member, None, 4);
    for partition in [0, 1, 0, 1] {
        let one = [at(&input, partition)];
        member.source.pause(&one).expect("pause");
        take(&mut member, Some(partition as usize), 3);
        member.source.resume(&one).expect("resume");
        take(&mut member, None, 2);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while take(&mut member, None, 1) != [2000, 2000] {
        assert!(Instant::now() < deadline, "not everything came");
    }
}

#[test]
fn bounds_times_and_partitions_are_answered() {
    let input = topic("answers", 3, &[]);
    let mut member = Joined::new(&unique("group"), "m", &input);
    let mut sink = sink(&unique("sink"), Delivery::AtLeastOnce, &[&input]);
    for number in 0..10 {
        let mut record = record(1, b"k", b"v");
        record.timestamp = Some(1000 + number * 10);
        send(&mut sink, &record);
    }
    sink.commit(&[], &member.source.group().expect("a member")).expect("write");
    let partition = at(&input, 1);
    assert_eq!(member.source.bounds(&partition).expect("bounds"), Offset(0)..Offset(10));
    assert_eq!(member.source.offset_at(&partition, 1035).expect("offset"), Offset(4));
    assert_eq!(member.source.offset_at(&partition, 0).expect("offset"), Offset(0));
    assert_eq!(member.source.offset_at(&partition, 9999).expect("offset"), Offset(10));
    assert_eq!(member.source.partitions(&input).expect("partitions").len(), 3);
}

#[test]
fn lag_goes_to_zero_behind_the_markers_of_transactions() {
    let input = topic("lag", 1, &[]);
    let mut writer = Joined::new(&unique("group"), "w", &input);
    let mut sink = sink(&unique("sink"), Delivery::ExactlyOnce, &[&input]);
    for round in 0..3_u32 {
        sink.begin().expect("begin");
        for _ in 0..10 {
            send(&mut sink, &record(0, b"k", round.to_string().as_bytes()));
        }
        sink.commit(&[], &writer.source.group().expect("a member")).expect("commit");
    }
    let mut member = Joined::new(&unique("group"), "m", &input);
    let partition = at(&input, 0);
    assert_eq!(member.read(30).len(), 30);
    let deadline = Instant::now() + Duration::from_secs(10);
    while member.source.lag(&partition) != Some(0) {
        assert!(Instant::now() < deadline, "lag is {:?}", member.source.lag(&partition));
        assert!(member.step(Duration::from_millis(100)).expect("poll").is_none());
    }
    // Behind again when something new is there and not read.
    member.source.pause(std::slice::from_ref(&partition)).expect("pause");
    sink.begin().expect("begin");
    send(&mut sink, &record(0, b"k", b"9"));
    sink.commit(&[], &writer.source.group().expect("a member")).expect("commit");
    member.source.resume(std::slice::from_ref(&partition)).expect("resume");
    assert_eq!(member.read(1), [(0, 9)]);
}

#[test]
fn a_waker_ends_a_wait() {
    let input = topic("wake", 1, &[]);
    let mut member = Joined::new(&unique("group"), "m", &input);
    while member.step(Duration::from_millis(300)).expect("poll").is_some() {}
    let waker = member.source.waker();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        waker.wake();
    });
    let begin = Instant::now();
    member.step(Duration::from_secs(20)).expect("poll");
    assert!(begin.elapsed() < Duration::from_secs(5), "the wait went on for {:?}", begin.elapsed());
    thread.join().expect("join");
}

/// What is behind the last record need not be one: here it is an aborted one and its marker.
#[test]
fn whether_there_are_records_is_known_without_reading_them() {
    let input = topic("rest", 1, &[]);
    fill(&input, 1, 0..50);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("transactional.id", unique("rest"))
        .create()
        .expect("producer");
    let patience = Duration::from_secs(30);
    producer.init_transactions(patience).expect("init");
    producer.begin_transaction().expect("begin");
    producer.send(BaseRecord::to(&input).key("a").payload("never").partition(0)).expect("taken");
    producer.flush(patience).expect("written");
    producer.abort_transaction(patience).expect("aborted");

    // Of no group: a change of it that nobody polled for could hold up the close.
    let settings = source_settings(&unique("group"), &unique("m"), &[&input]);
    let mut source = KafkaSource::new(settings).expect("source");
    let partition = at(&input, 0);
    let end = source.bounds(&partition).expect("bounds").end;
    assert!(end >= Offset(52), "{end}");
    let mut has = |from: i64, until: i64| {
        source.has_records(&partition, Offset(from)..Offset(until)).expect("answered")
    };
    assert!(has(0, end.0) && has(49, end.0) && has(49, 50));
    assert!(!has(50, end.0), "nothing but what was aborted");
    fill(&input, 1, 50..51);
    assert!(!has(50, end.0), "what came later is not asked for");
    assert!(has(50, end.0 + 1));
}
