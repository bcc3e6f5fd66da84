//! Consumed records, in the client's own fetch buffers.

use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Instant;

use rdkafka_sys::bindings as sys;

use crate::kafka::client::Client;
use crate::kafka::headers;
use crate::kafka::layout;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;

/// One consumed message without an error. Holds a part of a fetch buffer until it is dropped.
#[derive(Debug)]
pub(in crate::kafka) struct Message(NonNull<sys::rd_kafka_message_t>);

impl Message {
    /// # Safety
    /// The pointer is a live consumed message without an error that nobody else frees.
    pub(in crate::kafka) unsafe fn from_raw(message: NonNull<sys::rd_kafka_message_t>) -> Self {
        Self(message)
    }

    #[inline]
    fn get(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: live until `drop`; the error code is zero, so the enum holds a listed value.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(in crate::kafka) fn offset(&self) -> Offset {
        Offset(self.get().offset)
    }

    /// Bytes of key and value.
    #[inline]
    pub(in crate::kafka) fn size(&self) -> u64 {
        let message = self.get();
        (message.key_len + message.len) as u64
    }

    #[inline]
    fn key(&self) -> Option<&[u8]> {
        let message = self.get();
        // SAFETY: a key that is not null has `key_len` bytes in the fetch buffer.
        (!message.key.is_null())
            .then(|| unsafe { std::slice::from_raw_parts(message.key.cast(), message.key_len) })
    }

    #[inline]
    fn value(&self) -> Option<&[u8]> {
        let message = self.get();
        // SAFETY: a value that is not null has `len` bytes in the fetch buffer.
        (!message.payload.is_null())
            .then(|| unsafe { std::slice::from_raw_parts(message.payload.cast(), message.len) })
    }

    #[inline]
    fn timestamp(&self) -> Option<i64> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is live.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &raw mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp >= 0)
            .then_some(timestamp)
    }

    fn headers(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        // SAFETY: the message is live, and not shared with another thread: `Messages` is not Sync.
        unsafe {
            match layout::raw_headers(self.0.as_ptr()) {
                Some(encoded) => headers::visit_encoded(encoded, visit),
                None => headers::visit_parsed(self.0.as_ptr(), visit),
            }
        }
    }

    #[inline]
    fn has_headers(&self) -> bool {
        // SAFETY: as in `headers`.
        if let Some(encoded) = unsafe { layout::raw_headers(self.0.as_ptr()) } {
            return headers::any_encoded(encoded);
        }
        let mut any = false;
        self.headers(&mut |_, _| any = true);
        any
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: ours alone, and the client is still there: `Messages` holds it.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) };
    }
}

/// A run of records of one partition in offset order.
///
/// Keys, values and headers lie in the client's fetch buffers: dropping the run frees them.
#[derive(Debug)]
pub struct Messages {
    topic_partition: TopicPartition,
    // Dropped before the client.
    messages: Vec<Message>,
    bytes: u64,
    /// When the client handed out the last of them.
    received: Instant,
    _client: Arc<Client>,
}

// SAFETY: a message may be read and freed on any thread; it is not Sync, because reading headers
// by librdkafka's parser writes to it.
unsafe impl Send for Messages {}

impl Messages {
    pub(in crate::kafka) fn new(topic_partition: TopicPartition, client: Arc<Client>) -> Self {
        Self { topic_partition, messages: Vec::new(), bytes: 0, received: Instant::now(), _client: client }
    }

    pub(in crate::kafka) fn push(&mut self, message: Message) {
        self.bytes += message.size();
        self.messages.push(message);
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The offset to resume at after this run; none when it is empty.
    #[must_use]
    pub fn next_offset(&self) -> Option<Offset> {
        self.messages.last().map(|message| message.offset().next())
    }

    /// Drops the records before an offset.
    pub fn skip_before(&mut self, offset: Offset) {
        let stale = self.messages.partition_point(|message| message.offset() < offset);
        if stale > 0 {
            self.bytes -= self.messages.drain(..stale).map(|message| message.size()).sum::<u64>();
        }
    }

    /// Drops the records from an offset on.
    pub fn keep_before(&mut self, offset: Offset) {
        let kept = self.messages.partition_point(|message| message.offset() < offset);
        self.bytes -= self.messages.drain(kept..).map(|message| message.size()).sum::<u64>();
    }

    /// Moves the records of a later run of the same partition to the end of this one, as far as
    /// both stay within the limits; gives back what did not fit.
    #[must_use]
    pub fn absorb(&mut self, mut later: Self, rows_max: usize, bytes_max: u64) -> Option<Self> {
        let mut bytes = self.bytes;
        let free = rows_max.saturating_sub(self.messages.len());
        let fitting = later
            .messages
            .iter()
            .take(free)
            .take_while(|message| {
                bytes += message.size();
                bytes <= bytes_max
            })
            .count();
        let moved: u64 = later.messages.iter().take(fitting).map(Message::size).sum();
        self.messages.extend(later.messages.drain(..fitting));
        self.bytes += moved;
        self.received = self.received.max(later.received);
        later.bytes -= moved;
        (!later.messages.is_empty()).then_some(later)
    }
}

impl RawRecords for Messages {
    fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    #[inline]
    fn len(&self) -> usize {
        self.messages.len()
    }

    #[inline]
    fn offset(&self, index: usize) -> Offset {
        self.messages.get(index).map_or(Offset(0), Message::offset)
    }

    #[inline]
    fn key(&self, index: usize) -> Option<&[u8]> {
        self.messages.get(index)?.key()
    }

    #[inline]
    fn value(&self, index: usize) -> Option<&[u8]> {
        self.messages.get(index)?.value()
    }

    #[inline]
    fn timestamp(&self, index: usize) -> Option<i64> {
        self.messages.get(index)?.timestamp()
    }

    fn headers(&self, index: usize, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        if let Some(message) = self.messages.get(index) {
            message.headers(visit);
        }
    }

    #[inline]
    fn has_headers(&self, index: usize) -> bool {
        self.messages.get(index).is_some_and(Message::has_headers)
    }

    fn received(&self) -> Option<Instant> {
        Some(self.received)
    }
}
