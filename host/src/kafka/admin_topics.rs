//! Which topics there are, and which topic a name means.

use std::fmt;
use std::ptr;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_admin_op_t as AdminOp;
use serde::Deserialize;
use serde::Serialize;

use crate::kafka::admin::Admin;
use crate::kafka::client::c_text;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::millis;
use crate::kafka::error::text_of;
use crate::kafka::ffi;

/// The cluster's own name of a topic: a topic that is deleted and made again under its old name has
/// another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TopicId(pub u128);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Admin {
    /// The names of all topics that begin so, in no order. Topics that this client may not see are not
    /// among them.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn topics_beginning(&self, prefix: &str) -> Result<Vec<String>, KafkaError> {
        let mut metadata: *const sys::rd_kafka_metadata = ptr::null();
        // SAFETY: on success the metadata is ours until it is destroyed, and holds as many topics as it
        // says, each with a C string for its name.
        unsafe {
            KafkaError::check(ffi::rd_kafka_metadata(
                self.client.as_ptr(),
                1,
                ptr::null_mut(),
                &raw mut metadata,
                millis(self.wait),
            ))?;
            let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
            let names = (0..count).map(|index| text_of((*(*metadata).topics.add(index)).topic));
            let found = names.filter(|name| name.starts_with(prefix)).collect();
            sys::rd_kafka_metadata_destroy(metadata);
            Ok(found)
        }
    }

    /// The id of a topic; none where the cluster has none (before version 2.8).
    ///
    /// # Errors
    /// When the topic is unknown or forbidden, or no broker answers.
    pub fn topic_id(&self, topic: &str) -> Result<Option<TopicId>, KafkaError> {
        let name = c_text(topic)?;
        // SAFETY: the name lives until after the call that copies it; the collection is freed after the
        // call that copies it; descriptions belong to the answer, which is read before it is freed.
        unsafe {
            let mut names = [name.as_ptr()];
            let answer = self.ask(AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, |rk, options, queue| {
                let wanted = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
                sys::rd_kafka_DescribeTopics(rk, wanted, options, queue);
                sys::rd_kafka_TopicCollection_destroy(wanted);
            })?;
            let result = sys::rd_kafka_event_DescribeTopics_result(answer.0);
            let mut count = 0;
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            if count == 0 || topics.is_null() {
                return Err(KafkaError::of(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
            }
            let topic = *topics;
            let error = sys::rd_kafka_TopicDescription_error(topic);
            let code = ErrorCode(ffi::rd_kafka_error_code(error));
            if code != ErrorCode::NONE {
                return Err(KafkaError::new(code, text_of(sys::rd_kafka_error_string(error))));
            }
            let id = sys::rd_kafka_TopicDescription_topic_id(topic);
            if id.is_null() {
                return Ok(None);
            }
            let high = sys::rd_kafka_Uuid_most_significant_bits(id).cast_unsigned();
            let low = sys::rd_kafka_Uuid_least_significant_bits(id).cast_unsigned();
            let id = u128::from(high) << 64 | u128::from(low);
            Ok((id != 0).then_some(TopicId(id)))
        }
    }
}
