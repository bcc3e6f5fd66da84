use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use apache_avro::reader::datum::GenericDatumReader;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer;
use rdkafka::message::Header;
use rdkafka::message::OwnedHeaders;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer;
use rdkafka::producer::ThreadedProducer;

use super::*;
use crate::cli::demo::payments::LargePayment;

#[test]
fn a_status_gives_the_lag_or_the_reason_of_a_stop() {
    let lag = |status: Json| status_lag(&status);
    assert_eq!(lag(json!({ "state": "running", "lag": 7 })).expect("runs"), Some(7));
    assert_eq!(lag(json!({ "state": "starting", "lag": null })).expect("starts"), None);
    let stop = json!({ "code": "topic-missing", "message": "no topic `a`", "remedy": "Create it." });
    let error = lag(json!({ "state": "stopped", "stop": stop })).expect_err("stopped");
    assert_eq!(error.to_string(), "the pipeline has stopped: topic-missing: no topic `a`. Create it.");
}

const SCHEMA_IN: u32 = 1;
const SCHEMA_OUT: u32 = 2;

/// What the pipeline of the demo does, by hand. Loses the output number `lose`.
fn stand_in(kafka: &str, stop: &AtomicBool, lose: Option<u64>) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka)
        .set("group.id", "stand-in")
        .set("fetch.wait.max.ms", "10")
        .set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("linger.ms", "5")
        .create()
        .expect("a producer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(INPUT_TOPIC, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&partitions).expect("assigned");
    let schema = apache_avro::Schema::parse_str(payments::PAYMENT_SCHEMA).expect("a schema");
    let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
    let mut kept = 0;
    while !stop.load(Relaxed) {
        let Some(message) = consumer.poll(Duration::from_millis(20)) else {
            continue;
        };
        let message = message.expect("a message");
        let (key, value) = (message.key().expect("a key"), message.payload().expect("a value"));
        let frame = [&[0][..], &SCHEMA_IN.to_be_bytes()].concat();
        // Everything but the amount is taken as it stands; a body is complete when its end is.
        let payment = value.strip_prefix(&frame[..]).and_then(|body| read_payment(&reader, body));
        match payment {
            None => {
                let header = Header { key: "wasmill.code", value: Some("poison") };
                let record = BaseRecord::to(DEAD_LETTER_TOPIC).key(key).payload(value);
                producer.send(record.headers(OwnedHeaders::new().insert(header))).expect("queued");
            }
            Some(large) if large.amount > payments::THRESHOLD => {
                kept += 1;
                if lose != Some(kept) {
                    let value = [&[0][..], &SCHEMA_OUT.to_be_bytes(), &large.encode()].concat();
                    producer.send(BaseRecord::to(OUTPUT_TOPIC).key(key).payload(&value)).expect("queued");
                }
            }
            Some(_) => {}
        }
    }
    producer.flush(Duration::from_secs(5)).expect("flushed");
}

fn read_payment(reader: &GenericDatumReader<'_>, body: &[u8]) -> Option<LargePayment> {
    let value = reader.read_value(&mut &*body).ok()?;
    let apache_avro::types::Value::Record(fields) = value else { panic!("a record") };
    let mut large = LargePayment { account: String::new(), amount: 0.0, ts: 0 };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("account", apache_avro::types::Value::String(account)) => large.account = account,
            ("amount", apache_avro::types::Value::Double(amount)) => large.amount = amount,
            ("ts", apache_avro::types::Value::Long(ts)) => large.ts = ts,
            _ => {}
        }
    }
    Some(large)
}

/// Sends payments through the stand-in and compares. Gives the problems found.
fn run(records: u64, lose: Option<u64>) -> Vec<String> {
    let cluster = MockCluster::new(1).expect("a broker");
    for topic in [INPUT_TOPIC, OUTPUT_TOPIC, DEAD_LETTER_TOPIC] {
        cluster.create_topic(topic, PARTITIONS, 1).expect("a topic");
    }
    let kafka = cluster.bootstrap_servers();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| stand_in(&kafka, &stop, lose));
        let journal = Arc::new(Journal::default());
        let reader = Reader::start(&kafka, Arc::clone(&journal)).expect("a reader");
        let mut generator = Generator::new(7, SCHEMA_IN);
        let mut looks = Vec::new();
        let expected = load::send(&kafka, &mut generator, records, &journal, 2_000, |sent| {
            looks.push(sent);
            Ok(())
        })
        .expect("sent");
        assert_eq!(looks.last(), Some(&records));
        let wanted = expected.returned() - u64::from(lose.is_some());
        let deadline = Instant::now() + Duration::from_secs(30);
        while journal.returned() < wanted && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Relaxed);
        let found = reader.stop().expect("read");
        assert!(expected.dead_letters.count > 0 && found.codes.contains_key("poison"), "{:?}", found.codes);
        assert!(!found.samples.is_empty());
        journal::compare(&expected, &found, SCHEMA_OUT)
    })
}

#[test]
fn a_pipeline_that_does_its_work_passes() {
    assert_eq!(run(60_000, None), Vec::<String>::new());
}

#[test]
fn a_single_lost_output_is_found() {
    let problems = run(60_000, Some(100));
    assert!(problems.len() == 1 && problems[0].contains("outputs came"), "{problems:?}");
}
