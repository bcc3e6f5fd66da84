//! Records of one partition, gathered for one batch call.

use std::ptr;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_resp_err_t as RespErr;

use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::headers;
use crate::kafka::producer::NotSentError;
use crate::kafka::producer::Outgoing;
use crate::model::position::Partition;

/// A bucket is handed over when it holds this many records, or [`BYTES`].
const RECORDS: usize = 256;
/// Bytes of keys and values.
const BYTES: usize = 64 << 10;

/// What a record has beside its bytes.
#[derive(Debug)]
pub(in crate::kafka) struct Pending {
    pub(in crate::kafka) timestamp: Option<i64>,
    pub(in crate::kafka) token: u64,
    /// Null when there are none. Ours until librdkafka took the message.
    pub(in crate::kafka) headers: *mut sys::rd_kafka_headers_t,
    /// Where key and value end in the bucket's bytes; the key begins where the last value ended.
    key_end: usize,
    value_end: usize,
    key_is_null: bool,
    value_is_null: bool,
}

#[derive(Debug, Default)]
pub(in crate::kafka) struct Bucket {
    bytes: Vec<u8>,
    records: Vec<Pending>,
    /// Records at the front that librdkafka has taken already.
    taken: usize,
}

impl Bucket {
    #[inline]
    pub(in crate::kafka) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS || self.bytes.len() >= BYTES
    }

    pub(in crate::kafka) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    #[inline]
    pub(in crate::kafka) fn push(&mut self, record: &Outgoing<'_>) {
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        self.records.push(Pending {
            timestamp: record.timestamp,
            token: record.token,
            headers: headers::build(record.headers),
            key_end,
            value_end: self.bytes.len(),
            key_is_null: record.key.is_none(),
            value_is_null: record.value.is_none(),
        });
    }

    /// Gives the records to librdkafka, which copies them. On `Full` the rest stays, in order.
    pub(in crate::kafka) fn hand_over(
        &mut self,
        topic: *mut sys::rd_kafka_topic_t,
        partition: Partition,
        scratch: &mut Vec<sys::rd_kafka_message_t>,
    ) -> Result<(), NotSentError> {
        scratch.clear();
        let mut start = match self.taken.checked_sub(1).and_then(|last| self.records.get(last)) {
            Some(last) => last.value_end,
            None => 0,
        };
        let base = self.bytes.as_ptr().cast_mut();
        for record in self.records.iter().skip(self.taken) {
            // SAFETY: start, key_end and value_end are positions in `bytes`, in this order. An
            // empty key or value gets an address too, so that it is not taken for a null.
            let (key, value) = unsafe { (base.add(start), base.add(record.key_end)) };
            scratch.push(sys::rd_kafka_message_t {
                err: RespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                rkt: ptr::null_mut(),
                partition: partition.0,
                payload: if record.value_is_null { ptr::null_mut() } else { value.cast() },
                len: record.value_end - record.key_end,
                key: if record.key_is_null { ptr::null_mut() } else { key.cast() },
                key_len: record.key_end - start,
                offset: 0,
                _private: ptr::from_ref(record).cast_mut().cast(),
            });
            start = record.value_end;
        }
        // SAFETY: the topic handle and all bytes are live during the call, which copies them; the
        // interceptor reads the records that `_private` names.
        let count = unsafe {
            sys::rd_kafka_produce_batch(
                topic,
                partition.0,
                sys::RD_KAFKA_MSG_F_COPY,
                scratch.as_mut_ptr(),
                scratch.len() as i32,
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        if count == scratch.len() {
            // Every header list belongs to librdkafka now.
            self.records.clear();
            self.bytes.clear();
            self.taken = 0;
            return Ok(());
        }
        // Sizes were checked before, so a failure is of the whole client or the queue, and holds
        // for all messages from the first that failed.
        let code = scratch.get(count).map_or(ErrorCode::QUEUE_FULL, |message| {
            // SAFETY: the field is live, and as large as an integer; codes are read as integers.
            ErrorCode(unsafe { (&raw const message.err).cast::<i32>().read() })
        });
        for record in self.records.iter_mut().skip(self.taken).take(count) {
            record.headers = ptr::null_mut();
        }
        self.taken += count;
        match code {
            ErrorCode::QUEUE_FULL => Err(NotSentError::Full),
            code => Err(NotSentError::Client(KafkaError::of(code))),
        }
    }

    pub(in crate::kafka) fn clear(&mut self) {
        for record in self.records.drain(..) {
            if !record.headers.is_null() {
                // SAFETY: the list is ours: librdkafka did not take the message.
                unsafe { sys::rd_kafka_headers_destroy(record.headers) };
            }
        }
        self.bytes.clear();
        self.taken = 0;
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_full_by_records_or_bytes_and_frees_its_headers() {
        let mut bucket = Bucket::default();
        let value = vec![0_u8; BYTES];
        let record = Outgoing {
            topic: 0,
            partition: Partition(0),
            key: None,
            value: Some(&value),
            timestamp: None,
            headers: &[("a", Some(b"1"))],
            token: 7,
        };
        assert!(!bucket.is_full());
        bucket.push(&record);
        assert!(bucket.is_full());
        bucket.clear();
        assert!(bucket.is_empty() && !bucket.is_full());
        for _ in 0..RECORDS {
            bucket.push(&Outgoing { value: Some(b""), ..record });
        }
        assert!(bucket.is_full());
    }
}
