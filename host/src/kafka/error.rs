//! What librdkafka and the brokers answer, as values.

use std::borrow::Cow;
use std::ffi::CStr;
use std::ffi::c_char;
use std::ffi::c_int;
use std::fmt;
use std::sync::Arc;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_resp_err_t as RespErr;

use crate::kafka::ffi;
use crate::model::failure::Outage;

/// An error code of librdkafka (negative) or of the Kafka protocol (positive).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i32);

macro_rules! codes {
    ($($name:ident = $raw:ident,)*) => {
        impl ErrorCode {
            $(pub const $name: Self = Self(RespErr::$raw as i32);)*
        }
    };
}

codes! {
    NONE = RD_KAFKA_RESP_ERR_NO_ERROR,
    ALL_BROKERS_DOWN = RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
    AUTHENTICATION = RD_KAFKA_RESP_ERR__AUTHENTICATION,
    AUTO_OFFSET_RESET = RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
    FATAL = RD_KAFKA_RESP_ERR__FATAL,
    FENCED = RD_KAFKA_RESP_ERR__FENCED,
    MAX_POLL_EXCEEDED = RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED,
    MESSAGE_TIMED_OUT = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
    NO_ENTRY = RD_KAFKA_RESP_ERR__NOENT,
    NO_OFFSET = RD_KAFKA_RESP_ERR__NO_OFFSET,
    PARTITION_EOF = RD_KAFKA_RESP_ERR__PARTITION_EOF,
    PURGE_INFLIGHT = RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
    PURGE_QUEUE = RD_KAFKA_RESP_ERR__PURGE_QUEUE,
    QUEUE_FULL = RD_KAFKA_RESP_ERR__QUEUE_FULL,
    RESOLVE = RD_KAFKA_RESP_ERR__RESOLVE,
    SSL = RD_KAFKA_RESP_ERR__SSL,
    STATE = RD_KAFKA_RESP_ERR__STATE,
    TIMED_OUT = RD_KAFKA_RESP_ERR__TIMED_OUT,
    TIMED_OUT_QUEUE = RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
    TRANSPORT = RD_KAFKA_RESP_ERR__TRANSPORT,
    UNKNOWN_PARTITION = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    UNKNOWN_TOPIC = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
    WAIT_COORDINATOR = RD_KAFKA_RESP_ERR__WAIT_COORD,
    CLUSTER_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    FENCED_INSTANCE_ID = RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
    GROUP_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    NON_EMPTY_GROUP = RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP,
    GROUP_ID_NOT_FOUND = RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND,
    ILLEGAL_GENERATION = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    INVALID_MESSAGE = RD_KAFKA_RESP_ERR_INVALID_MSG,
    INVALID_MESSAGE_SIZE = RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
    INVALID_PRODUCER_EPOCH = RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    INVALID_RECORD = RD_KAFKA_RESP_ERR_INVALID_RECORD,
    INVALID_SESSION_TIMEOUT = RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT,
    INVALID_TIMESTAMP = RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    INVALID_TOPIC = RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
    INVALID_TRANSACTION_TIMEOUT = RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
    LEADER_NOT_AVAILABLE = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    MESSAGE_TOO_LARGE = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    OFFSET_OUT_OF_RANGE = RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
    PRODUCER_FENCED = RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
    REBALANCE_IN_PROGRESS = RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    TOPIC_ALREADY_EXISTS = RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
    TOPIC_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    UNKNOWN_MEMBER_ID = RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    UNKNOWN_TOPIC_OR_PARTITION = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    UNRELEASED_INSTANCE_ID = RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID,
}

impl ErrorCode {
    /// The code's name in librdkafka, like `_TRANSPORT` or `UNKNOWN_TOPIC_OR_PART`.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        // SAFETY: takes any integer and returns a static C string (or, for an unknown code, a
        // thread-local one, which is copied).
        unsafe { text_of(ffi::rd_kafka_err2name(self.0)) }.into()
    }

    #[must_use]
    pub fn description(self) -> String {
        // SAFETY: as in `name`.
        unsafe { text_of(ffi::rd_kafka_err2str(self.0)) }
    }

    /// Whether waiting may help: the broker is away, or not yet ready.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(
            self,
            Self::ALL_BROKERS_DOWN
                | Self::AUTHENTICATION
                | Self::MESSAGE_TIMED_OUT
                | Self::RESOLVE
                | Self::SSL
                | Self::TIMED_OUT
                | Self::TIMED_OUT_QUEUE
                | Self::TRANSPORT
                | Self::WAIT_COORDINATOR
        ) || RETRIABLE.contains(&self.0)
    }

    /// Whether a broker refuses the credentials, or is refused for its certificate.
    #[must_use]
    pub fn is_refused_connection(self) -> bool {
        matches!(self, Self::AUTHENTICATION | Self::SSL)
    }

    /// Whether another client took over this identity.
    #[must_use]
    pub fn is_fenced(self) -> bool {
        matches!(self, Self::FENCED | Self::PRODUCER_FENCED | Self::INVALID_PRODUCER_EPOCH)
    }

    /// Whether a broker refuses one record for good.
    #[must_use]
    pub fn refuses_record(self) -> bool {
        matches!(
            self,
            Self::MESSAGE_TOO_LARGE
                | Self::INVALID_MESSAGE_SIZE
                | Self::INVALID_MESSAGE
                | Self::INVALID_RECORD
                | Self::INVALID_TIMESTAMP
        )
    }
}

/// Codes of the protocol that pass: leader or coordinator moving, loading, too few replicas,
/// throttled, concurrent transaction, unstable offset commit.
const RETRIABLE: [i32; 14] = [5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 51, 88, 89];

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// A failed call, or an error that the client reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct KafkaError {
    pub code: ErrorCode,
    pub message: String,
    /// The client is unusable from now on.
    pub fatal: bool,
    /// The same call may be made again.
    pub retriable: bool,
    /// The open transaction must be aborted.
    pub requires_abort: bool,
    /// The topic that it is about, where that is known.
    pub topic: Option<Arc<str>>,
}

impl KafkaError {
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, fatal: false, retriable: false, requires_abort: false, topic: None }
    }

    /// The same, about a topic.
    #[must_use]
    pub fn about(self, topic: &Arc<str>) -> Self {
        let message = format!("`{topic}`: {}", self.message);
        Self { message, topic: Some(Arc::clone(topic)), ..self }
    }

    #[must_use]
    pub fn of(code: ErrorCode) -> Self {
        Self::new(code, code.description())
    }

    /// The code that a call returned, as a result.
    ///
    /// # Errors
    /// When the code is one of an error.
    pub(in crate::kafka) fn check(code: c_int) -> Result<(), Self> {
        match ErrorCode(code) {
            ErrorCode::NONE => Ok(()),
            code => Err(Self::of(code)),
        }
    }

    #[must_use]
    pub fn outage(&self) -> Outage {
        match self.code {
            ErrorCode::AUTHENTICATION => Outage::new(
                "broker-authentication",
                format!("{self}; look at the settings `kafka.sasl.*` of the host"),
            ),
            ErrorCode::SSL => {
                Outage::new("broker-tls", format!("{self}; look at the settings `kafka.tls.*` of the host"))
            }
            _ => Outage::new("broker-away", self.to_string()),
        }
    }

    /// Takes an error object over, which may be null for success, and frees it.
    ///
    /// # Errors
    /// When it is not null.
    ///
    /// # Safety
    /// `error` is null or an error object that nobody else frees.
    pub(in crate::kafka) unsafe fn take(error: *mut sys::rd_kafka_error_t) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the object is live until it is destroyed at the end.
        unsafe {
            let found = Self {
                code: ErrorCode(ffi::rd_kafka_error_code(error)),
                message: text_of(sys::rd_kafka_error_string(error)),
                fatal: sys::rd_kafka_error_is_fatal(error) != 0,
                retriable: sys::rd_kafka_error_is_retriable(error) != 0,
                requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
                topic: None,
            };
            sys::rd_kafka_error_destroy(error);
            Err(found)
        }
    }
}

/// A copy of a C string, or an empty one for null.
///
/// # Safety
/// `text` is null or a live C string.
pub(in crate::kafka) unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Milliseconds as librdkafka takes them.
pub(in crate::kafka) fn millis(time: std::time::Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_even_when_unknown() {
        assert_eq!(ErrorCode::FENCED_INSTANCE_ID.name(), "FENCED_INSTANCE_ID");
        assert!(!ErrorCode(4711).name().is_empty());
        assert!(ErrorCode(4711).description().contains("4711"));
    }

    #[test]
    fn outages_are_told_from_refusals() {
        assert!(ErrorCode::ALL_BROKERS_DOWN.is_outage());
        assert!(ErrorCode(14).is_outage(), "coordinator load in progress");
        assert!(!ErrorCode::MESSAGE_TOO_LARGE.is_outage());
        assert!(ErrorCode::MESSAGE_TOO_LARGE.refuses_record());
        assert!(ErrorCode::PRODUCER_FENCED.is_fenced());
    }
}
