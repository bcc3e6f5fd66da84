//! A member of a consumer group.

use std::collections::HashMap;
use std::ffi::CStr;
use std::ptr;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::bindings as sys;

use crate::kafka::client::Client;
use crate::kafka::client::Kind;
use crate::kafka::config::ClientConfig;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::error::text_of;
use crate::kafka::events::Rebalance;
use crate::kafka::ffi;
use crate::kafka::group::GroupMembership;
use crate::kafka::messages::Message;
use crate::kafka::messages::Messages;
use crate::kafka::overrides::Overrides;
use crate::kafka::partition_list::PartitionList;
use crate::kafka::settings::ClientSettings;
use crate::kafka::statistics::Statistics;
use crate::kafka::waker::Waker;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;

/// Longest wait for an answer of the cluster to one question.
pub(in crate::kafka) const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What the consumer hands out.
#[derive(Debug)]
pub enum Received {
    Run(Messages),
    /// An error of one partition, or of the client as a whole.
    Failed {
        partition: Option<TopicPartition>,
        error: KafkaError,
    },
}

/// Properties of a consumer, beyond those that all consumers here have.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    pub group: String,
    /// Static membership: the name by which the coordinator knows this member after a restart.
    pub instance: String,
    pub topics: Vec<Arc<str>>,
    /// `(name, value)`, set before the overrides.
    pub properties: Vec<(&'static str, String)>,
    pub overrides: Overrides,
}

/// A consumer with one queue, which carries records, group changes and errors.
///
/// Group changes are only recorded by librdkafka's callback, and wait in
/// [`Consumer::next_rebalance`] until the owner answers with [`Consumer::assign`] or
/// [`Consumer::unassign`], as late as `max.poll.interval.ms` allows: librdkafka holds the group
/// in the states `wait-assign-call` and `wait-unassign-call` meanwhile, keeps its heartbeats, and
/// reports no other change.
#[derive(Debug)]
pub struct Consumer {
    queue: *mut sys::rd_kafka_queue_t,
    buffer: Vec<*mut sys::rd_kafka_message_t>,
    topics: HashMap<Box<str>, Arc<str>>,
    pub(in crate::kafka) client: Arc<Client>,
}

// SAFETY: librdkafka's objects belong to no thread; the buffer is empty between calls.
unsafe impl Send for Consumer {}

impl Consumer {
    /// A consumer that is no member of its group yet: see [`Consumer::subscribe`].
    ///
    /// # Errors
    /// When librdkafka refuses a property or cannot start its threads.
    pub fn new(settings: &ClientSettings, options: &ConsumerOptions) -> Result<Self, KafkaError> {
        let mut config = settings.base_config()?;
        config.set("group.id", &options.group)?;
        config.set("group.instance.id", &options.instance)?;
        config.set("enable.auto.commit", "false")?;
        config.set("enable.auto.offset.store", "false")?;
        // The batch call would take the end of a partition for a record and skip the next one.
        config.set("enable.partition.eof", "false")?;
        config.set("auto.offset.reset", "error")?;
        config.set("isolation.level", "read_committed")?;
        for (name, value) in &options.properties {
            config.set(name, value)?;
        }
        options.overrides.apply_to_consumer(&mut config)?;
        Self::start(options, config)
    }

    /// Joins the group.
    ///
    /// # Errors
    /// When librdkafka refuses the topics.
    pub fn subscribe(&mut self, topics: &[Arc<str>]) -> Result<(), KafkaError> {
        let list = PartitionList::of_topics(topics.iter().map(AsRef::as_ref));
        // SAFETY: handle and list are live; the list is copied.
        KafkaError::check(unsafe { ffi::rd_kafka_subscribe(self.client.as_ptr(), list.as_ptr()) })
    }

    fn start(options: &ConsumerOptions, config: ClientConfig) -> Result<Self, KafkaError> {
        let client = Arc::new(Client::start(Kind::Consumer, options.instance.clone(), config)?);
        // SAFETY: the handle is live. The queue is freed in `drop`, before the client. This is the
        // consumer's own queue: with a rebalance callback set, the batch call runs that callback
        // (only without one it would answer a group change by itself).
        let queue = unsafe {
            KafkaError::check(ffi::rd_kafka_poll_set_consumer(client.as_ptr()))?;
            sys::rd_kafka_queue_get_consumer(client.as_ptr())
        };
        if queue.is_null() {
            return Err(KafkaError::new(
                ErrorCode::STATE,
                "the client has no consumer queue: it has no group",
            ));
        }
        client.events().wake(queue);
        let topics =
            options.topics.iter().map(|topic| (Box::from(topic.as_ref()), Arc::clone(topic))).collect();
        Ok(Self { queue, buffer: Vec::new(), topics, client })
    }

    /// Takes what is there, up to `rows_max` records; waits for the first up to `wait`, or until
    /// an event comes in. Runs stay within both limits, but hold at least one record.
    pub fn receive(&mut self, wait: Duration, rows_max: usize, bytes_max: u64, out: &mut Vec<Received>) {
        self.buffer.resize(rows_max.max(1), ptr::null_mut());
        let mut count = self.take(Duration::ZERO, 0, usize::MAX);
        if count == 0 && !wait.is_zero() {
            // The batch call waits until its buffer is full: so first for one, then for the rest.
            count = self.take(wait, 0, 1);
            if count == 1 {
                count += self.take(Duration::ZERO, 1, usize::MAX);
            }
        }
        self.split(count, rows_max, bytes_max, out);
    }

    /// Fills the buffer from `start` with up to `max` messages and returns how many.
    fn take(&mut self, wait: Duration, start: usize, max: usize) -> usize {
        let Some(free) = self.buffer.get_mut(start..) else {
            return 0;
        };
        let size = free.len().min(max);
        if size == 0 {
            return 0;
        }
        // SAFETY: the queue is live and the slice has room for `size` pointers.
        let count =
            unsafe { sys::rd_kafka_consume_batch_queue(self.queue, millis(wait), free.as_mut_ptr(), size) };
        usize::try_from(count).unwrap_or(0)
    }

    fn split(&mut self, count: usize, rows_max: usize, bytes_max: u64, out: &mut Vec<Received>) {
        let mut run: Option<Messages> = None;
        let mut of: (*mut sys::rd_kafka_topic_t, i32) = (ptr::null_mut(), -1);
        for index in 0..count {
            let Some(message) = self.buffer.get(index).copied().and_then(NonNull::new) else {
                continue;
            };
            // SAFETY: librdkafka gave us the message to free. Its error code may be one that the
            // enum does not list, so it is read as an integer before anything else.
            let (code, topic, partition) = unsafe {
                let raw = message.as_ptr();
                let code = ErrorCode((&raw const (*raw).err).cast::<i32>().read());
                (code, (&raw const (*raw).rkt).read(), (&raw const (*raw).partition).read())
            };
            if code != ErrorCode::NONE {
                out.extend(run.take().map(Received::Run));
                out.push(self.failed(message, code, topic, partition));
                continue;
            }
            // SAFETY: a live message without an error that is ours.
            let message = unsafe { Message::from_raw(message) };
            if let Some(open) = &run {
                let full = open.len() >= rows_max || open.bytes() + message.size() > bytes_max;
                if full || of != (topic, partition) {
                    out.extend(run.take().map(Received::Run));
                }
            }
            let open = run.get_or_insert_with(|| {
                of = (topic, partition);
                Messages::new(self.topic_partition(topic, partition), Arc::clone(&self.client))
            });
            open.push(message);
        }
        out.extend(run.map(Received::Run));
    }

    fn topic_partition(&self, topic: *mut sys::rd_kafka_topic_t, partition: i32) -> TopicPartition {
        // SAFETY: the topic of a live message is live, and its name is a C string.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) }.to_string_lossy();
        let topic = self.topics.get(name.as_ref()).cloned().unwrap_or_else(|| Arc::from(name.as_ref()));
        TopicPartition { topic, partition: Partition(partition) }
    }

    fn failed(
        &self,
        message: NonNull<sys::rd_kafka_message_t>,
        code: ErrorCode,
        topic: *mut sys::rd_kafka_topic_t,
        partition: i32,
    ) -> Received {
        // SAFETY: the message is live until it is destroyed here.
        unsafe {
            let text = text_of(sys::rd_kafka_message_errstr(message.as_ptr()));
            let partition = (!topic.is_null()).then(|| self.topic_partition(topic, partition));
            sys::rd_kafka_message_destroy(message.as_ptr());
            Received::Failed { partition, error: KafkaError::new(code, text) }
        }
    }

    /// A group change to be answered.
    pub fn next_rebalance(&mut self) -> Option<Rebalance> {
        self.client.events().next_rebalance()
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

    /// Reads the newest statistics, if there are any yet.
    pub fn statistics<T>(&self, read: impl FnOnce(&Statistics) -> T) -> Option<T> {
        self.client.events().statistics(read)
    }

    fn is_cooperative(&self) -> bool {
        // SAFETY: the handle is live; the answer is null or a static C string.
        unsafe {
            let protocol = sys::rd_kafka_rebalance_protocol(self.client.as_ptr());
            !protocol.is_null() && CStr::from_ptr(protocol) == c"COOPERATIVE"
        }
    }

    /// Consumes these partitions too, from these positions. `all` are the positions of all
    /// partitions, these included, which the eager protocol wants.
    ///
    /// # Errors
    /// When the client is closing or a partition is assigned already.
    pub fn assign(
        &mut self,
        added: &[(TopicPartition, Offset)],
        all: &[(TopicPartition, Offset)],
    ) -> Result<(), KafkaError> {
        // SAFETY: handle and lists are live; the lists are copied; the error is taken over.
        unsafe {
            if self.is_cooperative() {
                let list = PartitionList::of_positions(added);
                KafkaError::take(sys::rd_kafka_incremental_assign(self.client.as_ptr(), list.as_ptr()))
            } else {
                let list = PartitionList::of_positions(all);
                KafkaError::check(ffi::rd_kafka_assign(self.client.as_ptr(), list.as_ptr()))
            }
        }
    }

    /// Gives partitions up. The eager protocol gives all up.
    ///
    /// # Errors
    /// When the client is closing or a partition is not assigned.
    pub fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaError> {
        // SAFETY: as in `assign`.
        unsafe {
            if self.is_cooperative() {
                let list = PartitionList::of_partitions(partitions);
                KafkaError::take(sys::rd_kafka_incremental_unassign(self.client.as_ptr(), list.as_ptr()))
            } else {
                KafkaError::check(ffi::rd_kafka_assign(self.client.as_ptr(), ptr::null()))
            }
        }
    }

    /// # Errors
    /// When a partition is not assigned.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaError> {
        let list = PartitionList::of_partitions(partitions);
        // SAFETY: handle and list are live.
        KafkaError::check(unsafe { ffi::rd_kafka_pause_partitions(self.client.as_ptr(), list.as_ptr()) })?;
        list.check()
    }

    /// # Errors
    /// When a partition is not assigned.
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaError> {
        let list = PartitionList::of_partitions(partitions);
        // SAFETY: handle and list are live.
        KafkaError::check(unsafe { ffi::rd_kafka_resume_partitions(self.client.as_ptr(), list.as_ptr()) })?;
        list.check()
    }

    /// Moves to other positions. Records that were fetched before are dropped by librdkafka: it
    /// numbers its fetches, and raises the number in this very call.
    ///
    /// # Errors
    /// When a partition is not being fetched (yet), or the client does not answer in time.
    pub fn seek(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<(), KafkaError> {
        let list = PartitionList::of_positions(positions);
        // SAFETY: handle and list are live; the error is taken over.
        unsafe {
            KafkaError::take(sys::rd_kafka_seek_partitions(
                self.client.as_ptr(),
                list.as_ptr(),
                millis(ANSWER_WAIT),
            ))?;
        }
        list.check()
    }

    /// The membership, if it is one: not lost, with an id and a generation.
    pub fn membership(&mut self) -> Option<GroupMembership> {
        // A client that was fenced still shows its old generation.
        if self.client.fatal_error().is_some() {
            return None;
        }
        // SAFETY: the handle is live; the object is taken over.
        unsafe {
            if sys::rd_kafka_assignment_lost(self.client.as_ptr()) != 0 {
                return None;
            }
            GroupMembership::checked(sys::rd_kafka_consumer_group_metadata(self.client.as_ptr()))
        }
    }

    /// What lets another thread end a wait in [`Consumer::receive`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        // SAFETY: the handle is live; this is a second reference to the same queue.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(self.client.as_ptr()) };
        Waker::new(queue, Arc::clone(&self.client))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.client.events().close();
        // SAFETY: the mailbox no longer names the queue when it is freed; the client is freed by
        // the last of its holders.
        unsafe {
            let code = ffi::rd_kafka_consumer_close(self.client.as_ptr());
            if let Err(error) = KafkaError::check(code) {
                tracing::warn!(%error, "the consumer was not closed in good order");
            }
            self.client.events().wake(ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}
