//! Latency under an open loop: records are sent by a schedule, whether earlier ones have come back or
//! not.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer as _;
use serde_json::json;
use wasmill_test_support::guest;
use wasmill_test_support::unique_name;

use crate::figure::quantile;
use crate::host_process::HostProcess;
use crate::native_workload::FIRST_TS;
use crate::native_workload::LargePayment;
use crate::native_workload::Payment;
use crate::native_workload::Payments;
use crate::native_workload::THRESHOLD;
use crate::native_workload::partition;
use crate::servers::PARTITIONS;
use crate::servers::Servers;
use crate::servers::pipeline;

const RECORDS_PER_SECOND: u32 = 10_000;
/// Sent before the measured ones: connections, code and caches get warm.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long the last outputs are waited for.
const LAST_MAX: Duration = Duration::from_secs(30);

/// The 99th percentile of the milliseconds from the time at which a record is to be sent until a
/// separate consumer has its output.
///
/// # Errors
/// When something does not start, or outputs are missing.
pub fn p99_ms(servers: &Servers, length: Duration) -> anyhow::Result<f64> {
    let input = servers.payments_topic()?;
    let output = servers.topic("large-payments")?;
    let document = pipeline(
        &unique_name("latency"),
        json!({ "file": guest("payments-filter")? }),
        &input.name,
        ("large_payments", &output),
        json!({ "delivery": "at-least-once" }),
    );
    let mut host = HostProcess::run(servers, &document)?;
    let producer: BaseProducer = servers
        .kafka
        .settings()
        // As the Java client has it by default. It bounds the requests in flight too: a slow moment
        // of the broker then makes batches larger, not queues longer.
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .create()?;
    let reader = servers.reader(&output)?;
    let mut payments = Payments::new(1, input.schema);
    first_output(&producer, &reader, &input.name, &mut payments, &mut host)?;

    let begin = Instant::now() + Duration::from_millis(100);
    let schedule = Schedule { begin, first: payments.written() };
    let warm = u64::from(RECORDS_PER_SECOND) * WARM_UP.as_secs();
    let count = warm + u64::from(RECORDS_PER_SECOND) * length.as_secs();
    eprintln!("latency: {RECORDS_PER_SECOND} records/s for {} s", (WARM_UP + length).as_secs());
    let sent_all = AtomicBool::new(false);
    let (kept, mut latencies) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let kept = send(&producer, &input.name, &mut payments, &schedule, count, warm);
            sent_all.store(true, Ordering::Release);
            kept
        });
        let latencies = receive(&reader, &schedule, warm, &sent_all);
        let kept = sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
        anyhow::Ok((kept, latencies?))
    })?;
    host.check()?;
    anyhow::ensure!(latencies.len() >= kept, "{} of {kept} outputs came", latencies.len());
    let p99 = quantile(&mut latencies, 0.99);
    eprintln!(
        "latency: median {:.1} ms, p99 {p99:.1} ms, p99.9 {:.1} ms, most {:.1} ms",
        quantile(&mut latencies, 0.5),
        quantile(&mut latencies, 0.999),
        quantile(&mut latencies, 1.0),
    );
    servers.kafka.delete_topic(&input.name)?;
    servers.kafka.delete_topic(&output)?;
    Ok(p99)
}

/// When each record is to be sent. Records carry their number.
struct Schedule {
    begin: Instant,
    /// Number of the first record.
    first: u64,
}

impl Schedule {
    fn time(&self, index: u64) -> Instant {
        self.begin + Duration::from_nanos(index * (1_000_000_000 / u64::from(RECORDS_PER_SECOND)))
    }
}

/// Sends payments until one comes out: the pipeline runs.
fn first_output(
    producer: &BaseProducer,
    reader: &BaseConsumer,
    topic: &str,
    payments: &mut Payments,
    host: &mut HostProcess,
) -> anyhow::Result<()> {
    let until = Instant::now() + LAST_MAX;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    loop {
        payments.write_next(&mut key, &mut value);
        produce(producer, topic, &key, &value)?;
        if let Some(message) = reader.poll(Duration::from_millis(100)) {
            message?;
            return Ok(());
        }
        host.check()?;
        anyhow::ensure!(Instant::now() < until, "no output came:\n{}", host.log_tail());
    }
}

/// How many of the measured records must come out.
fn send(
    producer: &BaseProducer,
    topic: &str,
    payments: &mut Payments,
    schedule: &Schedule,
    count: u64,
    warm: u64,
) -> anyhow::Result<usize> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut kept = 0;
    for index in 0..count {
        payments.write_next(&mut key, &mut value);
        let payment = Payment::decode(&value).context("a malformed payment")?;
        kept += usize::from(index >= warm && payment.amount > THRESHOLD);
        loop {
            let early = schedule.time(index).saturating_duration_since(Instant::now());
            if early.is_zero() {
                break;
            }
            producer.poll(Duration::ZERO);
            std::thread::sleep(early.min(Duration::from_millis(1)));
        }
        produce(producer, topic, &key, &value)?;
    }
    producer.flush(LAST_MAX)?;
    Ok(kept)
}

fn produce(producer: &BaseProducer, topic: &str, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
    let to = partition(key, PARTITIONS as usize) as i32;
    let record = BaseRecord::<[u8], [u8]>::to(topic).partition(to).key(key).payload(value);
    producer.send(record).map_err(|(error, _)| error.into())
}

/// Latencies of the measured records in milliseconds, until nothing more comes.
fn receive(
    reader: &BaseConsumer,
    schedule: &Schedule,
    warm: u64,
    sent_all: &AtomicBool,
) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let mut silent_since = Instant::now();
    loop {
        match reader.poll(Duration::from_millis(100)).transpose()? {
            Some(message) => {
                silent_since = Instant::now();
                let payment = LargePayment::decode(message.payload().unwrap_or_default());
                let number = payment.context("a malformed output")?.ts - FIRST_TS;
                let Some(index) = u64::try_from(number)?.checked_sub(schedule.first) else {
                    continue;
                };
                if index >= warm {
                    let late = Instant::now().saturating_duration_since(schedule.time(index));
                    latencies.push(late.as_secs_f64() * 1000.0);
                }
            }
            None => {
                let sent_all = sent_all.load(Ordering::Acquire);
                if sent_all && silent_since.elapsed() > Duration::from_secs(3) {
                    return Ok(latencies);
                }
                anyhow::ensure!(silent_since.elapsed() < LAST_MAX, "no output for {LAST_MAX:?}");
            }
        }
    }
}
