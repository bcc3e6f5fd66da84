//! A live client, and the questions that consumers and producers alike ask the cluster.

use std::ffi::CString;
use std::ffi::c_void;
use std::ptr;
use std::time::Duration;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_type_t as ClientType;

use crate::kafka::allocator;
use crate::kafka::config::ClientConfig;
use crate::kafka::config::ErrorText;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::events::Events;
use crate::kafka::events::on_error;
use crate::kafka::events::on_log;
use crate::kafka::events::on_rebalance;
use crate::kafka::events::on_statistics;
use crate::kafka::events::on_token_wanted;
use crate::kafka::ffi;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kafka) enum Kind {
    Consumer,
    Producer,
}

/// An owned `rd_kafka_t`. Everything made from it holds it by `Arc`, so that it goes last.
#[derive(Debug)]
pub(in crate::kafka) struct Client {
    rk: *mut sys::rd_kafka_t,
    kind: Kind,
    // Callbacks point here until the handle is destroyed, so it is boxed and dropped after it.
    events: Box<Events>,
}

// SAFETY: librdkafka's handle may be used from any thread, from several at once.
unsafe impl Send for Client {}
// SAFETY: as above; the mailbox is locked.
unsafe impl Sync for Client {}

impl Client {
    pub(in crate::kafka) fn start(
        kind: Kind,
        name: String,
        config: ClientConfig,
    ) -> Result<Self, KafkaError> {
        allocator::keep_memory();
        let events = Box::new(Events::new(name, config.token_file.clone()));
        let has_token = config.token_file.is_some();
        let conf = config.as_ptr();
        let kind_c = match kind {
            Kind::Consumer => ClientType::RD_KAFKA_CONSUMER,
            Kind::Producer => ClientType::RD_KAFKA_PRODUCER,
        };
        let mut text = ErrorText::new();
        // SAFETY: the config is live; the callbacks have the types that librdkafka asks for; the
        // mailbox stays where it is until after the handle is destroyed. On success the handle
        // owns the config, on failure we still do.
        let rk = unsafe {
            sys::rd_kafka_conf_set_opaque(conf, ptr::from_ref::<Events>(&events).cast_mut().cast::<c_void>());
            sys::rd_kafka_conf_set_error_cb(conf, Some(on_error));
            sys::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            if kind == Kind::Consumer {
                sys::rd_kafka_conf_set_rebalance_cb(conf, Some(on_rebalance));
                sys::rd_kafka_conf_set_stats_cb(conf, Some(on_statistics));
            } else {
                // Delivery reports as events, not by callback: then a flush waits on a condition
                // variable rather than in steps of 10 ms.
                sys::rd_kafka_conf_set_events(conf, sys::RD_KAFKA_EVENT_DR);
            }
            if has_token {
                sys::rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, Some(on_token_wanted));
                sys::rd_kafka_conf_enable_sasl_queue(conf, 1);
            }
            sys::rd_kafka_new(kind_c, conf, text.as_mut_ptr(), text.len())
        };
        if rk.is_null() {
            return Err(KafkaError::new(ErrorCode(-199), text.to_string()));
        }
        config.taken();
        let client = Self { rk, kind, events };
        if has_token {
            // SAFETY: the handle is live.
            unsafe { KafkaError::take(sys::rd_kafka_sasl_background_callbacks_enable(client.rk))? };
        }
        Ok(client)
    }

    pub(in crate::kafka) fn as_ptr(&self) -> *mut sys::rd_kafka_t {
        self.rk
    }

    pub(in crate::kafka) fn events(&self) -> &Events {
        &self.events
    }

    /// The error after which the client is unusable, if one was raised.
    pub(in crate::kafka) fn fatal_error(&self) -> Option<KafkaError> {
        let mut text = ErrorText::new();
        // SAFETY: the handle is live and the buffer has the length given.
        let code = unsafe { ffi::rd_kafka_fatal_error(self.rk, text.as_mut_ptr(), text.len()) };
        let code = ErrorCode(code);
        if code == ErrorCode::NONE {
            return None;
        }
        let mut error = KafkaError::new(code, text.to_string());
        error.fatal = true;
        Some(error)
    }

    /// How many partitions a topic has now.
    pub(in crate::kafka) fn partition_count(&self, topic: &str, wait: Duration) -> Result<u32, KafkaError> {
        let c_topic = c_text(topic)?;
        let mut metadata: *const sys::rd_kafka_metadata = ptr::null();
        // SAFETY: the topic handle lives until after the call; on success the metadata is ours, and
        // holds as many topics as it says. Codes are read as integers.
        unsafe {
            let handle = sys::rd_kafka_topic_new(self.rk, c_topic.as_ptr(), ptr::null_mut());
            if handle.is_null() {
                return Err(KafkaError::of(ErrorCode::INVALID_TOPIC));
            }
            let code = ffi::rd_kafka_metadata(self.rk, 0, handle, &raw mut metadata, millis(wait));
            sys::rd_kafka_topic_destroy(handle);
            KafkaError::check(code)?;
            let found = if (*metadata).topic_cnt > 0 {
                let topic = (*metadata).topics;
                let code = ErrorCode((&raw const (*topic).err).cast::<i32>().read());
                if code == ErrorCode::NONE { Ok((*topic).partition_cnt) } else { Err(KafkaError::of(code)) }
            } else {
                Err(KafkaError::of(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
            };
            sys::rd_kafka_metadata_destroy(metadata);
            let count = u32::try_from(found?).unwrap_or(0);
            if count == 0 { Err(KafkaError::of(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)) } else { Ok(count) }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: whatever was made from the handle held this object, so it is gone. A consumer
        // was closed by its owner, so the handle need not close it again.
        unsafe {
            if self.kind == Kind::Consumer {
                sys::rd_kafka_destroy_flags(self.rk, sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
            } else {
                sys::rd_kafka_destroy(self.rk);
            }
        }
    }
}

/// A topic's or group's name as a C string.
pub(in crate::kafka) fn c_text(name: &str) -> Result<CString, KafkaError> {
    CString::new(name).map_err(|_| {
        KafkaError::new(ErrorCode::INVALID_TOPIC, format!("the name {name:?} holds a zero byte"))
    })
}
