//! What librdkafka tells by callback, kept until its owner asks.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::ffi::CString;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_resp_err_t as RespErr;

use crate::kafka::config::ErrorText;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::text_of;
use crate::kafka::ffi;
use crate::kafka::partition_list::PartitionList;
use crate::kafka::statistics::Statistics;
use crate::model::position::TopicPartition;

/// Errors that are kept; the oldest goes when one more comes.
const ERRORS_MAX: usize = 64;

/// A change of the group that the client waits to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    /// Revoked after the membership was lost.
    Lost(Vec<TopicPartition>),
}

/// The mailbox of one client. Callbacks write to it.
#[derive(Debug, Default)]
pub(in crate::kafka) struct Events {
    pub(in crate::kafka) name: String,
    rebalances: Mutex<VecDeque<Rebalance>>,
    errors: Mutex<VecDeque<KafkaError>>,
    statistics: Mutex<Option<Statistics>>,
    /// Whether the consumer is being closed: then revocations are answered at once.
    closing: AtomicBool,
    /// Whether the group rebalances cooperatively; known from the first change that was not answered while
    /// closing. A client that closes must not be asked: once its group has ended, it never answers.
    cooperative: AtomicBool,
    /// Queue to wake when an event came in; null where none is waited on.
    queue: AtomicPtr<sys::rd_kafka_queue_t>,
    token_file: Option<PathBuf>,
}

impl Events {
    pub(in crate::kafka) fn new(name: String, token_file: Option<PathBuf>) -> Self {
        Self { name, token_file, ..Self::default() }
    }

    pub(in crate::kafka) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances.lock().pop_front()
    }

    pub(in crate::kafka) fn next_error(&self) -> Option<KafkaError> {
        self.errors.lock().pop_front()
    }

    pub(in crate::kafka) fn statistics<T>(&self, read: impl FnOnce(&Statistics) -> T) -> Option<T> {
        self.statistics.lock().as_ref().map(read)
    }

    pub(in crate::kafka) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Names the queue to wake on an event; null for none. The queue must stay live until then.
    pub(in crate::kafka) fn wake(&self, queue: *mut sys::rd_kafka_queue_t) {
        self.queue.store(queue, Ordering::Release);
    }

    /// Makes the batch call that serves the queue return as soon as the queue is empty, rather
    /// than wait for messages until its timeout.
    fn yield_queue(&self) {
        let queue = self.queue.load(Ordering::Acquire);
        if !queue.is_null() {
            // SAFETY: the queue's owner takes it out of here before it frees it.
            unsafe { sys::rd_kafka_queue_yield(queue) };
        }
    }

    fn push_error(&self, error: KafkaError) {
        let mut errors = self.errors.lock();
        if errors.len() == ERRORS_MAX {
            errors.pop_front();
        }
        errors.push_back(error);
    }
}

/// The mailbox behind a callback's opaque pointer.
///
/// # Safety
/// `opaque` is what [`crate::kafka::client::Client`] gave to its client, which is live.
unsafe fn events_of<'a>(opaque: *mut c_void) -> Option<&'a Events> {
    // SAFETY: by the caller.
    unsafe { opaque.cast::<Events>().as_ref() }
}

pub(in crate::kafka) unsafe extern "C" fn on_error(
    rk: *mut sys::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes its live handle, a C string, and our opaque pointer.
    unsafe {
        let Some(events) = events_of(opaque) else { return };
        let mut error = KafkaError::new(ErrorCode(code), text_of(reason));
        if error.code == ErrorCode::FATAL {
            let mut text = ErrorText::new();
            let cause = ffi::rd_kafka_fatal_error(rk, text.as_mut_ptr(), text.len());
            error = KafkaError::new(ErrorCode(cause), text.to_string());
            error.fatal = true;
        }
        events.push_error(error);
        events.yield_queue();
    }
}

pub(in crate::kafka) unsafe extern "C" fn on_rebalance(
    rk: *mut sys::rd_kafka_t,
    code: RespErr,
    partitions: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_error`; the list is librdkafka's and live during the call.
    unsafe {
        let Some(events) = events_of(opaque) else { return };
        let assigned = code == RespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if events.closing.load(Ordering::Relaxed) {
            // Nobody will come to answer: give everything up, so that the close ends.
            answer_while_closing(rk, assigned, events.cooperative.load(Ordering::Relaxed), partitions);
            return;
        }
        events.cooperative.store(is_cooperative(rk), Ordering::Relaxed);
        let list = PartitionList::read(partitions);
        let change = if assigned {
            Rebalance::Assigned(list)
        } else if sys::rd_kafka_assignment_lost(rk) != 0 {
            Rebalance::Lost(list)
        } else {
            Rebalance::Revoked(list)
        };
        events.rebalances.lock().push_back(change);
        events.yield_queue();
    }
}

/// # Safety
/// `rk` is a live client whose group has not ended.
unsafe fn is_cooperative(rk: *mut sys::rd_kafka_t) -> bool {
    // SAFETY: by the caller; the text is a constant of the library's.
    unsafe {
        let protocol = sys::rd_kafka_rebalance_protocol(rk);
        !protocol.is_null() && CStr::from_ptr(protocol) == c"COOPERATIVE"
    }
}

unsafe fn answer_while_closing(
    rk: *mut sys::rd_kafka_t,
    assigned: bool,
    cooperative: bool,
    partitions: *mut sys::rd_kafka_topic_partition_list_t,
) {
    // SAFETY: the handle and the list are live; an error object is taken over and freed.
    unsafe {
        // A change from before the close may come up after the group has ended. Nothing waits for its
        // answer any more, and librdkafka drops what is asked of an ended group without a reply.
        if sys::rd_kafka_consumer_closed(rk) != 0 {
            return;
        }
        if cooperative && !assigned {
            let error = sys::rd_kafka_incremental_unassign(rk, partitions);
            if let Err(error) = KafkaError::take(error) {
                tracing::debug!(%error, "partitions were not given up while closing");
            }
        } else {
            ffi::rd_kafka_assign(rk, ptr::null());
        }
    }
}

pub(in crate::kafka) unsafe extern "C" fn on_statistics(
    _rk: *mut sys::rd_kafka_t,
    json: *mut c_char,
    json_len: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: as in `on_error`; `json` has `json_len` bytes.
    unsafe {
        if let Some(events) = events_of(opaque)
            && !json.is_null()
        {
            let text = std::slice::from_raw_parts(json.cast::<u8>(), json_len);
            if let Some(statistics) = Statistics::parse(text) {
                *events.statistics.lock() = Some(statistics);
            }
        }
    }
    0
}

/// Runs on any thread.
pub(in crate::kafka) unsafe extern "C" fn on_log(
    rk: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    // SAFETY: as in `on_error`; the mailbox takes calls from any thread.
    unsafe {
        let opaque = if rk.is_null() { ptr::null_mut() } else { sys::rd_kafka_opaque(rk) };
        let client = events_of(opaque).map_or("", |events| events.name.as_str());
        let (facility, text) = (text_of(facility), text_of(text));
        match level {
            0..=3 => tracing::warn!(target: "librdkafka", client, facility, "{text}"),
            4 => tracing::info!(target: "librdkafka", client, facility, "{text}"),
            _ => tracing::debug!(target: "librdkafka", client, facility, "{text}"),
        }
    }
}

/// Runs on librdkafka's background thread, whenever a new token is needed.
pub(in crate::kafka) unsafe extern "C" fn on_token_wanted(
    rk: *mut sys::rd_kafka_t,
    _config: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: as in `on_error`; all strings live to the end of the calls.
    unsafe {
        let Some(events) = events_of(opaque) else { return };
        let token = events.token_file.as_deref().ok_or_else(|| "no token file is set".to_owned());
        let outcome = token.and_then(|file| {
            let text =
                std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            Token::parse(text.trim(), SystemTime::now())
        });
        let failure = match outcome {
            Ok(token) => {
                let mut text = ErrorText::new();
                let code = ffi::rd_kafka_oauthbearer_set_token(
                    rk,
                    token.value.as_ptr(),
                    token.expires_ms,
                    token.principal.as_ptr(),
                    ptr::null_mut(),
                    0,
                    text.as_mut_ptr(),
                    text.len(),
                );
                match KafkaError::check(code) {
                    Ok(()) => return,
                    Err(_) => text.to_string(),
                }
            }
            Err(failure) => failure,
        };
        if let Ok(failure) = CString::new(failure) {
            ffi::rd_kafka_oauthbearer_set_token_failure(rk, failure.as_ptr());
        }
    }
}

struct Token {
    value: CString,
    principal: CString,
    expires_ms: i64,
}

impl Token {
    /// Reads subject and expiry of a JSON web token; an hour where it names none. The broker
    /// checks the signature.
    fn parse(text: &str, now: SystemTime) -> Result<Self, String> {
        let value = CString::new(text).map_err(|_| "the token holds a zero byte".to_owned())?;
        let claims =
            text.split('.').nth(1).ok_or("the token is not a JSON web token: it has no second part")?;
        let claims = URL_SAFE_NO_PAD
            .decode(claims.trim_end_matches('='))
            .map_err(|error| format!("the token's claims are not base64: {error}"))?;
        let claims: serde_json::Value = serde_json::from_slice(&claims)
            .map_err(|error| format!("the token's claims are not JSON: {error}"))?;
        let principal = claims.get("sub").and_then(serde_json::Value::as_str).unwrap_or("wasmill");
        let principal =
            CString::new(principal).map_err(|_| "the token's subject holds a zero byte".to_owned())?;
        let hour = (now + Duration::from_secs(3600)).duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires_s = claims.get("exp").and_then(serde_json::Value::as_f64).unwrap_or(hour.as_secs_f64());
        Ok(Self { value, principal, expires_ms: (expires_s * 1000.0) as i64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_subject_and_expiry() {
        let claims = URL_SAFE_NO_PAD.encode(br#"{"sub":"me","exp":1700000000}"#);
        let token = Token::parse(&format!("e30.{claims}.sig"), UNIX_EPOCH).expect("token");
        assert_eq!(token.principal.to_str(), Ok("me"));
        assert_eq!(token.expires_ms, 1_700_000_000_000);
        let claims = URL_SAFE_NO_PAD.encode(b"{}");
        let token = Token::parse(&format!("e30.{claims}.sig"), UNIX_EPOCH).expect("token");
        assert_eq!(token.expires_ms, 3_600_000);
        for bad in ["", "a", "a.!.c", "a.e30x.c"] {
            assert!(Token::parse(bad, UNIX_EPOCH).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_are_bounded() {
        let events = Events::new("x".to_owned(), None);
        for code in 0..100 {
            events.push_error(KafkaError::new(ErrorCode(code), ""));
        }
        assert_eq!(events.next_error().map(|error| error.code.0), Some(36));
    }
}
