//! The layout of librdkafka's message, for the two things its interface makes too dear.
//!
//! Asking a consumed message for its headers allocates and frees a parser even when it has none,
//! and a batch of produced messages takes no timestamps. Both are fields of `rd_kafka_msg_t`, of
//! which only the first part is public. So the whole of it is declared here, for exactly the
//! version that the `rdkafka-sys` crate carries; with any other version the callers take the slow
//! public calls. `host/tests/kafka_records.rs` checks both fields against those calls.

use std::ffi::c_int;
use std::ffi::c_void;
use std::sync::OnceLock;

use rdkafka_sys::bindings as sys;

/// librdkafka 2.12.1.
const VERSION: c_int = 0x020c_01ff;

/// `rd_kafka_msg_t` of version [`VERSION`].
#[repr(C)]
struct NativeMessage {
    public: sys::rd_kafka_message_t,
    link: [*mut c_void; 2],
    flags: c_int,
    timestamp_type: c_int,
    timestamp: i64,
    headers: *mut sys::rd_kafka_headers_t,
    status: c_int,
    broker_id: i32,
    /// The consumer's half of a union: where the record's headers stand in the fetch buffer.
    raw_headers_len: i32,
    raw_headers: *const u8,
}

/// Whether the library that runs is the one whose layout stands here.
#[inline]
pub(in crate::kafka) fn is_known() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        // SAFETY: a constant of the library.
        let version = unsafe { sys::rd_kafka_version() };
        version == VERSION && cfg!(target_pointer_width = "64")
    })
}

/// The encoded headers of a consumed message: a varint count, then the headers. Empty for records
/// of the formats that had none. None when the layout is not known.
///
/// # Safety
/// `message` is a live consumed message without an error; the slice must not outlive it.
#[inline]
pub(in crate::kafka) unsafe fn raw_headers<'a>(message: *const sys::rd_kafka_message_t) -> Option<&'a [u8]> {
    if !is_known() {
        return None;
    }
    // SAFETY: the public message is the first field of the native one, of the layout above; the
    // headers lie in the fetch buffer that the message holds. They are zero for older formats.
    unsafe {
        let native = message.cast::<NativeMessage>();
        let len = (&raw const (*native).raw_headers_len).read();
        let data = (&raw const (*native).raw_headers).read();
        match usize::try_from(len) {
            Ok(len) if len > 0 && !data.is_null() => Some(std::slice::from_raw_parts(data, len)),
            _ => Some(&[]),
        }
    }
}

/// Sets the time of a message that is being produced, in milliseconds.
///
/// # Safety
/// `message` is live, inside an `on_send` interceptor, and the layout is known.
#[inline]
pub(in crate::kafka) unsafe fn set_timestamp(message: *mut sys::rd_kafka_message_t, timestamp: i64) {
    // SAFETY: as in `raw_headers`; the message is not shared yet while interceptors run.
    unsafe {
        let native = message.cast::<NativeMessage>();
        (&raw mut (*native).timestamp).write(timestamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linked_library_is_the_one_described() {
        assert!(is_known(), "rdkafka-sys brings another librdkafka: compare rd_kafka_msg_t in rdkafka_msg.h");
        assert_eq!(std::mem::offset_of!(NativeMessage, timestamp), 96);
        assert_eq!(std::mem::offset_of!(NativeMessage, raw_headers_len), 120);
    }
}
