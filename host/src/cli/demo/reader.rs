//! Reads outputs and dead letters back while they come.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use anyhow::anyhow;
use anyhow::bail;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::message::Headers;

use crate::cli::demo::DEAD_LETTER_TOPIC;
use crate::cli::demo::OUTPUT_TOPIC;
use crate::cli::demo::PARTITIONS;
use crate::cli::demo::journal::DeadLetter;
use crate::cli::demo::journal::Found;
use crate::cli::demo::journal::Journal;
use crate::cli::demo::payments::LargePayment;
use crate::cli::demo::payments::SAMPLE_TS_END;

/// A consumer of no group, at the beginning of all partitions of `topics`.
pub(super) fn consumer(kafka: &str, topics: &[&str]) -> anyhow::Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("client.id", "wasmill-demo")
        .set("group.id", "wasmill-demo")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "50")
        .create()
        .context("the consumer cannot be made")?;
    let mut partitions = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&partitions).with_context(|| format!("{} cannot be read", topics.join(" and ")))?;
    Ok(consumer)
}

/// A thread that reads until it is told to stop.
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Found>>,
}

impl Reader {
    pub(super) fn start(kafka: &str, journal: Arc<Journal>) -> anyhow::Result<Self> {
        let consumer = consumer(kafka, &[OUTPUT_TOPIC, DEAD_LETTER_TOPIC])?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("demo-reader".to_owned())
            .spawn(move || read(&consumer, &journal, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Whether the thread still reads.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.thread.is_finished() {
            bail!("reading the outputs back has ended too early");
        }
        Ok(())
    }

    pub(super) fn stop(self) -> anyhow::Result<Found> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("reading the outputs back has failed"))?
    }
}

fn read(consumer: &BaseConsumer, journal: &Journal, stop: &AtomicBool) -> anyhow::Result<Found> {
    let mut found = Found::default();
    while !stop.load(Relaxed) {
        match consumer.poll(Duration::from_millis(50)) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => return Err(error).context("the outputs cannot be read"),
            Some(Ok(message)) if message.topic() == OUTPUT_TOPIC => {
                take_output(&message, &mut found);
                journal.output();
            }
            Some(Ok(message)) => {
                take_dead_letter(&message, &mut found);
                journal.dead_letter();
            }
        }
    }
    Ok(found)
}

fn take_output(message: &BorrowedMessage<'_>, found: &mut Found) {
    let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    let framed = value.split_first_chunk::<5>().filter(|(frame, _)| frame[0] == 0);
    let Some(([_, id @ ..], body)) = framed else {
        found.unreadable += 1;
        return;
    };
    *found.schema_ids.entry(u32::from_be_bytes(*id)).or_default() += 1;
    found.outputs.add(key, body);
    match LargePayment::decode(body) {
        Some(large) if large.ts < SAMPLE_TS_END => {
            found.samples.insert(large.ts, large);
        }
        Some(_) => {}
        None => found.unreadable += 1,
    }
}

fn take_dead_letter(message: &BorrowedMessage<'_>, found: &mut Found) {
    let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    found.dead_letters.add(key, value);
    let header = |name: &str| {
        let headers = message.headers()?;
        let value = headers.iter().find(|header| header.key == name)?.value?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let error = |name: &str| header(&format!("__connect.errors.{name}")).unwrap_or_default();
    let code = header("wasmill.code").unwrap_or_else(|| "(no code)".to_owned());
    *found.codes.entry(code.clone()).or_default() += 1;
    found.letters.entry(code).or_insert_with(|| DeadLetter {
        key: String::from_utf8_lossy(key).into_owned(),
        origin: format!("{}-{}@{}", error("topic"), error("partition"), error("offset")),
        stage: error("stage"),
        message: error("exception.message"),
    });
}
