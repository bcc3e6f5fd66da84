use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaApiKey;
use rdkafka::types::RDKafkaRespErr;
use wasmill::kafka::dev_broker::DevBroker;
use wasmill::kafka::security::Security;
use wasmill::kafka::settings::ClientSettings;
use wasmill::model::murmur2::partition_of_key;
use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::model::position::Partition;
use wasmill::pipeline::ports::Sink as _;
use wasmill::pipeline::ports::Source as _;
use wasmill::pipeline::ports::SourceEvent;
use wasmill::pipeline::ports::SourceFailure;
use wasmill::pipeline::ports::TopicIndex;
use wasmill::sink::kafka_sink::KafkaSink;
use wasmill::sink::sink_settings::SinkSettings;

use crate::support::Joined;
use crate::support::at;
use crate::support::record;
use crate::support::send;
use crate::support::source_settings;

#[test]
fn the_broker_within_the_process_serves_at_least_once() {
    let broker = DevBroker::start().expect("broker");
    broker.create_topic("in", 2).expect("topic");
    let client = ClientSettings::new(broker.brokers(), Security::default(), "test").expect("settings");
    let input: Arc<str> = Arc::from("in");
    let mut sink = KafkaSink::new(SinkSettings {
        client: client.clone(),
        delivery: Delivery::AtLeastOnce,
        member: "sink".to_owned(),
        topics: vec![(Arc::clone(&input), wasmill::model::pipeline_spec::PartitionBy::Key)],
        overrides: wasmill::kafka::overrides::Overrides::default(),
        topic_bytes_max: Some(1_000_000),
    })
    .expect("sink");
    let mut settings = source_settings("group", "m", &[&input]);
    settings.client = client;
    let mut member = Joined::with(crate::support::joined(settings));
    sink.begin().expect("begin");
    let partition = sink.route(TopicIndex(0), Some(b"21"), Partition(0)).expect("route");
    assert_eq!(partition, partition_of_key(b"21", 2));
    for number in 0..1000_u32 {
        let text = number.to_string();
        send(&mut sink, &record((number % 2) as i32, text.as_bytes(), text.as_bytes()));
    }
    sink.end_batch().expect("end of the batch");
    let group = member.source.group().expect("a member");
    sink.commit(&[], &group).expect("write");
    let seen = member.read(1000);
    assert_eq!(seen.len(), 1000);
    member.source.commit(&[(at(&input, 0), Offset(500))]).expect("commit");
    assert_eq!(member.source.committed(&[at(&input, 0)]).expect("committed"), [Some(Offset(500))]);
}

#[test]
fn an_offset_that_is_gone_is_told_after_an_outage_in_which_nobody_could_be_asked() {
    let cluster = MockCluster::new(1).expect("broker");
    cluster.create_topic("in", 1, 1).expect("topic");
    let brokers = cluster.bootstrap_servers();
    // The client reports such an offset once; where the partition starts cannot be had at that time.
    let away = RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &[away; 1000]);
    let input: Arc<str> = Arc::from("in");
    let mut settings = source_settings("group", "m", &[&input]);
    settings.client = ClientSettings::new(&brokers, Security::default(), "test").expect("settings");
    let mut source = crate::support::joined(settings);
    let (began, mut was_away) = (Instant::now(), false);
    let gone = loop {
        assert!(began.elapsed() < Duration::from_secs(60), "away: {was_away}; then nothing more was said");
        match source.poll(Duration::from_millis(100)) {
            Ok(SourceEvent::Assigned(_)) => source.start(&[(at(&input, 0), Offset(1000))]).expect("start"),
            Ok(SourceEvent::Idle) => {}
            Ok(event) => panic!("{event:?}"),
            Err(SourceFailure::Outage(_)) => {
                was_away = true;
                cluster.clear_request_errors(RDKafkaApiKey::ListOffsets);
            }
            Err(failure) => break failure,
        }
    };
    assert!(was_away, "it was asked while nobody could answer");
    let SourceFailure::OffsetGone { partition, offset, first } = gone else { panic!("{gone:?}") };
    assert_eq!((partition, offset, first), (at(&input, 0), Offset(1000), Offset(0)));
}
