//! Topics and groups: made, looked at and deleted.

use std::ffi::CString;
use std::time::Duration;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_ResourceType_t as ResourceType;
use rdkafka_sys::bindings::rd_kafka_admin_op_t as AdminOp;

use crate::kafka::client::Client;
use crate::kafka::client::Kind;
use crate::kafka::client::c_text;
use crate::kafka::config::ErrorText;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::error::text_of;
use crate::kafka::ffi;
use crate::kafka::settings::ClientSettings;

/// How long the first questions wait, each before the client is asked whether the brokers refuse it.
const FIRST_WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// A client for questions and changes that belong to no pipeline. Its calls wait: never make them
/// on an async thread.
#[derive(Debug)]
pub struct Admin {
    pub(in crate::kafka) client: Client,
    pub(in crate::kafka) wait: Duration,
}

impl Admin {
    /// `wait` bounds every call.
    ///
    /// # Errors
    /// When librdkafka cannot start its threads.
    pub fn start(settings: &ClientSettings, wait: Duration) -> Result<Self, KafkaError> {
        let config = settings.base_config()?;
        Ok(Self { client: Client::start(Kind::Producer, "admin".to_owned(), config)?, wait })
    }

    /// # Errors
    /// When the topic is unknown or forbidden, or no broker answers. Where the brokers refuse this client's
    /// credentials or it refuses their certificate, the error says so, and comes before the time is up.
    pub fn partition_count(&self, topic: &str) -> Result<u32, KafkaError> {
        let mut rest = self.wait;
        for wait in FIRST_WAITS {
            let wait = wait.min(rest);
            match self.client.partition_count(topic, wait) {
                Err(error) if error.code.is_outage() => {}
                answer => return answer,
            }
            if let Some(refused) = self.refused_connection() {
                return Err(refused);
            }
            rest -= wait;
        }
        self.client.partition_count(topic, rest).map_err(|error| self.refused_connection().unwrap_or(error))
    }

    /// Why no connection comes about, where that is a matter of credentials or certificates. A question
    /// that waits for a connection only says that time is up.
    fn refused_connection(&self) -> Option<KafkaError> {
        // SAFETY: the client is live. It produces nothing, so there are no other events to serve.
        unsafe { sys::rd_kafka_poll(self.client.as_ptr(), 0) };
        let errors = std::iter::from_fn(|| self.client.events().next_error());
        errors.filter(|error| error.code.is_refused_connection()).last()
    }

    /// Creates a topic. A replication factor of none leaves it to the broker.
    ///
    /// # Errors
    /// `TOPIC_ALREADY_EXISTS`, a missing permission, a refused configuration, or no broker answers.
    pub fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        replication: Option<u32>,
        config: &[(&str, &str)],
    ) -> Result<(), KafkaError> {
        let name = c_text(topic)?;
        let mut text = ErrorText::new();
        // SAFETY: the strings are live and copied; the request object is freed after the call that
        // copies it; the answer is read before it is freed.
        unsafe {
            let mut wanted = sys::rd_kafka_NewTopic_new(
                name.as_ptr(),
                i32::try_from(partitions).unwrap_or(i32::MAX),
                replication.and_then(|factor| i32::try_from(factor).ok()).unwrap_or(-1),
                text.as_mut_ptr(),
                text.len(),
            );
            if wanted.is_null() {
                return Err(KafkaError::new(ErrorCode::INVALID_TOPIC, text.to_string()));
            }
            for (key, value) in config {
                let (Ok(key), Ok(value)) = (CString::new(*key), CString::new(*value)) else {
                    continue;
                };
                ffi::rd_kafka_NewTopic_set_config(wanted, key.as_ptr(), value.as_ptr());
            }
            let answer = self.ask(AdminOp::RD_KAFKA_ADMIN_OP_CREATETOPICS, |rk, options, queue| {
                sys::rd_kafka_CreateTopics(rk, &raw mut wanted, 1, options, queue);
                sys::rd_kafka_NewTopic_destroy(wanted);
            })?;
            let mut count = 0;
            let result = sys::rd_kafka_event_CreateTopics_result(answer.0);
            let topics = sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
            topic_outcome(topics, count)
        }
    }

    /// # Errors
    /// When the topic is unknown or forbidden, or no broker answers.
    pub fn delete_topic(&self, topic: &str) -> Result<(), KafkaError> {
        let name = c_text(topic)?;
        // SAFETY: as in `create_topic`.
        unsafe {
            let mut wanted = sys::rd_kafka_DeleteTopic_new(name.as_ptr());
            let answer = self.ask(AdminOp::RD_KAFKA_ADMIN_OP_DELETETOPICS, |rk, options, queue| {
                sys::rd_kafka_DeleteTopics(rk, &raw mut wanted, 1, options, queue);
                sys::rd_kafka_DeleteTopic_destroy(wanted);
            })?;
            let mut count = 0;
            let result = sys::rd_kafka_event_DeleteTopics_result(answer.0);
            let topics = sys::rd_kafka_DeleteTopics_result_topics(result, &raw mut count);
            topic_outcome(topics, count)
        }
    }

    /// # Errors
    /// When the group has members, is unknown or forbidden, or no broker answers.
    pub fn delete_group(&self, group: &str) -> Result<(), KafkaError> {
        let name = c_text(group)?;
        // SAFETY: as in `create_topic`; the error object of a group belongs to the answer.
        unsafe {
            let mut wanted = sys::rd_kafka_DeleteGroup_new(name.as_ptr());
            let answer = self.ask(AdminOp::RD_KAFKA_ADMIN_OP_DELETEGROUPS, |rk, options, queue| {
                sys::rd_kafka_DeleteGroups(rk, &raw mut wanted, 1, options, queue);
                sys::rd_kafka_DeleteGroup_destroy(wanted);
            })?;
            let mut count = 0;
            let result = sys::rd_kafka_event_DeleteGroups_result(answer.0);
            let groups = sys::rd_kafka_DeleteGroups_result_groups(result, &raw mut count);
            for index in 0..count {
                let error = sys::rd_kafka_group_result_error(*groups.add(index));
                if !error.is_null() {
                    let code = ErrorCode(ffi::rd_kafka_error_code(error));
                    return Err(KafkaError::new(code, text_of(sys::rd_kafka_error_string(error))));
                }
            }
            Ok(())
        }
    }

    /// One configuration value of a topic; none when the topic has no such value.
    ///
    /// # Errors
    /// When the topic is unknown, its configuration forbidden, or no broker answers.
    pub fn topic_config(&self, topic: &str, key: &str) -> Result<Option<String>, KafkaError> {
        let [value] = self.topic_configs(topic, [key])?;
        Ok(value)
    }

    /// Several configuration values of a topic, asked for at once.
    ///
    /// # Errors
    /// As of [`Self::topic_config`].
    pub fn topic_configs<const N: usize>(
        &self,
        topic: &str,
        keys: [&str; N],
    ) -> Result<[Option<String>; N], KafkaError> {
        // SAFETY: the client is live.
        unsafe { topic_configs(&self.client, self.wait, topic, keys) }
    }

    /// # Safety
    /// See [`ask`].
    pub(in crate::kafka) unsafe fn ask(
        &self,
        op: AdminOp,
        request: impl FnOnce(*mut sys::rd_kafka_t, *mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Result<Answer, KafkaError> {
        // SAFETY: by the caller.
        let answer = unsafe { ask(&self.client, self.wait, op, request) };
        answer.map_err(|error| match self.refused_connection() {
            Some(refused) if error.code.is_outage() => refused,
            _ => error,
        })
    }
}

/// An event that answers a request, and what is read from it.
pub(in crate::kafka) struct Answer(pub(in crate::kafka) *mut sys::rd_kafka_event_t);

impl Answer {
    pub(in crate::kafka) fn as_ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours alone.
        unsafe { sys::rd_kafka_event_destroy(self.0) };
    }
}

/// Makes a request and waits for its answer.
///
/// # Safety
/// `request` makes one admin call of the kind `op` with what it is given.
unsafe fn ask(
    client: &Client,
    wait: Duration,
    op: AdminOp,
    request: impl FnOnce(*mut sys::rd_kafka_t, *mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Answer, KafkaError> {
    let mut text = ErrorText::new();
    // SAFETY: options and queue live during the request; the queue is freed after its answer was
    // taken, or with it. A late answer goes nowhere.
    unsafe {
        let options = sys::rd_kafka_AdminOptions_new(client.as_ptr(), op);
        ffi::rd_kafka_AdminOptions_set_request_timeout(options, millis(wait), text.as_mut_ptr(), text.len());
        let queue = sys::rd_kafka_queue_new(client.as_ptr());
        request(client.as_ptr(), options, queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        let event = sys::rd_kafka_queue_poll(queue, millis(wait + Duration::from_secs(1)));
        sys::rd_kafka_queue_destroy(queue);
        if event.is_null() {
            return Err(KafkaError::of(ErrorCode::TIMED_OUT));
        }
        let answer = Answer(event);
        let code = ErrorCode(ffi::rd_kafka_event_error(event));
        if code != ErrorCode::NONE {
            return Err(KafkaError::new(code, text_of(sys::rd_kafka_event_error_string(event))));
        }
        Ok(answer)
    }
}

unsafe fn topic_outcome(
    topics: *mut *const sys::rd_kafka_topic_result_t,
    count: usize,
) -> Result<(), KafkaError> {
    for index in 0..count {
        // SAFETY: librdkafka returned `count` results, which live as long as the answer.
        unsafe {
            let topic = *topics.add(index);
            let code = ErrorCode(ffi::rd_kafka_topic_result_error(topic));
            if code != ErrorCode::NONE {
                return Err(KafkaError::new(code, text_of(sys::rd_kafka_topic_result_error_string(topic))));
            }
        }
    }
    Ok(())
}

unsafe fn topic_configs<const N: usize>(
    client: &Client,
    wait: Duration,
    topic: &str,
    keys: [&str; N],
) -> Result<[Option<String>; N], KafkaError> {
    let mut values = [const { None }; N];
    let name = c_text(topic)?;
    // SAFETY: as in `Admin::create_topic`.
    unsafe {
        let mut wanted =
            sys::rd_kafka_ConfigResource_new(ResourceType::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr());
        let answer = ask(client, wait, AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, |rk, options, queue| {
            sys::rd_kafka_DescribeConfigs(rk, &raw mut wanted, 1, options, queue);
            sys::rd_kafka_ConfigResource_destroy(wanted);
        })?;
        let result = sys::rd_kafka_event_DescribeConfigs_result(answer.0);
        let mut count = 0;
        let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        if count == 0 || resources.is_null() {
            return Ok(values);
        }
        let resource = *resources;
        let code = ErrorCode(ffi::rd_kafka_ConfigResource_error(resource));
        if code != ErrorCode::NONE {
            return Err(KafkaError::new(code, text_of(sys::rd_kafka_ConfigResource_error_string(resource))));
        }
        let mut count = 0;
        let entries = sys::rd_kafka_ConfigResource_configs(resource, &raw mut count);
        for index in 0..count {
            let entry = *entries.add(index);
            let name = text_of(sys::rd_kafka_ConfigEntry_name(entry));
            let wanted = keys.iter().zip(&mut values).find(|(key, _)| **key == name);
            if let Some((_, slot)) = wanted {
                let value = sys::rd_kafka_ConfigEntry_value(entry);
                *slot = (!value.is_null()).then(|| text_of(value));
            }
        }
        Ok(values)
    }
}
