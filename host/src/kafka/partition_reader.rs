//! Reads partitions from given offsets, without a group.

use std::ffi::CStr;
use std::ptr;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::bindings as sys;

use crate::kafka::client::Client;
use crate::kafka::client::Kind;
use crate::kafka::client::c_text;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::error::text_of;
use crate::kafka::messages::Message;
use crate::kafka::messages::Messages;
use crate::kafka::settings::ClientSettings;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;

/// Most messages taken from the client in one call.
const TAKE_MAX: usize = 8192;

/// What the reader hands out.
#[derive(Debug)]
pub enum Read {
    /// Records of one partition.
    Run {
        /// Index of the partition in the order in which they were given.
        part: usize,
        run: Messages,
    },
    /// Everything before this offset was read; it is where the committed records end now.
    End { part: usize, offset: Offset },
    /// An error of one partition, or of the client as a whole.
    Failed { part: Option<usize>, error: KafkaError },
}

/// A consumer of committed records that joins no group and commits nothing.
///
/// It uses librdkafka's older way to consume: the newer one wants a group, asks for its coordinator, and
/// needs rights on it.
#[derive(Debug)]
pub struct PartitionReader {
    parts: Vec<Part>,
    queue: *mut sys::rd_kafka_queue_t,
    buffer: Vec<*mut sys::rd_kafka_message_t>,
    client: Arc<Client>,
}

#[derive(Debug)]
struct Part {
    topic_partition: TopicPartition,
    handle: *mut sys::rd_kafka_topic_t,
    /// The handle that its messages carry, once one has come.
    carried: *mut sys::rd_kafka_topic_t,
}

// SAFETY: librdkafka's objects belong to no thread; the buffer is empty between calls.
unsafe impl Send for PartitionReader {}

impl PartitionReader {
    /// Begins to fetch.
    ///
    /// # Errors
    /// When librdkafka refuses a property or a partition, or cannot start its threads.
    pub fn start(
        settings: &ClientSettings,
        name: String,
        properties: &[(&'static str, String)],
        from: &[(TopicPartition, Offset)],
    ) -> Result<Self, KafkaError> {
        let mut config = settings.base_config()?;
        config.set("enable.auto.commit", "false")?;
        config.set("enable.auto.offset.store", "false")?;
        config.set("enable.partition.eof", "true")?;
        config.set("auto.offset.reset", "error")?;
        config.set("isolation.level", "read_committed")?;
        for (name, value) in properties {
            config.set(name, value)?;
        }
        let client = Arc::new(Client::start(Kind::Consumer, name, config)?);
        // SAFETY: the handle is live. This is the client's main queue, which carries its errors too; the
        // reference is given back in `drop`, before the client.
        let queue = unsafe { sys::rd_kafka_queue_get_main(client.as_ptr()) };
        let mut reader = Self { parts: Vec::new(), queue, buffer: vec![ptr::null_mut(); TAKE_MAX], client };
        for (topic_partition, offset) in from {
            reader.add(topic_partition, *offset)?;
        }
        Ok(reader)
    }

    fn add(&mut self, topic_partition: &TopicPartition, offset: Offset) -> Result<(), KafkaError> {
        let name = c_text(&topic_partition.topic)?;
        // SAFETY: the client is live; the topic handle is freed in `drop` after its partition was
        // stopped, or here when it was never started.
        unsafe {
            let handle = sys::rd_kafka_topic_new(self.client.as_ptr(), name.as_ptr(), ptr::null_mut());
            if handle.is_null() {
                return Err(KafkaError::of(ErrorCode::INVALID_TOPIC));
            }
            let partition = topic_partition.partition.0;
            if sys::rd_kafka_consume_start_queue(handle, partition, offset.0, self.queue) != 0 {
                sys::rd_kafka_topic_destroy(handle);
                return Err(KafkaError::of(ErrorCode::UNKNOWN_PARTITION));
            }
            self.parts.push(Part {
                topic_partition: topic_partition.clone(),
                handle,
                carried: ptr::null_mut(),
            });
        }
        Ok(())
    }

    /// Takes what is there; waits up to `wait` for the first of it. Runs come in offset order.
    pub fn read(&mut self, wait: Duration, out: &mut Vec<Read>) {
        let mut count = self.take(Duration::ZERO, 0);
        if count == 0 && !wait.is_zero() {
            // The batch call waits until its buffer is full: so first for one, then for the rest.
            count = self.take(wait, 0);
            if count == 1 {
                count += self.take(Duration::ZERO, 1);
            }
        }
        let mut open: Option<(usize, Messages)> = None;
        for index in 0..count {
            let Some(message) = self.buffer.get_mut(index).and_then(|slot| NonNull::new(*slot)) else {
                continue;
            };
            // SAFETY: librdkafka gave us the message to free. Its error code may be one that the enum
            // does not list, so it is read as an integer before anything else.
            let (code, topic, partition, offset) = unsafe {
                let raw = message.as_ptr();
                let code = ErrorCode((&raw const (*raw).err).cast::<i32>().read());
                let partition = (&raw const (*raw).partition).read();
                (code, (&raw const (*raw).rkt).read(), partition, Offset((&raw const (*raw).offset).read()))
            };
            let part = self.part(topic, partition);
            if open.as_ref().is_some_and(|(of, _)| code != ErrorCode::NONE || part != Some(*of)) {
                out.extend(open.take().map(|(part, run)| Read::Run { part, run }));
            }
            if code == ErrorCode::NONE {
                // SAFETY: a live message without an error that is ours; one of no partition is freed here.
                let message = unsafe { Message::from_raw(message) };
                let Some((part, known)) = part.and_then(|part| Some((part, self.parts.get(part)?))) else {
                    continue;
                };
                let new = || Messages::new(known.topic_partition.clone(), Arc::clone(&self.client));
                open.get_or_insert_with(|| (part, new())).1.push(message);
                continue;
            }
            // SAFETY: the message is live until it is destroyed here.
            let text = unsafe {
                let text = text_of(sys::rd_kafka_message_errstr(message.as_ptr()));
                sys::rd_kafka_message_destroy(message.as_ptr());
                text
            };
            out.push(match (code, part) {
                (ErrorCode::PARTITION_EOF, Some(part)) => Read::End { part, offset },
                _ => Read::Failed { part, error: KafkaError::new(code, text) },
            });
        }
        out.extend(open.map(|(part, run)| Read::Run { part, run }));
        while let Some(error) = self.client.events().next_error() {
            out.push(Read::Failed { part: None, error });
        }
    }

    /// Fills the buffer from `start`; up to one message when it has to wait.
    fn take(&mut self, wait: Duration, start: usize) -> usize {
        let Some(free) = self.buffer.get_mut(start..) else { return 0 };
        let size = if wait.is_zero() { free.len() } else { 1 };
        // SAFETY: the queue is live and the slice has room for `size` pointers.
        let count =
            unsafe { sys::rd_kafka_consume_batch_queue(self.queue, millis(wait), free.as_mut_ptr(), size) };
        usize::try_from(count).unwrap_or(0)
    }

    fn part(&mut self, topic: *mut sys::rd_kafka_topic_t, partition: i32) -> Option<usize> {
        let known = |part: &Part| part.carried == topic && part.topic_partition.partition.0 == partition;
        if topic.is_null() {
            return None;
        }
        if let Some(index) = self.parts.iter().position(known) {
            return Some(index);
        }
        // SAFETY: the topic of a live message is live, and its name is a C string. Our handle of the same
        // topic keeps it so.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) };
        let index = self.parts.iter().position(|part| {
            part.topic_partition.partition.0 == partition
                && part.topic_partition.topic.as_bytes() == name.to_bytes()
        })?;
        self.parts.get_mut(index)?.carried = topic;
        Some(index)
    }
}

impl Drop for PartitionReader {
    fn drop(&mut self) {
        // SAFETY: every partition was started and is stopped once; handles and the queue are ours, and
        // the client is still there.
        unsafe {
            for part in &self.parts {
                sys::rd_kafka_consume_stop(part.handle, part.topic_partition.partition.0);
                sys::rd_kafka_topic_destroy(part.handle);
            }
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}
