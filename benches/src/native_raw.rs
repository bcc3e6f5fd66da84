//! A work as a loop over librdkafka's fastest calls: batch consume, outputs bucketed by partition, one
//! raw batch produce a bucket, raw commit.
#![expect(unsafe_code, reason = "the yardstick is what librdkafka itself can do")]

use std::ffi::CString;
use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::time::Instant;

use rdkafka::types::RDKafkaType;
use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_resp_err_t as RespErr;

use crate::native_calls::WAIT_MS;
use crate::native_calls::check;
use crate::native_calls::client;
use crate::native_calls::partition_count;
use crate::native_calls::produce_batch;
use crate::native_calls::produce_one;
use crate::native_calls::take;
use crate::native_workload::BATCH_MAX;
use crate::native_workload::COMMIT_INTERVAL;
use crate::native_workload::CONSUMER;
use crate::native_workload::PRODUCER;
use crate::native_workload::Payment;
use crate::native_workload::Report;
use crate::native_workload::Settings;
use crate::native_workload::THRESHOLD;
use crate::native_workload::cpu_seconds;
use crate::native_workload::partition;

/// Longest output value that the arena has room for, per record of a batch.
const OUTPUT_MAX: usize = 256;

/// How records are produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// One `rd_kafka_produce_batch` a partition. Carries neither timestamps nor headers.
    Batch,
    /// One `rd_kafka_produceva` a record, with the input's timestamp.
    Single,
}

/// What a loop does with payments.
pub trait Work {
    /// Appends the output of a payment to `out`; false if it has none.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn output(&mut self, payment: &Payment<'_>, partition: u32, out: &mut Vec<u8>) -> anyhow::Result<bool>;

    /// What belongs into the changelog of the state, as part of the transaction.
    fn changes(&mut self) -> &Changes;

    /// The transaction is committed.
    ///
    /// # Errors
    /// When the state cannot be written.
    fn committed(&mut self) -> anyhow::Result<()>;
}

/// Records for a changelog.
#[derive(Debug, Default)]
pub struct Changes {
    pub bytes: Vec<u8>,
    /// Partition, and where in `bytes` key and value lie.
    pub records: Vec<(u32, Range<usize>, Range<usize>)>,
}

/// The `stateless` work: large payments are kept.
#[derive(Debug)]
pub struct Filter {
    schema: u32,
    none: Changes,
}

impl Filter {
    /// `schema` is the id in front of every output.
    #[must_use]
    pub fn new(schema: u32) -> Self {
        Self { schema, none: Changes::default() }
    }
}

impl Work for Filter {
    #[inline]
    fn output(&mut self, payment: &Payment<'_>, _: u32, out: &mut Vec<u8>) -> anyhow::Result<bool> {
        let is_kept = payment.amount > THRESHOLD;
        if is_kept {
            payment.encode(self.schema, out);
        }
        Ok(is_kept)
    }

    fn changes(&mut self) -> &Changes {
        &self.none
    }

    fn committed(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Reads the whole input topic once.
///
/// # Errors
/// When the broker is away, a topic missing, a value malformed, or the work fails.
pub fn run(settings: &Settings, route: Route, work: &mut impl Work) -> anyhow::Result<Report> {
    let (cpu, begin) = (cpu_seconds(), Instant::now());
    let mut report = Report { records: 0, outputs: 0, cpu_seconds: 0.0, wall_seconds: 0.0, commits: 0 };
    // SAFETY: every handle lives to the end of the block, in which each call gets live handles,
    // C strings, and buffers of the sizes given.
    unsafe {
        let input = CString::new(settings.input.as_str())?;
        let output = CString::new(settings.output.as_str())?;
        let changelog = settings.changelog.as_deref().map(CString::new).transpose()?;
        let mut properties = CONSUMER.to_vec();
        properties.push(("bootstrap.servers", &settings.brokers));
        properties.push(("group.id", &settings.group));
        let consumer = client(RDKafkaType::RD_KAFKA_CONSUMER, &properties)?;
        let id = format!("{}.raw", settings.group);
        let mut properties = PRODUCER.to_vec();
        properties.push(("bootstrap.servers", &settings.brokers));
        properties.push(("transactional.id", &id));
        let producer = client(RDKafkaType::RD_KAFKA_PRODUCER, &properties)?;
        let topic = sys::rd_kafka_topic_new(producer, output.as_ptr(), ptr::null_mut());
        let outputs_count = partition_count(producer, topic)?;
        let changelog =
            changelog.map(|name| sys::rd_kafka_topic_new(producer, name.as_ptr(), ptr::null_mut()));
        let input_topic = sys::rd_kafka_topic_new(consumer, input.as_ptr(), ptr::null_mut());
        let inputs_count = partition_count(consumer, input_topic)?;
        sys::rd_kafka_topic_destroy(input_topic);
        sys::rd_kafka_poll_set_consumer(consumer);
        let queue = sys::rd_kafka_queue_get_consumer(consumer);
        let main_queue = sys::rd_kafka_queue_get_main(producer);
        let list = sys::rd_kafka_topic_partition_list_new(inputs_count as i32);
        let mut ends = Vec::new();
        for index in 0..inputs_count as i32 {
            let (mut low, mut high) = (0, 0);
            check(sys::rd_kafka_query_watermark_offsets(
                consumer,
                input.as_ptr(),
                index,
                &raw mut low,
                &raw mut high,
                WAIT_MS,
            ))?;
            (*sys::rd_kafka_topic_partition_list_add(list, input.as_ptr(), index)).offset = low;
            ends.push(high);
        }
        check(sys::rd_kafka_assign(consumer, list))?;
        take(sys::rd_kafka_init_transactions(producer, WAIT_MS))?;
        take(sys::rd_kafka_begin_transaction(producer))?;
        let positions = std::slice::from_raw_parts_mut((*list).elems, inputs_count);
        let mut messages = vec![ptr::null_mut::<sys::rd_kafka_message_t>(); BATCH_MAX];
        let mut buckets = vec![Vec::<sys::rd_kafka_message_t>::with_capacity(BATCH_MAX); outputs_count];
        let mut changed = vec![Vec::<sys::rd_kafka_message_t>::new(); inputs_count];
        let mut arena: Vec<u8> = Vec::with_capacity(BATCH_MAX * OUTPUT_MAX);
        let mut committed = Instant::now();
        loop {
            let count = sys::rd_kafka_consume_batch_queue(queue, 5, messages.as_mut_ptr(), BATCH_MAX);
            let count = usize::try_from(count)?;
            arena.clear();
            for message in &messages[..count] {
                let message = &**message;
                anyhow::ensure!(message.err == RespErr::RD_KAFKA_RESP_ERR_NO_ERROR, "the consumer failed");
                let value = std::slice::from_raw_parts(message.payload.cast::<u8>(), message.len);
                let payment = Payment::decode(value).ok_or_else(|| anyhow::anyhow!("a malformed value"))?;
                positions[message.partition as usize].offset = message.offset + 1;
                let start = arena.len();
                if !work.output(&payment, message.partition as u32, &mut arena)? {
                    continue;
                }
                // Pointers into the arena stay good as long as it does not grow.
                anyhow::ensure!(arena.len() <= BATCH_MAX * OUTPUT_MAX, "an output is too large");
                let key = std::slice::from_raw_parts(message.key.cast::<u8>(), message.key_len);
                let to = partition(key, outputs_count);
                let record = record(to, key, &arena[start..]);
                match route {
                    Route::Batch => buckets[to].push(record),
                    Route::Single => {
                        let timestamp = sys::rd_kafka_message_timestamp(message, ptr::null_mut());
                        produce_one(producer, topic, &record, timestamp)?;
                    }
                }
                report.outputs += 1;
            }
            for (index, bucket) in buckets.iter_mut().enumerate() {
                produce_batch(producer, topic, index as i32, bucket)?;
            }
            for message in &messages[..count] {
                sys::rd_kafka_message_destroy(*message);
            }
            report.records += count as u64;
            let done = positions.iter().zip(&ends).all(|(position, end)| position.offset >= *end);
            if done || committed.elapsed() >= COMMIT_INTERVAL {
                if let Some(changelog) = changelog {
                    let changes = work.changes();
                    for (to, key, value) in &changes.records {
                        let (key, value) = (&changes.bytes[key.clone()], &changes.bytes[value.clone()]);
                        changed[*to as usize].push(record(*to as usize, key, value));
                    }
                    for (index, bucket) in changed.iter_mut().enumerate() {
                        produce_batch(producer, changelog, index as i32, bucket)?;
                    }
                }
                let group = sys::rd_kafka_consumer_group_metadata(consumer);
                take(sys::rd_kafka_send_offsets_to_transaction(producer, list, group, WAIT_MS))?;
                sys::rd_kafka_consumer_group_metadata_destroy(group);
                take(sys::rd_kafka_commit_transaction(producer, -1))?;
                work.committed()?;
                report.commits += 1;
                if done {
                    break;
                }
                take(sys::rd_kafka_begin_transaction(producer))?;
                committed = Instant::now();
            }
        }
        sys::rd_kafka_topic_partition_list_destroy(list);
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_queue_destroy(main_queue);
        sys::rd_kafka_topic_destroy(topic);
        if let Some(changelog) = changelog {
            sys::rd_kafka_topic_destroy(changelog);
        }
        sys::rd_kafka_destroy(producer);
        sys::rd_kafka_consumer_close(consumer);
        sys::rd_kafka_destroy(consumer);
    }
    report.cpu_seconds = cpu_seconds() - cpu;
    report.wall_seconds = begin.elapsed().as_secs_f64();
    Ok(report)
}

/// A message that points to key and value.
fn record(partition: usize, key: &[u8], value: &[u8]) -> sys::rd_kafka_message_t {
    sys::rd_kafka_message_t {
        err: RespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: ptr::null_mut(),
        partition: partition as i32,
        payload: value.as_ptr().cast::<c_void>().cast_mut(),
        len: value.len(),
        key: key.as_ptr().cast::<c_void>().cast_mut(),
        key_len: key.len(),
        offset: 0,
        _private: ptr::null_mut(),
    }
}
