use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::producer::BaseProducer;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer as _;
use wasmill::kafka::admin::Admin;
use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::model::record_batch::RawRecords as _;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::Source as _;
use wasmill::pipeline::state_ports::ChangelogIndex;
use wasmill::sink::kafka_sink::KafkaSink;
use wasmill::source::changelog_reader::ChangelogFailure;
use wasmill::source::changelog_reader::ChangelogReader;
use wasmill::source::changelog_reader::ChangelogSpan;
use wasmill::source::changelog_reader::bounds;

use crate::support::Joined;
use crate::support::at;
use crate::support::brokers;
use crate::support::record;
use crate::support::send;
use crate::support::settings;
use crate::support::sink;
use crate::support::topic;
use crate::support::unique;

const PATIENCE: Duration = Duration::from_secs(30);

fn admin() -> Admin {
    Admin::start(&settings(), Duration::from_secs(10)).expect("admin")
}

/// A worker that writes changelogs: a sink with the group that its commits name.
struct Worker {
    sink: KafkaSink,
    member: Joined,
}

impl Worker {
    fn new(changelog: &Arc<str>) -> Self {
        let input = topic("in", 1, &[]);
        let member = Joined::new(&unique("group"), "m", &input);
        Self { sink: sink(&unique("worker"), Delivery::ExactlyOnce, &[changelog]), member }
    }

    /// Sends a record; it is written once the client gets round to it.
    fn put(&mut self, partition: i32, key: &str, value: &str) {
        self.sink.begin().expect("begin");
        send(&mut self.sink, &record(partition, key.as_bytes(), value.as_bytes()));
    }

    fn commit(&mut self) {
        let group = self.member.source.group().expect("a member");
        self.sink.commit(&[], &group).expect("commit");
    }
}

/// A partition of a changelog, from an offset to its high watermark of now.
fn span(changelog: &Arc<str>, partition: i32, index: u32, from: i64) -> ChangelogSpan {
    let partition = at(changelog, partition);
    let bounds = bounds(&admin(), std::slice::from_ref(&partition)).expect("bounds");
    ChangelogSpan { changelog: ChangelogIndex(index), partition, from: Offset(from), until: bounds[0].end }
}

/// Reads spans to their ends: changelog, offset and value of every record, by changelog and offset.
fn read_all(spans: Vec<ChangelogSpan>) -> Vec<(u32, i64, String)> {
    let mut reader = ChangelogReader::start(&settings(), unique("restore"), spans).expect("reader");
    let mut read = Vec::new();
    let until = Instant::now() + PATIENCE;
    while !step(&mut reader, Duration::from_millis(200), &mut read) {
        assert!(Instant::now() < until, "{} records are left", reader.left());
    }
    assert_eq!(reader.left(), 0);
    read.sort();
    read
}

fn step(reader: &mut ChangelogReader, wait: Duration, read: &mut Vec<(u32, i64, String)>) -> bool {
    let mut runs = Vec::new();
    let done = reader.read(wait, &mut runs).expect("read");
    for run in runs {
        let Some(records) = run.records else { continue };
        for index in 0..records.len() {
            assert!(records.offset(index) < run.next);
            let value = String::from_utf8(records.value(index).expect("a value").to_vec()).expect("text");
            read.push((run.changelog.0, records.offset(index).0, value));
        }
    }
    done
}

#[test]
fn changelogs_are_read_to_their_ends_without_what_was_aborted() {
    let (one, two) = (topic("log", 2, &[]), topic("log", 2, &[]));
    let (mut first, mut second) = (Worker::new(&one), Worker::new(&two));
    first.put(1, "a", "1");
    first.put(1, "b", "2");
    first.commit();
    first.put(1, "a", "never");
    first.sink.abort().expect("abort");
    first.put(1, "a", "3");
    // Of another task.
    first.put(0, "z", "9");
    first.commit();
    second.put(1, "c", "4");
    second.commit();
    let spans = vec![span(&one, 1, 0, 0), span(&two, 1, 7, 0)];
    let found = read_all(spans);
    let values: Vec<(u32, &str)> = found.iter().map(|(log, _, value)| (*log, value.as_str())).collect();
    assert_eq!(values, [(0, "1"), (0, "2"), (0, "3"), (7, "4")]);
    // From the middle, and from the end, where nothing is left but a marker.
    let third = found[2].1;
    assert_eq!(read_all(vec![span(&one, 1, 0, third)]), [(0, third, "3".to_owned())]);
    assert_eq!(read_all(vec![span(&one, 1, 0, third + 1)]), []);
    let end = span(&one, 1, 0, 0).until;
    assert_eq!(read_all(vec![span(&one, 1, 0, end.0), span(&two, 0, 7, 0)]), []);
}

#[test]
fn what_is_written_after_the_end_was_taken_is_left_out() {
    let log = topic("log", 1, &[]);
    let mut worker = Worker::new(&log);
    worker.put(0, "a", "1");
    worker.commit();
    let before = span(&log, 0, 0, 0);
    worker.put(0, "a", "2");
    worker.commit();
    assert_eq!(read_all(vec![before]), [(0, 0, "1".to_owned())]);
}

/// A transaction that is open when the end is taken may hold what the group's offsets already tell of.
#[test]
fn an_open_transaction_is_waited_for() {
    for commits in [true, false] {
        let log = topic("log", 1, &[]);
        let mut worker = Worker::new(&log);
        worker.put(0, "a", "1");
        worker.commit();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers())
            .set("transactional.id", unique("open"))
            .create()
            .expect("producer");
        producer.init_transactions(PATIENCE).expect("init");
        producer.begin_transaction().expect("begin");
        producer.send(BaseRecord::to(&log).key("a").payload("2").partition(0)).expect("taken");
        producer.flush(PATIENCE).expect("written");

        let open = span(&log, 0, 0, 0);
        let mut reader = ChangelogReader::start(&settings(), unique("restore"), vec![open]).expect("reader");
        let mut read = Vec::new();
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            assert!(!step(&mut reader, Duration::from_millis(100), &mut read), "the transaction is open");
        }
        assert_eq!(read, [(0, 0, "1".to_owned())]);
        assert!(reader.left() > 0);
        if commits {
            producer.commit_transaction(PATIENCE).expect("committed");
        } else {
            producer.abort_transaction(PATIENCE).expect("aborted");
        }
        let until = Instant::now() + PATIENCE;
        while !step(&mut reader, Duration::from_millis(100), &mut read) {
            assert!(Instant::now() < until, "the transaction has ended");
        }
        let news: Vec<&str> = read.iter().skip(1).map(|(_, _, value)| value.as_str()).collect();
        assert_eq!(news, if commits { vec!["2"] } else { Vec::new() });
    }
}

#[test]
fn a_changelog_that_is_gone_or_cut_off_is_told() {
    let gone = ChangelogSpan {
        changelog: ChangelogIndex(0),
        partition: at(&Arc::from(unique("never")), 0),
        from: Offset(0),
        until: Offset(1),
    };
    let failure = bounds(&admin(), std::slice::from_ref(&gone.partition)).expect_err("no such topic");
    assert!(
        matches!(&failure, ChangelogFailure::Stop(stop) if stop.code.0 == "changelog-missing"),
        "{failure}"
    );
    let read = |span: ChangelogSpan| {
        let mut reader = ChangelogReader::start(&settings(), unique("restore"), vec![span]).expect("reader");
        let (until, mut runs) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            assert!(Instant::now() < until, "it can never be read");
            match reader.read(Duration::from_millis(200), &mut runs) {
                Ok(done) => assert!(!done),
                Err(failure) => return failure,
            }
        }
    };
    let failure = read(gone);
    assert!(
        matches!(&failure, ChangelogFailure::Stop(stop) if stop.code.0 == "changelog-missing"),
        "{failure}"
    );
    let log = topic("log", 1, &[]);
    let beyond = ChangelogSpan { from: Offset(5), until: Offset(9), ..span(&log, 0, 0, 0) };
    assert!(matches!(read(beyond), ChangelogFailure::OffsetGone { offset: Offset(5), .. }));
}

#[test]
fn a_topic_made_anew_has_another_id() {
    let admin = admin();
    let prefix = unique("ids");
    let name = format!("{prefix}.total.changelog");
    let make = || admin.create_topic(&name, 2, Some(1), &[("cleanup.policy", "compact")]);
    make().expect("made");
    let id = || {
        let until = Instant::now() + PATIENCE;
        loop {
            match admin.topic_id(&name) {
                Ok(id) => return id.expect("this broker gives ids"),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let first = id();
    assert_eq!(id(), first);
    assert_eq!(admin.topics_beginning(&prefix).expect("names"), std::slice::from_ref(&name));
    let [policy, retention] =
        admin.topic_configs(&name, ["cleanup.policy", "delete.retention.ms"]).expect("settings");
    assert_eq!((policy.as_deref(), retention.as_deref()), (Some("compact"), Some("86400000")));
    admin.delete_topic(&name).expect("deleted");
    let until = Instant::now() + PATIENCE;
    while make().is_err() {
        assert!(Instant::now() < until, "the name is not free");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_ne!(id(), first);
}
