//! The second part: a running total per account, on a real Kafka, whose host is killed in the middle.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::anyhow;
use anyhow::bail;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::admin::AdminClient;
use rdkafka::admin::AdminOptions;
use rdkafka::admin::NewTopic;
use rdkafka::admin::TopicReplication;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::producer::Producer;
use rdkafka::producer::ThreadedProducer;
use rdkafka::types::RDKafkaErrorCode;

use crate::cli::demo::INPUT_TOPIC;
use crate::cli::demo::PARTITIONS;
use crate::cli::demo::payments::Generator;
use crate::cli::demo::reader;
use crate::cli::demo::show;
use crate::cli::demo::totals::RunningTotal;
use crate::cli::demo::totals::Totals;
use crate::cli::demo::victim::Plan;
use crate::cli::demo::victim::Victim;

const TOTALS_TOPIC: &str = "running-totals";
const PIPELINE: &str = "running-totals";
const PAYMENTS: u64 = 60_000;
const ACCOUNTS: u64 = 500;
/// Payments that are sent at once, and how often: about five seconds in all.
const PORTION: u64 = 500;
const SEND_EVERY: Duration = Duration::from_millis(40);
/// The host is killed when so many totals have come back.
const KILLED_AFTER: u64 = PAYMENTS / 3;
const DEADLINE: Duration = Duration::from_secs(90);
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(20);

/// Where it takes place.
pub(super) struct Stage<'a> {
    /// A real one: the in-process broker knows no transactions.
    pub(super) kafka: &'a str,
    pub(super) registry: &'a str,
    /// Of the payments' schema.
    pub(super) schema_id: u32,
    /// The transform of the running totals.
    pub(super) component: &'a Path,
    pub(super) seed: u64,
}

/// Shows it. Gives every way in which the totals are wrong, as sentences.
pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Vec<String>> {
    show::step("Keyed state: a running total for every account, on a real Kafka");
    let folder = tempfile::Builder::new().prefix("wasmill-demo-").tempdir().context("no folder")?;
    create_topics(stage.kafka)?;
    let pipeline_file = folder.path().join("pipeline.yaml");
    std::fs::write(&pipeline_file, pipeline(stage.component)?)?;
    show::item(&format!(
        "{INPUT_TOPIC} -> running-totals (sum and count per account) -> {TOTALS_TOPIC}, exactly once"
    ));
    let plan = Plan {
        folder: folder.path().to_owned(),
        pipeline_file,
        kafka: stage.kafka.to_owned(),
        registry: stage.registry.to_owned(),
    };
    let mut host = plan.start()?;
    show::item(&format!("wasmill run -f pipeline.yaml: process {}", host.pid()));

    let found = Arc::new(Mutex::new(Totals::default()));
    let stop = AtomicBool::new(false);
    let consumer = reader::consumer(stage.kafka, &[TOTALS_TOPIC])?;
    let paid = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(&consumer, &found, &stop));
        let sender = scope.spawn(|| send(stage, &found, &stop));
        let outcome = kill_and_go_on(&plan, &mut host, &found);
        if outcome.is_ok() {
            // Whatever is still on the way, though nothing should be, would be a duplicate.
            std::thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Relaxed);
        let paid = sender.join().map_err(|_| anyhow!("sending the payments has failed"))?;
        reader.join().map_err(|_| anyhow!("reading the totals back has failed"))??;
        outcome.and(paid)
    })?;
    let found = lock(&found);
    let problems = paid.compare(&found);
    show::totals(&paid, &problems);
    Ok(problems)
}

/// Kills the host in the middle, starts it again, and waits for the rest.
fn kill_and_go_on(plan: &Plan, host: &mut Victim, found: &Mutex<Totals>) -> anyhow::Result<()> {
    wait_for(KILLED_AFTER, host, found)?;
    let pid = host.pid();
    let before = lock(found).clone();
    host.kill()?;
    show::item(&format!(
        "kill -9 {pid} after {} running totals of {}, while payments keep coming",
        show::number(before.count),
        show::number(PAYMENTS)
    ));
    let killed = Instant::now();
    *host = plan.start()?;
    show::item(&format!("started again: process {}", host.pid()));
    wait_for(before.count + 1, host, found)?;
    show::item(&format!(
        "the totals go on {:.1} s later, from the state that was committed",
        killed.elapsed().as_secs_f64()
    ));
    wait_for(PAYMENTS, host, found)
}

fn wait_for(count: u64, host: &mut Victim, found: &Mutex<Totals>) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while lock(found).count < count {
        host.check()?;
        if Instant::now() > deadline {
            bail!("{} running totals of {count} came within {} s", lock(found).count, DEADLINE.as_secs());
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

fn lock(found: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pipeline(component: &Path) -> anyhow::Result<String> {
    let component = std::path::absolute(component).context("the transform has no path")?;
    let document = serde_json::json!({
        "version": 1,
        "name": PIPELINE,
        "transform": { "file": component },
        "inputs": { "payments": { "topic": INPUT_TOPIC, "key": "text", "value": "avro" } },
        "outputs": { "running_totals": { "topic": TOTALS_TOPIC, "key": "text", "value": "avro" } },
    });
    // JSON is YAML.
    Ok(serde_json::to_string_pretty(&document)?)
}

fn create_topics(kafka: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka).create().context("no client of Kafka")?;
    let topics =
        [INPUT_TOPIC, TOTALS_TOPIC].map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1)));
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_DEADLINE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let created = runtime.block_on(admin.create_topics(&topics, &options));
    for topic in created.context("the topics cannot be created")? {
        topic.map_err(|(name, code)| anyhow!("the topic `{name}` cannot be created: {code}"))?;
    }
    Ok(())
}

/// Sends the payments bit by bit, the most once the first have come back; says what they come to.
fn send(stage: &Stage<'_>, found: &Mutex<Totals>, stop: &AtomicBool) -> anyhow::Result<Totals> {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", stage.kafka)
        .set("client.id", "wasmill-demo")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .create()
        .context("the producer cannot be made")?;
    let mut generator = Generator::of_accounts(stage.seed, stage.schema_id, ACCOUNTS);
    let mut paid = Totals::default();
    while paid.count < PAYMENTS && !stop.load(Relaxed) {
        let end = (paid.count + PORTION).min(PAYMENTS);
        while paid.count < end {
            let record = generator.next();
            if record.poison.is_some() {
                // Those were the first part's.
                continue;
            }
            paid.pay(&record.payment);
            let mut message = BaseRecord::to(INPUT_TOPIC).key(&record.payment.account).payload(&record.value);
            while let Err((error, back)) = producer.send(message) {
                if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                    return Err(error).context("a payment cannot be sent");
                }
                message = back;
                std::thread::sleep(TICK);
            }
        }
        std::thread::sleep(SEND_EVERY);
        while lock(found).count == 0 && !stop.load(Relaxed) {
            std::thread::sleep(TICK);
        }
    }
    producer.flush(REQUEST_DEADLINE).context("the last payments were not acknowledged")?;
    Ok(paid)
}

fn read(consumer: &BaseConsumer, found: &Mutex<Totals>, stop: &AtomicBool) -> anyhow::Result<()> {
    while !stop.load(Relaxed) {
        match consumer.poll(Duration::from_millis(50)) {
            None => {}
            Some(Err(error)) => return Err(error).context("the totals cannot be read"),
            Some(Ok(message)) => {
                // Behind the frame of the registry.
                let body = message.payload().and_then(|value| value.get(5..));
                let running = body.and_then(RunningTotal::decode);
                lock(found).came_back(running.context("a running total cannot be read")?);
            }
        }
    }
    Ok(())
}
