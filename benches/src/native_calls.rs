//! librdkafka's own calls, for loops that are yardsticks.
#![expect(unsafe_code, reason = "the yardstick is what librdkafka itself can do")]

use std::ffi::CString;
use std::ffi::c_char;
use std::ptr;

use rdkafka::types::RDKafkaConfRes;
use rdkafka::types::RDKafkaType;
use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_resp_err_t as RespErr;

pub(crate) const WAIT_MS: i32 = 30_000;

pub(crate) unsafe fn client(
    kind: RDKafkaType,
    properties: &[(&str, &str)],
) -> anyhow::Result<*mut sys::rd_kafka_t> {
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

pub(crate) unsafe fn partition_count(
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
pub(crate) unsafe fn produce_batch(
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

pub(crate) unsafe fn produce_one(
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

pub(crate) fn check(code: RespErr) -> anyhow::Result<()> {
    anyhow::ensure!(code == RespErr::RD_KAFKA_RESP_ERR_NO_ERROR, "{code:?}");
    Ok(())
}

pub(crate) unsafe fn take(error: *mut sys::rd_kafka_error_t) -> anyhow::Result<()> {
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
