//! A producer, with its transactions as librdkafka offers them.

use std::ffi::CStr;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::bindings as sys;

use crate::kafka::bucket::Bucket;
use crate::kafka::client::Client;
use crate::kafka::client::Kind;
use crate::kafka::client::c_text;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::ffi;
use crate::kafka::headers;
use crate::kafka::interceptor;
use crate::kafka::layout;
use crate::kafka::overrides::Overrides;
use crate::kafka::settings::ClientSettings;
use crate::model::position::Partition;

/// Longest wait for an answer of the cluster to one question.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Most that framing adds to key, value and headers of one record.
const RECORD_OVERHEAD: usize = 128;

/// Properties of a producer, beyond those that all producers here have.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// Names the client in logs.
    pub name: String,
    /// None for a producer without transactions.
    pub transactional_id: Option<String>,
    pub topics: Vec<Arc<str>>,
    /// Largest record in bytes that is sent at all.
    pub record_bytes_max: usize,
    /// `(name, value)`, set before the overrides.
    pub properties: Vec<(&'static str, String)>,
    pub overrides: Overrides,
    /// `(name, value)`, set after the overrides.
    pub final_properties: Vec<(&'static str, String)>,
}

/// A record to be produced; its bytes are copied.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Index in [`ProducerOptions::topics`].
    pub topic: usize,
    pub partition: Partition,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Milliseconds; the time of sending when none.
    pub timestamp: Option<i64>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Comes back in [`Undelivered`].
    pub token: u64,
}

/// Why a record was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotSentError {
    #[error("the producer's queue is full")]
    Full,
    #[error("the record has {bytes} bytes, the limit is {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error(transparent)]
    Client(#[from] KafkaError),
}

/// A record that was taken but not written.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// Index in [`ProducerOptions::topics`].
    pub topic: usize,
    pub partition: Partition,
    pub token: u64,
    pub error: KafkaError,
}

#[derive(Debug)]
struct Topic {
    handle: *mut sys::rd_kafka_topic_t,
    name: Arc<str>,
    /// By partition.
    buckets: Vec<Bucket>,
}

/// An idempotent producer, transactional if it has an id.
///
/// Records are gathered by partition and handed to librdkafka in batches. Its batch call knows
/// neither headers nor timestamps: an `on_send` interceptor, which runs inside that call, sets them
/// from our own list. Where the layout of its messages is not known, records go one by one.
#[derive(Debug)]
pub struct Producer {
    topics: Vec<Topic>,
    queue: *mut sys::rd_kafka_queue_t,
    scratch: Vec<sys::rd_kafka_message_t>,
    undelivered: Vec<Undelivered>,
    record_bytes_max: usize,
    batched: bool,
    pub(in crate::kafka) client: Arc<Client>,
}

// SAFETY: librdkafka's objects belong to no thread; the scratch is empty between calls.
unsafe impl Send for Producer {}

impl Producer {
    /// Starts a producer. It connects by itself.
    ///
    /// # Errors
    /// When librdkafka refuses a property or cannot start its threads.
    pub fn start(settings: &ClientSettings, options: &ProducerOptions) -> Result<Self, KafkaError> {
        let mut config = settings.base_config()?;
        config.set("enable.idempotence", "true")?;
        config.set("acks", "all")?;
        config.set("max.in.flight", "5")?;
        config.set("delivery.report.only.error", "true")?;
        if let Some(id) = &options.transactional_id {
            config.set("transactional.id", id)?;
        }
        for (name, value) in &options.properties {
            config.set(name, value)?;
        }
        options.overrides.apply_to_producer(&mut config)?;
        config.set("message.max.bytes", &options.record_bytes_max.to_string())?;
        for (name, value) in &options.final_properties {
            config.set(name, value)?;
        }
        let batched = layout::is_known();
        if batched {
            interceptor::install(&config)?;
        }
        let client = Arc::new(Client::start(Kind::Producer, options.name.clone(), config)?);
        // SAFETY: the handle is live; the queue is freed in `drop`, before the client.
        let queue = unsafe { sys::rd_kafka_queue_get_main(client.as_ptr()) };
        let mut producer = Self {
            topics: Vec::new(),
            queue,
            scratch: Vec::new(),
            undelivered: Vec::new(),
            record_bytes_max: options.record_bytes_max,
            batched,
            client,
        };
        for name in &options.topics {
            let c_name = c_text(name)?;
            // SAFETY: the handle is live; the topic handle is freed in `drop`.
            let handle = unsafe {
                sys::rd_kafka_topic_new(producer.client.as_ptr(), c_name.as_ptr(), ptr::null_mut())
            };
            if handle.is_null() {
                return Err(KafkaError::new(ErrorCode::INVALID_TOPIC, format!("`{name}` is no topic name")));
            }
            producer.topics.push(Topic { handle, name: Arc::clone(name), buckets: Vec::new() });
        }
        Ok(producer)
    }

    /// How many partitions a topic has now, by its index. Asks the cluster.
    ///
    /// # Errors
    /// When the topic is unknown or forbidden, or no broker answers.
    pub fn partition_count(&mut self, topic: usize) -> Result<u32, KafkaError> {
        let Some(found) = self.topics.get(topic) else {
            return Err(KafkaError::of(ErrorCode::UNKNOWN_TOPIC));
        };
        self.client.partition_count(&found.name, ANSWER_WAIT)
    }

    /// Takes a record. Records of one partition are written in the order they were taken.
    ///
    /// # Errors
    /// See [`NotSentError`].
    #[inline]
    pub fn send(&mut self, record: &Outgoing<'_>) -> Result<(), NotSentError> {
        let bytes = record_bytes(record);
        if bytes > self.record_bytes_max {
            return Err(NotSentError::TooLarge { bytes, limit: self.record_bytes_max });
        }
        if !self.batched {
            return self.send_alone(record);
        }
        let (Some(topic), Ok(index)) =
            (self.topics.get_mut(record.topic), usize::try_from(record.partition.0))
        else {
            return Err(NotSentError::Client(KafkaError::of(ErrorCode::UNKNOWN_PARTITION)));
        };
        if topic.buckets.len() <= index {
            topic.buckets.resize_with(index + 1, Bucket::default);
        }
        let handle = topic.handle;
        let Some(bucket) = topic.buckets.get_mut(index) else {
            return Err(NotSentError::Full);
        };
        if bucket.is_full() {
            bucket.hand_over(handle, record.partition, &mut self.scratch)?;
        }
        bucket.push(record);
        Ok(())
    }

    /// Hands whatever was gathered to librdkafka, which sends it by itself.
    ///
    /// # Errors
    /// See [`NotSentError`]; after `Full`, serve the events and try again.
    pub fn hand_over(&mut self) -> Result<(), NotSentError> {
        for topic in &mut self.topics {
            for (index, bucket) in topic.buckets.iter_mut().enumerate() {
                if !bucket.is_empty() {
                    bucket.hand_over(topic.handle, Partition(index as i32), &mut self.scratch)?;
                }
            }
        }
        Ok(())
    }

    fn send_alone(&mut self, record: &Outgoing<'_>) -> Result<(), NotSentError> {
        let Some(topic) = self.topics.get(record.topic) else {
            return Err(NotSentError::Client(KafkaError::of(ErrorCode::UNKNOWN_TOPIC)));
        };
        let list = headers::build(record.headers);
        let bytes = |part: Option<&[u8]>| sys::rd_kafka_vu_s__bindgen_ty_1 {
            mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
                ptr: part.map_or(ptr::null_mut(), non_null),
                size: part.map_or(0, <[u8]>::len),
            },
        };
        type Kind = sys::rd_kafka_vtype_t;
        type Field = sys::rd_kafka_vu_s__bindgen_ty_1;
        let fields = [
            (Kind::RD_KAFKA_VTYPE_RKT, Field { rkt: topic.handle }),
            (Kind::RD_KAFKA_VTYPE_PARTITION, Field { i32_: record.partition.0 }),
            (Kind::RD_KAFKA_VTYPE_MSGFLAGS, Field { i: sys::RD_KAFKA_MSG_F_COPY }),
            (Kind::RD_KAFKA_VTYPE_KEY, bytes(record.key)),
            (Kind::RD_KAFKA_VTYPE_VALUE, bytes(record.value)),
            // Zero is the time of sending.
            (Kind::RD_KAFKA_VTYPE_TIMESTAMP, Field { i64_: record.timestamp.unwrap_or(0) }),
            (Kind::RD_KAFKA_VTYPE_OPAQUE, Field { ptr: record.token as *mut c_void }),
            (Kind::RD_KAFKA_VTYPE_HEADERS, Field { headers: list }),
        ]
        .map(|(vtype, u)| sys::rd_kafka_vu_t { vtype, u });
        let count = if list.is_null() { fields.len() - 1 } else { fields.len() };
        // SAFETY: the fields name live objects and slices, which are copied; after success the
        // header list is the client's, after a failure still ours.
        let result = unsafe {
            let error = sys::rd_kafka_produceva(self.client.as_ptr(), fields.as_ptr(), count);
            let result = KafkaError::take(error);
            if result.is_err() && !list.is_null() {
                sys::rd_kafka_headers_destroy(list);
            }
            result
        };
        result.map_err(|error| match error.code {
            ErrorCode::QUEUE_FULL => NotSentError::Full,
            _ => NotSentError::Client(error),
        })
    }

    /// Serves the client's events: failed deliveries and errors. Waits up to `wait` for the first.
    pub fn serve(&mut self, wait: Duration) {
        let mut wait = wait;
        loop {
            // SAFETY: the queue is live; the event is destroyed below, after its messages were read.
            let event = unsafe { sys::rd_kafka_queue_poll(self.queue, millis(wait)) };
            if event.is_null() {
                return;
            }
            wait = Duration::ZERO;
            // SAFETY: the event is live; the messages belong to it; codes are read as integers.
            unsafe {
                loop {
                    let message = sys::rd_kafka_event_message_next(event);
                    if message.is_null() {
                        break;
                    }
                    let code = ErrorCode((&raw const (*message).err).cast::<i32>().read());
                    if code != ErrorCode::NONE {
                        let token = (&raw const (*message)._private).read() as u64;
                        let handle = (&raw const (*message).rkt).read();
                        let name = sys::rd_kafka_topic_name(handle);
                        let name = CStr::from_ptr(name).to_bytes();
                        let topic = self.topics.iter().position(|topic| topic.name.as_bytes() == name);
                        // The client's own text is not taken: it may be the record's value, which
                        // nobody logs, or a text that it has freed already.
                        let error = KafkaError::of(code);
                        let known = topic.and_then(|topic| self.topics.get(topic));
                        self.undelivered.push(Undelivered {
                            topic: topic.unwrap_or(0),
                            partition: Partition((&raw const (*message).partition).read()),
                            token,
                            error: match known {
                                Some(known) => error.about(&known.name),
                                None => error,
                            },
                        });
                    }
                }
                sys::rd_kafka_event_destroy(event);
            }
        }
    }

    /// Waits up to `wait` until every record that was handed over is written or failed, and tells
    /// whether that is so. Ends at the first failure.
    pub fn settle(&mut self, wait: Duration) -> bool {
        // SAFETY: the handle is live.
        unsafe { ffi::rd_kafka_flush(self.client.as_ptr(), millis(wait)) };
        self.serve(Duration::ZERO);
        self.outstanding() == 0
    }

    /// Records handed over that are neither written nor failed.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        // SAFETY: the handle is live.
        usize::try_from(unsafe { sys::rd_kafka_outq_len(self.client.as_ptr()) }).unwrap_or(0)
    }

    /// Whether a delivery failed that was not taken yet.
    #[must_use]
    pub fn has_undelivered(&self) -> bool {
        !self.undelivered.is_empty()
    }

    /// The failed deliveries since the last call.
    pub fn take_undelivered(&mut self) -> Vec<Undelivered> {
        std::mem::take(&mut self.undelivered)
    }

    /// An error of the client as a whole.
    pub fn next_error(&mut self) -> Option<KafkaError> {
        self.client.events().next_error()
    }

    /// The error after which the client is unusable, if one was raised.
    #[must_use]
    pub fn fatal_error(&self) -> Option<KafkaError> {
        self.client.fatal_error()
    }

    /// Forgets what was gathered but not handed over.
    pub fn clear(&mut self) {
        for bucket in self.topics.iter_mut().flat_map(|topic| &mut topic.buckets) {
            bucket.clear();
        }
        self.undelivered.clear();
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.clear();
        // SAFETY: queue and topic handles are ours, and the client is still there. What is queued
        // goes: a producer is dropped after it settled, or to be recreated.
        unsafe {
            ffi::rd_kafka_purge(
                self.client.as_ptr(),
                sys::RD_KAFKA_PURGE_F_QUEUE
                    | sys::RD_KAFKA_PURGE_F_INFLIGHT
                    | sys::RD_KAFKA_PURGE_F_NON_BLOCKING,
            );
            for topic in &self.topics {
                sys::rd_kafka_topic_destroy(topic.handle);
            }
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// An upper bound of a record's bytes on the wire.
#[inline]
fn record_bytes(record: &Outgoing<'_>) -> usize {
    let headers: usize =
        record.headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len) + 10).sum();
    record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + headers + RECORD_OVERHEAD
}

/// The address of bytes, which librdkafka takes for a null when it is null.
pub(in crate::kafka) fn non_null(bytes: &[u8]) -> *mut c_void {
    bytes.as_ptr().cast_mut().cast()
}
