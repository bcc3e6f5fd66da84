//! What timers by event time cost where event time is sparse: every record then moves the watermark,
//! and is a batch of its own.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::time::Duration;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rdkafka::producer::BaseProducer;
use rdkafka::producer::BaseRecord;
use rdkafka::producer::Producer as _;
use serde_json::json;
use wasmill_test_support::guest;
use wasmill_test_support::payments::frame;
use wasmill_test_support::payments::long;
use wasmill_test_support::unique_name;

use crate::host_process::HostProcess;
use crate::native_verifier;
use crate::native_workload::FIRST_TS;
use crate::native_workload::partition;
use crate::progress::Progress;
use crate::servers::PARTITIONS;
use crate::servers::Servers;

const SCHEMA: &str = r#"{"type":"record","name":"Action","namespace":"com.example.web",
"fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
const RECORDS: u64 = 400_000;
const USERS: u32 = 100_000;
/// Event time between two records of the topic: more than the granularity of watermarks, 100 ms, also
/// within each partition.
const SPARSE_MS: i64 = 1000;
/// As the guest `session-timeout` has them.
const TIMEOUT_MS: i64 = 1_800_000;
const OUT_OF_ORDERNESS_MS: i64 = 5000;
const GRANULARITY_MS: i64 = 100;
const RUN_MAX: Duration = Duration::from_secs(600);

/// Nanoseconds of CPU time per record of the guest `session-timeout`, all of the host's process, in the
/// second half of the records. Nearly every record begins a session, whose timer fires later.
///
/// # Errors
/// When something does not start, or the sessions are not as many as they must be.
pub fn ns_per_record_sparse(servers: &Servers) -> anyhow::Result<f64> {
    let input = servers.topic("actions")?;
    let schema = servers.registry.register_avro(&format!("{input}-value"), SCHEMA)?;
    let sessions = write_actions(servers, &input, schema)?;
    let output = servers.topic("sessions")?;
    let name = unique_name("timers");
    let group = format!("wasmill.default.{name}");
    let document = json!({
        "version": 1,
        "name": name,
        "transform": { "file": guest("session-timeout")? },
        "inputs": { "actions": { "topic": input, "key": "text", "value": "avro" } },
        "outputs": { "sessions": { "topic": output, "key": "text", "value": "avro" } },
    });
    let progress = Progress::of(servers, &group, &input)?;
    let mut host = HostProcess::run(servers, &document)?;
    let records_per_cpu_s = progress.measure(host.pid(), RUN_MAX, || host.check())?;
    drop(host);
    servers.kafka.wait_until_settled(&output, Duration::from_secs(30))?;
    let found = native_verifier::found(servers.kafka.address(), &output)?;
    let found: u64 = found.iter().map(|sum| sum.records).sum();
    anyhow::ensure!(found == sessions, "found {found} sessions that are over, expected {sessions}");
    eprintln!("timers: {RECORDS} records, {sessions} sessions over");
    for store in ["session", "timers", "meta"] {
        servers.kafka.delete_topic(&format!("{group}.{store}.changelog"))?;
    }
    servers.kafka.delete_topic(&input)?;
    servers.kafka.delete_topic(&output)?;
    Ok(1e9 / records_per_cpu_s)
}

/// Writes the input; gives how many sessions must be over in the end.
fn write_actions(servers: &Servers, topic: &str, schema: u32) -> anyhow::Result<u64> {
    let producer: BaseProducer = servers
        .kafka
        .settings()
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "100")
        .create()?;
    let mut random = SmallRng::seed_from_u64(3);
    let mut models = vec![Sessions::default(); PARTITIONS as usize];
    for number in 0..RECORDS {
        let user = random.random_range(0..USERS);
        let at = FIRST_TS + number as i64 * SPARSE_MS;
        let key = format!("user-{user}");
        let to = partition(key.as_bytes(), PARTITIONS as usize);
        let mut value = frame(schema);
        long(&mut value, at);
        let mut record = BaseRecord::to(topic).partition(to as i32).key(key.as_bytes()).payload(&value);
        while let Err((error, back)) = producer.send(record) {
            let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
            anyhow::ensure!(error.rdkafka_error_code() == Some(full), "{error}");
            producer.poll(Duration::from_millis(5));
            record = back;
        }
        if let Some(model) = models.get_mut(to) {
            model.act(user, at);
        }
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(models.iter().map(|model| model.over).sum())
}

/// What the guest does, of one partition.
#[derive(Debug, Clone, Default)]
struct Sessions {
    last_at: HashMap<u32, i64>,
    timers: BTreeSet<(i64, u32)>,
    over: u64,
}

impl Sessions {
    /// Actions come in the order of their times.
    fn act(&mut self, user: u32, at: i64) {
        if let Some(before) = self.last_at.insert(user, at) {
            self.timers.remove(&(before + TIMEOUT_MS, user));
        }
        self.timers.insert((at + TIMEOUT_MS, user));
        let watermark = (at - OUT_OF_ORDERNESS_MS).div_euclid(GRANULARITY_MS) * GRANULARITY_MS;
        while let Some((due, user)) = self.timers.first().copied().filter(|(due, _)| *due <= watermark) {
            self.timers.remove(&(due, user));
            self.last_at.remove(&user);
            self.over += 1;
        }
    }
}
