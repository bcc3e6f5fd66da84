use std::time::Duration;

use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::model::position::Partition;
use wasmill::model::record_batch::RawRecords as _;
use wasmill::pipeline::ports::OutputRecord;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::Source as _;
use wasmill::pipeline::ports::TopicIndex;

use crate::support::Joined;
use crate::support::Seen;
use crate::support::fill;
use crate::support::outside;
use crate::support::send;
use crate::support::sink;
use crate::support::topic;
use crate::support::unique;

fn awkward() -> Vec<Seen> {
    let of = |key: Option<&[u8]>, value: Option<&[u8]>, timestamp, headers: &[(&str, Option<&[u8]>)]| Seen {
        partition: 0,
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        timestamp: Some(timestamp),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
            .collect(),
    };
    vec![
        of(Some(b"k"), Some(b"v"), 1_234_567, &[]),
        of(None, Some(b"null key"), 1_234_568, &[("a", Some(b"1")), ("a", Some(b"2")), ("b", None)]),
        of(Some(b"tombstone"), None, 1_234_569, &[("empty", Some(b"")), ("", Some(b"no name"))]),
        of(Some(b""), Some(b""), 0, &[]),
        of(None, None, 1_700_000_000_000, &[("\u{e4}", Some(&[0, 255]))]),
    ]
}

fn write_awkward(delivery: Delivery) -> std::sync::Arc<str> {
    let topic = topic("records", 1, &[]);
    let mut sink = sink(&unique("sink"), delivery, &[&topic]);
    let mut member = Joined::new(&unique("group"), "m", &topic);
    sink.begin().expect("begin");
    for seen in awkward() {
        let headers: Vec<(&str, Option<&[u8]>)> =
            seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        send(
            &mut sink,
            &OutputRecord {
                topic: TopicIndex(0),
                partition: Partition(0),
                key: seen.key.as_deref(),
                value: seen.value.as_deref(),
                timestamp: seen.timestamp,
                headers: &headers,
                token: 1,
            },
        );
    }
    let group = member.source.group().expect("a member");
    sink.commit(&[], &group).expect("commit");
    topic
}

#[test]
fn keys_values_timestamps_and_headers_are_written_as_given() {
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let topic = write_awkward(delivery);
        assert_eq!(outside(&topic), awkward(), "{delivery:?}");
    }
}

#[test]
fn keys_values_timestamps_and_headers_are_read_as_they_are() {
    let topic = write_awkward(Delivery::ExactlyOnce);
    let mut member = Joined::new(&unique("group"), "m", &topic);
    let mut seen = Vec::new();
    for _ in 0..100 {
        if let Some(records) = member.step(Duration::from_millis(100)).expect("poll") {
            for index in 0..records.len() {
                assert_eq!(records.offset(index), Offset(seen.len() as i64));
                let mut headers = Vec::new();
                records.headers(index, &mut |name, value| {
                    headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
                });
                assert_eq!(records.has_headers(index), !headers.is_empty());
                seen.push(Seen {
                    partition: records.topic_partition().partition.0,
                    key: records.key(index).map(<[u8]>::to_vec),
                    value: records.value(index).map(<[u8]>::to_vec),
                    timestamp: records.timestamp(index),
                    headers,
                });
            }
        }
        if seen.len() == 5 {
            break;
        }
    }
    assert_eq!(seen, awkward());
}

#[test]
fn a_record_outside_of_the_run_is_nothing() {
    let topic = topic("outside", 1, &[]);
    fill(&topic, 1, 0..3);
    let mut member = Joined::new(&unique("group"), "m", &topic);
    let records = loop {
        if let Some(records) = member.step(Duration::from_millis(500)).expect("poll") {
            break records;
        }
    };
    assert_eq!(records.key(99), None);
    assert_eq!(records.value(99), None);
    assert_eq!(records.timestamp(99), None);
    assert!(!records.has_headers(99));
    records.headers(99, &mut |_, _| panic!("there is no such record"));
}

#[test]
fn a_time_of_sending_is_set_where_none_is_given() {
    let topic = topic("now", 1, &[]);
    let mut sink = sink(&unique("sink"), Delivery::AtLeastOnce, &[&topic]);
    let mut member = Joined::new(&unique("group"), "m", &topic);
    let record = OutputRecord { timestamp: None, ..crate::support::record(0, b"k", b"v") };
    send(&mut sink, &record);
    sink.commit(&[], &member.source.group().expect("a member")).expect("write");
    let seen = outside(&topic);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_millis() as i64;
    let timestamp = seen[0].timestamp.expect("a timestamp");
    assert!((now - timestamp).abs() < 60_000, "{timestamp}");
}

#[test]
fn order_within_a_partition_is_kept_both_ways() {
    let topic = topic("order", 3, &[]);
    fill(&topic, 3, 0..20_000);
    let mut member = Joined::new(&unique("group"), "m", &topic);
    let seen = member.read(60_000);
    assert_eq!(seen.len(), 60_000);
    for partition in 0..3 {
        let numbers: Vec<u32> = seen.iter().filter(|(of, _)| *of == partition).map(|(_, n)| *n).collect();
        assert!(numbers.iter().copied().eq(0..20_000), "partition {partition} is out of order");
    }
}

#[test]
fn a_run_stays_within_rows_and_bytes() {
    let topic = topic("limits", 1, &[]);
    fill(&topic, 1, 0..5000);
    let mut settings = crate::support::source_settings(&unique("group"), "m", &[&topic]);
    settings.batch.rows_max = 1000;
    settings.batch.bytes_max = 500;
    let source = crate::support::joined(settings);
    let mut member = Joined::with(source);
    let mut count = 0;
    while count < 5000 {
        if let Some(records) = member.step(Duration::from_secs(5)).expect("poll") {
            assert!(records.bytes() <= 500 && records.len() <= 1000, "{} bytes", records.bytes());
            count += records.len();
        }
    }
    assert_eq!(count, 5000);
}
