//! Topics of their own for each test, and an outside client to check with.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::Offset as RdOffset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer as _;
use rdkafka::message::Headers as _;
use wasmill::kafka::admin::Admin;
use wasmill::kafka::messages::Messages;
use wasmill::kafka::overrides::Overrides;
use wasmill::kafka::security::Security;
use wasmill::kafka::settings::ClientSettings;
use wasmill::model::pipeline_spec::BatchLimits;
use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::pipeline_spec::PartitionBy;
use wasmill::model::position::Offset;
use wasmill::model::position::Partition;
use wasmill::model::position::TopicPartition;
use wasmill::model::record_batch::RawRecords as _;
use wasmill::pipeline::ports::OutputRecord;
use wasmill::pipeline::ports::SendFailure;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::Source as _;
use wasmill::pipeline::ports::SourceEvent;
use wasmill::pipeline::ports::SourceFailure;
use wasmill::pipeline::ports::TopicIndex;
use wasmill::sink::kafka_sink::KafkaSink;
use wasmill::sink::sink_settings::SinkSettings;
use wasmill::source::flow_control::FlowControl;
use wasmill::source::kafka_source::KafkaSource;
use wasmill::source::source_settings::CoPartitioned;
use wasmill::source::source_settings::SourceSettings;

/// A record as the outside client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

pub(crate) fn brokers() -> String {
    std::env::var("WASMILL_TEST_KAFKA").expect(
        "WASMILL_TEST_KAFKA must hold the host:port of a Kafka broker; `make test` starts one and sets it",
    )
}

pub(crate) fn settings() -> ClientSettings {
    ClientSettings::new(&brokers(), Security::default(), "test").expect("settings")
}

pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    format!("{name}-{nanos}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn topic(name: &str, partitions: u32, config: &[(&str, &str)]) -> Arc<str> {
    let topic = unique(name);
    let admin = Admin::start(&settings(), Duration::from_secs(10)).expect("admin");
    admin.create_topic(&topic, partitions, Some(1), config).expect("create the topic");
    let deadline = Instant::now() + Duration::from_secs(10);
    while admin.partition_count(&topic).ok() != Some(partitions) {
        assert!(Instant::now() < deadline, "the topic did not appear");
        std::thread::sleep(Duration::from_millis(20));
    }
    Arc::from(topic)
}

pub(crate) fn at(topic: &Arc<str>, partition: i32) -> TopicPartition {
    TopicPartition { topic: Arc::clone(topic), partition: Partition(partition) }
}

pub(crate) fn source_settings(group: &str, member: &str, topics: &[&Arc<str>]) -> SourceSettings {
    SourceSettings {
        client: settings(),
        group: group.to_owned(),
        member: member.to_owned(),
        topics: topics.iter().map(|topic| Arc::clone(topic)).collect(),
        batch: BatchLimits { rows_max: 100, bytes_max: 1 << 20 },
        flow: FlowControl::default(),
        overrides: Overrides::default(),
        assignment: CoPartitioned::default(),
    }
}

pub(crate) fn source(group: &str, member: &str, topic: &Arc<str>) -> KafkaSource {
    joined(source_settings(group, member, &[topic]))
}

/// A source that has asked to join its group.
pub(crate) fn joined(settings: SourceSettings) -> KafkaSource {
    let mut source = KafkaSource::new(settings).expect("source");
    source.join().expect("join");
    source
}

pub(crate) fn sink(member: &str, delivery: Delivery, topics: &[&Arc<str>]) -> KafkaSink {
    KafkaSink::new(SinkSettings {
        client: settings(),
        delivery,
        member: member.to_owned(),
        topics: topics.iter().map(|topic| (Arc::clone(topic), PartitionBy::Key)).collect(),
        overrides: Overrides::default(),
        topic_bytes_max: None,
    })
    .expect("sink")
}

pub(crate) fn send(sink: &mut KafkaSink, record: &OutputRecord<'_>) {
    loop {
        match sink.send(record) {
            Ok(()) => return,
            Err(SendFailure::Full) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("send failed: {error}"),
        }
    }
}

pub(crate) fn record<'a>(partition: i32, key: &'a [u8], value: &'a [u8]) -> OutputRecord<'a> {
    OutputRecord {
        topic: TopicIndex(0),
        partition: Partition(partition),
        key: Some(key),
        value: Some(value),
        timestamp: Some(1_000_000),
        headers: &[],
        token: 0,
    }
}

/// Writes `count` numbered records to each of `partitions`, without transactions.
pub(crate) fn fill(topic: &Arc<str>, partitions: i32, numbers: std::ops::Range<u32>) {
    let mut sink = sink(&unique("fill"), Delivery::AtLeastOnce, &[topic]);
    for partition in 0..partitions {
        for number in numbers.clone() {
            let number = number.to_string();
            send(&mut sink, &record(partition, number.as_bytes(), number.as_bytes()));
        }
    }
    // The group is not looked at without transactions, but the port asks for one.
    let mut member = Joined::new(&unique("fill"), &unique("m"), topic);
    sink.commit(&[], &member.source.group().expect("member")).expect("write");
}

/// A source that starts every assigned partition at its first offset.
pub(crate) struct Joined {
    pub(crate) source: KafkaSource,
    pub(crate) assigned: Vec<TopicPartition>,
}

impl Joined {
    /// Joins, and waits for the first assignment.
    pub(crate) fn new(group: &str, member: &str, topic: &Arc<str>) -> Self {
        Self::with(source(group, member, topic))
    }

    pub(crate) fn with(source: KafkaSource) -> Self {
        let mut joined = Self { source, assigned: Vec::new() };
        let deadline = Instant::now() + Duration::from_secs(30);
        while joined.assigned.is_empty() {
            assert!(Instant::now() < deadline, "nothing was assigned");
            joined.step(Duration::from_millis(100)).expect("poll");
        }
        joined
    }

    /// One poll; answers assignments by starting at offset 0, and hands out records.
    pub(crate) fn step(&mut self, wait: Duration) -> Result<Option<Messages>, SourceFailure> {
        match self.source.poll(wait)? {
            SourceEvent::Records(records) => return Ok(Some(records)),
            SourceEvent::Assigned(partitions) => {
                let positions: Vec<_> =
                    partitions.iter().map(|partition| (partition.clone(), Offset(0))).collect();
                self.source.start(&positions)?;
                self.assigned.extend(partitions);
            }
            SourceEvent::Revoked(partitions) | SourceEvent::Lost(partitions) => {
                self.source.release(&partitions)?;
                self.assigned.retain(|partition| !partitions.contains(partition));
            }
            SourceEvent::Idle => {}
        }
        Ok(None)
    }

    /// Reads values as numbers until `count` came, or for ten seconds.
    pub(crate) fn read(&mut self, count: usize) -> Vec<(i32, u32)> {
        let mut seen = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(10);
        while seen.len() < count && Instant::now() < deadline {
            if let Some(records) = self.step(Duration::from_millis(100)).expect("poll") {
                let partition = records.topic_partition().partition.0;
                seen.extend((0..records.len()).map(|index| (partition, number(records.value(index)))));
            }
        }
        seen
    }
}

pub(crate) fn number(value: Option<&[u8]>) -> u32 {
    std::str::from_utf8(value.expect("a value")).expect("text").parse().expect("a number")
}

/// Every record that a `read_committed` reader of another library sees now.
pub(crate) fn outside(topic: &str) -> Vec<Seen> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", unique("outside"))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .expect("consumer");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("metadata");
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), RdOffset::Beginning).expect("add");
    }
    let mut open = list.count();
    consumer.assign(&list).expect("assign");
    let mut seen = Vec::new();
    while open > 0 {
        match consumer.poll(Duration::from_secs(10)).expect("a record or the end") {
            Ok(message) => seen.push(Seen {
                partition: message.partition(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                timestamp: message.timestamp().to_millis(),
                headers: message.headers().map_or_else(Vec::new, |headers| {
                    headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
                }),
            }),
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    seen
}
