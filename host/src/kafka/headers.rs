//! Record headers, read and written.

use std::ffi::c_void;
use std::ptr;

use rdkafka_sys::bindings as sys;

use crate::kafka::error::KafkaError;
use crate::kafka::ffi;

/// Calls `visit` with each header of a record's encoded headers (message format 2), in order.
/// Stops at the first that is not well formed, which a broker does not let through.
pub(in crate::kafka) fn visit_encoded(encoded: &[u8], visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
    let mut rest = encoded;
    let count = varint(&mut rest).unwrap_or(0);
    for _ in 0..count {
        let Some(name) = sized(&mut rest).flatten() else {
            return;
        };
        let Some(value) = sized(&mut rest) else { return };
        match std::str::from_utf8(name) {
            Ok(name) => visit(name, value),
            Err(_) => visit(&String::from_utf8_lossy(name), value),
        }
    }
}

/// Whether there is any header in a record's encoded headers.
#[inline]
pub(in crate::kafka) fn any_encoded(encoded: &[u8]) -> bool {
    encoded.first().is_some_and(|count| *count != 0)
}

/// Bytes with their length before them; the inner none is a null.
fn sized<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(len) = usize::try_from(varint(rest)?) else {
        return Some(None);
    };
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(Some(bytes))
}

/// A zigzag varint.
fn varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Calls `visit` with each header of a consumed message, by librdkafka's own parser.
///
/// # Safety
/// `message` is a live consumed message, used by no other thread.
pub(in crate::kafka) unsafe fn visit_parsed(
    message: *const sys::rd_kafka_message_t,
    visit: &mut dyn FnMut(&str, Option<&[u8]>),
) {
    let mut list = ptr::null_mut();
    // SAFETY: by the caller; the headers belong to the message.
    let code = unsafe { ffi::rd_kafka_message_headers(message, &raw mut list) };
    if KafkaError::check(code).is_err() {
        return;
    }
    let mut index = 0;
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null::<c_void>(), 0_usize);
        // SAFETY: the list is live; an index past its end is an error code.
        let code = unsafe {
            ffi::rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size)
        };
        if KafkaError::check(code).is_err() {
            return;
        }
        // SAFETY: name is a C string and value has `size` bytes, both owned by the list.
        unsafe {
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
            visit(&std::ffi::CStr::from_ptr(name).to_string_lossy(), value);
        }
        index += 1;
    }
}

/// A header list for a record to be produced. Null when there are none.
///
/// The caller gives it to librdkafka or destroys it.
pub(in crate::kafka) fn build(headers: &[(&str, Option<&[u8]>)]) -> *mut sys::rd_kafka_headers_t {
    if headers.is_empty() {
        return ptr::null_mut();
    }
    // SAFETY: allocates a list; `add` copies name and value, whose lengths are given.
    unsafe {
        let list = sys::rd_kafka_headers_new(headers.len());
        for (name, value) in headers {
            let (data, size) = match value {
                // An empty value must not be null: null means a null value.
                Some([]) => (c"".as_ptr().cast::<c_void>(), 0),
                Some(value) => (value.as_ptr().cast::<c_void>(), value.len() as isize),
                None => (ptr::null(), 0),
            };
            ffi::rd_kafka_header_add(list, name.as_ptr().cast(), name.len() as isize, data, size);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(encoded: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
        let mut seen = Vec::new();
        visit_encoded(encoded, &mut |name, value| {
            seen.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        });
        seen
    }

    #[test]
    fn encoded_headers_are_read_in_order_with_duplicates_and_nulls() {
        // count 3: a=1, a=null, b=""
        let encoded = [6, 2, b'a', 2, b'1', 2, b'a', 1, 2, b'b', 0];
        assert!(any_encoded(&encoded));
        assert_eq!(
            seen(&encoded),
            [
                ("a".to_owned(), Some(b"1".to_vec())),
                ("a".to_owned(), None),
                ("b".to_owned(), Some(Vec::new()))
            ]
        );
        assert!(!any_encoded(&[0]));
        assert!(!any_encoded(&[]));
        assert!(seen(&[0]).is_empty());
    }

    #[test]
    fn broken_headers_end_the_visit_without_a_panic() {
        let encoded = [6, 2, b'a', 2, b'1', 2, b'a', 1, 2, b'b', 0];
        for end in 0..encoded.len() {
            assert!(seen(&encoded[..end]).len() <= 2);
        }
        assert!(seen(&[0xff; 32]).is_empty());
        assert!(seen(&[2, 0xfe, 0xff, 0xff, 0xff, 0x0f]).is_empty());
    }
}
