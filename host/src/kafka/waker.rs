//! Ends another thread's wait for records.

use std::sync::Arc;

use rdkafka_sys::bindings as sys;

use crate::kafka::client::Client;

/// Ends a wait of its consumer, from any thread.
#[derive(Debug)]
pub struct Waker {
    queue: *mut sys::rd_kafka_queue_t,
    _client: Arc<Client>,
}

// SAFETY: a queue may be woken from any thread.
unsafe impl Send for Waker {}
// SAFETY: as above.
unsafe impl Sync for Waker {}

impl Waker {
    /// `queue` is a reference of its own to a queue of the client.
    pub(in crate::kafka) fn new(queue: *mut sys::rd_kafka_queue_t, client: Arc<Client>) -> Self {
        Self { queue, _client: client }
    }

    pub fn wake(&self) {
        // SAFETY: the queue is live until `drop`.
        unsafe { sys::rd_kafka_queue_yield(self.queue) };
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        // SAFETY: this reference to the queue is ours.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}
