//! Completes the messages of a batch call with what that call cannot carry.

use std::ffi::c_char;
use std::ffi::c_void;
use std::ptr;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_resp_err_t as RespErr;

use crate::kafka::bucket::Pending;
use crate::kafka::config::ClientConfig;
use crate::kafka::error::KafkaError;
use crate::kafka::ffi;
use crate::kafka::layout;

/// Every producer made of this config runs the interceptor: its records must come from
/// [`crate::kafka::bucket::Bucket::hand_over`] alone.
pub(in crate::kafka) fn install(config: &ClientConfig) -> Result<(), KafkaError> {
    // SAFETY: the config is live; the interceptor has no state of its own.
    KafkaError::check(unsafe {
        ffi::rd_kafka_conf_interceptor_add_on_new(
            config.as_ptr(),
            c"wasmill".as_ptr(),
            Some(on_new),
            ptr::null_mut(),
        )
    })
}

unsafe extern "C" fn on_new(
    rk: *mut sys::rd_kafka_t,
    _conf: *const sys::rd_kafka_conf_t,
    _opaque: *mut c_void,
    _text: *mut c_char,
    _text_size: usize,
) -> RespErr {
    // SAFETY: called by librdkafka with its new handle, the one place where this is allowed.
    let code = unsafe {
        ffi::rd_kafka_interceptor_add_on_send(rk, c"wasmill".as_ptr(), Some(on_send), ptr::null_mut())
    };
    match KafkaError::check(code) {
        Ok(()) => RespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        Err(_) => RespErr::RD_KAFKA_RESP_ERR__FAIL,
    }
}

/// Runs inside `rd_kafka_produce_batch`, for each message that it takes: completes the message
/// from the [`Pending`] that its opaque pointer names, and puts the token in its place.
unsafe extern "C" fn on_send(
    _rk: *mut sys::rd_kafka_t,
    message: *mut sys::rd_kafka_message_t,
    _opaque: *mut c_void,
) -> RespErr {
    // SAFETY: with this interceptor every record goes through `Bucket::hand_over`, which sets the
    // pointer and keeps the list alive during the call. The header list changes hands here, which
    // the bucket learns from the count of messages taken. The layout is known, or the interceptor
    // would not be there.
    unsafe {
        let pending = (*message)._private.cast::<Pending>();
        if let Some(timestamp) = (*pending).timestamp {
            layout::set_timestamp(message, timestamp);
        }
        if !(*pending).headers.is_null() {
            sys::rd_kafka_message_set_headers(message, (*pending).headers);
        }
        (*message)._private = (*pending).token as *mut c_void;
    }
    RespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}
