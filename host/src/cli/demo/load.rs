//! Sends the payments, no faster than their results come back.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::DeliveryResult;
use rdkafka::producer::Producer;
use rdkafka::producer::ProducerContext;
use rdkafka::producer::ThreadedProducer;

use crate::cli::demo::INPUT_TOPIC;
use crate::cli::demo::journal::Expected;
use crate::cli::demo::journal::Journal;
use crate::cli::demo::payments::Generator;

const FLUSH_DEADLINE: Duration = Duration::from_secs(30);
/// How often the world is looked at while sending.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Without a result for this long, something is wrong.
const STALL: Duration = Duration::from_secs(45);

/// Counts what the broker refused.
#[derive(Clone, Default)]
struct Deliveries(Arc<AtomicU64>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Relaxed);
        }
    }
}

/// Sends `records` payments and says what must come of them. `look` is called now and then with
/// the number sent so far.
pub(super) fn send(
    kafka: &str,
    generator: &mut Generator,
    records: u64,
    journal: &Journal,
    in_flight_max: u64,
    mut look: impl FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<Expected> {
    let deliveries = Deliveries::default();
    let producer: ThreadedProducer<Deliveries> = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("client.id", "wasmill-demo")
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .set("batch.num.messages", "1000")
        .set("queue.buffering.max.messages", "50000")
        .set("partitioner", "murmur2_random")
        .create_with_context(deliveries.clone())
        .context("the producer cannot be made")?;
    let mut expected = Expected::default();
    let mut pace = Pace::new(in_flight_max);
    for sent in 0..records {
        while !pace.may_send(&expected, journal)? {
            look(sent)?;
            std::thread::sleep(Duration::from_millis(2));
        }
        if pace.time_to_look() {
            look(sent)?;
        }
        let record = generator.next();
        expected.add(&record);
        let mut message = BaseRecord::to(INPUT_TOPIC).key(&record.payment.account).payload(&record.value);
        while let Err((error, back)) = producer.send(message) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error).context("a payment cannot be sent");
            }
            message = back;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    look(records)?;
    producer.flush(FLUSH_DEADLINE).context("the last payments were not acknowledged")?;
    let refused = deliveries.0.load(Relaxed);
    if refused > 0 {
        bail!("the broker refused {refused} payments");
    }
    Ok(expected)
}

/// Holds the sender back while too many results are outstanding.
struct Pace {
    in_flight_max: u64,
    returned: u64,
    progressed: Instant,
    looked: Instant,
}

impl Pace {
    fn new(in_flight_max: u64) -> Self {
        Self { in_flight_max, returned: 0, progressed: Instant::now(), looked: Instant::now() }
    }

    fn may_send(&mut self, expected: &Expected, journal: &Journal) -> anyhow::Result<bool> {
        let returned = journal.returned();
        if returned != self.returned {
            self.returned = returned;
            self.progressed = Instant::now();
        }
        let may = expected.returned().saturating_sub(returned) < self.in_flight_max;
        if !may && self.progressed.elapsed() > STALL {
            bail!(
                "no result has come for {} s, with {} outstanding",
                STALL.as_secs(),
                expected.returned() - returned
            );
        }
        Ok(may)
    }

    fn time_to_look(&mut self) -> bool {
        let due = self.looked.elapsed() >= LOOK_EVERY;
        if due {
            self.looked = Instant::now();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_waits_while_too_much_is_outstanding() {
        let (mut expected, journal) = (Expected::default(), Journal::default());
        let mut generator = Generator::new(1, 1);
        let mut pace = Pace::new(10);
        while pace.may_send(&expected, &journal).expect("in time") {
            expected.add(&generator.next());
        }
        assert_eq!(expected.returned(), 10);
        journal.output();
        assert!(pace.may_send(&expected, &journal).expect("in time"));
    }
}
