//! The work as a loop over librdkafka's fastest calls: batch consume, outputs bucketed by
//! partition, one raw batch produce a bucket, raw commit.
#![expect(unsafe_code, reason = "the yardstick is what librdkafka itself can do")]

use std::ffi::CString;
use std::ffi::c_char;
use std::ffi::c_void;
use std::ptr;
use std::time::Instant;

use rdkafka::types::RDKafkaConfRes;
use rdkafka::types::RDKafkaType;
use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_resp_err_t as RespErr;

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

const WAIT_MS: i32 = 30_000;
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

/// Reads the whole input topic once.
///
/// # Errors
/// When the broker is away, a topic missing, or a value malformed.
pub fn run(settings: &Settings, route: Route) -> anyhow::Result<Report> {
    let (cpu, begin) = (cpu_seconds(), Instant::now());
    let mut report = Report { records: 0, outputs: 0, cpu_seconds: 0.0, wall_seconds: 0.0, commits: 0 };
    // SAFETY: every handle lives to the end of the block, in which each call gets live handles,
    // C strings, and buffers of the sizes given.
    unsafe {
        let input = CString::new(settings.input.as_str())?;
        let output = CString::new(settings.output.as_str())?;
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
                if payment.amount <= THRESHOLD {
                    continue;
                }
                let start = arena.len();
                payment.encode(settings.output_schema, &mut arena);
                // Pointers into the arena stay good as long as it does not grow.
                anyhow::ensure!(arena.len() <= BATCH_MAX * OUTPUT_MAX, "an output is too large");
                let key = std::slice::from_raw_parts(message.key.cast::<u8>(), message.key_len);
                let to = partition(key, outputs_count);
                let record = sys::rd_kafka_message_t {
                    err: RespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                    rkt: ptr::null_mut(),
                    partition: to as i32,
                    payload: arena.as_mut_ptr().add(start).cast::<c_void>(),
                    len: arena.len() - start,
                    key: message.key,
                    key_len: message.key_len,
                    offset: 0,
                    _private: ptr::null_mut(),
                };
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
                let group = sys::rd_kafka_consumer_group_metadata(consumer);
                take(sys::rd_kafka_send_offsets_to_transaction(producer, list, group, WAIT_MS))?;
                sys::rd_kafka_consumer_group_metadata_destroy(group);
                take(sys::rd_kafka_commit_transaction(producer, -1))?;
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
        sys::rd_kafka_destroy(producer);
        sys::rd_kafka_consumer_close(consumer);
        sys::rd_kafka_destroy(consumer);
    }
    report.cpu_seconds = cpu_seconds() - cpu;
    report.wall_seconds = begin.elapsed().as_secs_f64();
    Ok(report)
}

unsafe fn client(kind: RDKafkaType, properties: &[(&str, &str)]) -> anyhow::Result<*mut sys::rd_kafka_t> {
    // SAFETY: the config belongs to the client afterwards; the buffer has the size given.
    unsafe {
        let conf = sys::rd_kafka_conf_new();
        let mut text = [0 as c_char; 512];
        for (name, value) in properties {
            let (c_name, c_value) = (CString::new(*name)?, CString::new(*value)?);
            let result = sys::rd_kafka_conf_set(
                conf,
                c_name.as_ptr(),
                c_value.as_ptr(),
                text.as_mut_ptr(),
                text.len(),
            );
            anyhow::ensure!(result == RDKafkaConfRes::RD_KAFKA_CONF_OK, "{name}={value} is refused");
        }
        if kind == RDKafkaType::RD_KAFKA_PRODUCER {
            sys::rd_kafka_conf_set_events(conf, sys::RD_KAFKA_EVENT_DR);
        }
        let client = sys::rd_kafka_new(kind, conf, text.as_mut_ptr(), text.len());
        anyhow::ensure!(!client.is_null(), "the client did not start");
        Ok(client)
    }
}

unsafe fn partition_count(
    rk: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
) -> anyhow::Result<usize> {
    // SAFETY: by the caller; the metadata is freed after it was read.
    unsafe {
        let mut metadata: *const sys::rd_kafka_metadata = ptr::null();
        check(sys::rd_kafka_metadata(rk, 0, topic, &raw mut metadata, WAIT_MS))?;
        let count = if (*metadata).topic_cnt > 0 { (*(*metadata).topics).partition_cnt } else { 0 };
        sys::rd_kafka_metadata_destroy(metadata);
        anyhow::ensure!(count > 0, "a topic does not exist");
        Ok(count as usize)
    }
}

/// Produces a bucket; where the queue is full, the rest of it again.
unsafe fn produce_batch(
    rk: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
    partition: i32,
    bucket: &mut Vec<sys::rd_kafka_message_t>,
) -> anyhow::Result<()> {
    let mut sent = 0;
    while sent < bucket.len() {
        let rest = &mut bucket[sent..];
        // SAFETY: by the caller; the bytes are copied.
        let good = unsafe {
            sys::rd_kafka_produce_batch(
                topic,
                partition,
                sys::RD_KAFKA_MSG_F_COPY,
                rest.as_mut_ptr(),
                rest.len() as i32,
            )
        };
        sent += usize::try_from(good)?;
        if let Some(failed) = bucket.get(sent) {
            anyhow::ensure!(failed.err == RespErr::RD_KAFKA_RESP_ERR__QUEUE_FULL, "{:?}", failed.err);
            // SAFETY: by the caller.
            unsafe { sys::rd_kafka_flush(rk, 1) };
        }
    }
    bucket.clear();
    Ok(())
}

unsafe fn produce_one(
    rk: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
    record: &sys::rd_kafka_message_t,
    timestamp: i64,
) -> anyhow::Result<()> {
    type Kind = sys::rd_kafka_vtype_t;
    type Field = sys::rd_kafka_vu_s__bindgen_ty_1;
    let bytes = |ptr, size| Field { mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size } };
    let fields = [
        (Kind::RD_KAFKA_VTYPE_RKT, Field { rkt: topic }),
        (Kind::RD_KAFKA_VTYPE_PARTITION, Field { i32_: record.partition }),
        (Kind::RD_KAFKA_VTYPE_MSGFLAGS, Field { i: sys::RD_KAFKA_MSG_F_COPY }),
        (Kind::RD_KAFKA_VTYPE_KEY, bytes(record.key, record.key_len)),
        (Kind::RD_KAFKA_VTYPE_VALUE, bytes(record.payload, record.len)),
        (Kind::RD_KAFKA_VTYPE_TIMESTAMP, Field { i64_: timestamp }),
    ]
    .map(|(vtype, u)| sys::rd_kafka_vu_t { vtype, u });
    loop {
        // SAFETY: by the caller; the bytes are copied, the error object is ours to free.
        unsafe {
            let error = sys::rd_kafka_produceva(rk, fields.as_ptr(), fields.len());
            if error.is_null() {
                return Ok(());
            }
            let code = sys::rd_kafka_error_code(error);
            sys::rd_kafka_error_destroy(error);
            anyhow::ensure!(code == RespErr::RD_KAFKA_RESP_ERR__QUEUE_FULL, "{code:?}");
            sys::rd_kafka_flush(rk, 1);
        }
    }
}

fn check(code: RespErr) -> anyhow::Result<()> {
    anyhow::ensure!(code == RespErr::RD_KAFKA_RESP_ERR_NO_ERROR, "{code:?}");
    Ok(())
}

unsafe fn take(error: *mut sys::rd_kafka_error_t) -> anyhow::Result<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the object is ours to free, after its text was copied.
    unsafe {
        let text = std::ffi::CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        sys::rd_kafka_error_destroy(error);
        anyhow::bail!("{text}")
    }
}
