//! The calls of librdkafka that return an error code, declared once more.
//!
//! The generated bindings have them return a Rust enum, which must never hold a code that it does not list;
//! librdkafka hands on whatever code a broker sends.

use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;

use rdkafka_sys::bindings as sys;

// The enum is `repr(i32)`, so that the integer is passed the same way.
unsafe extern "C" {
    pub(in crate::kafka) fn rd_kafka_err2str(err: c_int) -> *const c_char;
    pub(in crate::kafka) fn rd_kafka_err2name(err: c_int) -> *const c_char;
    pub(in crate::kafka) fn rd_kafka_AdminOptions_set_request_timeout(
        options: *mut sys::rd_kafka_AdminOptions_t,
        timeout_ms: c_int,
        errstr: *mut c_char,
        errstr_size: usize,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_ConfigResource_error(
        config: *const sys::rd_kafka_ConfigResource_t,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_NewTopic_set_config(
        new_topic: *mut sys::rd_kafka_NewTopic_t,
        name: *const c_char,
        value: *const c_char,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_assign(
        rk: *mut sys::rd_kafka_t,
        partitions: *const sys::rd_kafka_topic_partition_list_t,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_commit(
        rk: *mut sys::rd_kafka_t,
        offsets: *const sys::rd_kafka_topic_partition_list_t,
        async_: c_int,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_committed(
        rk: *mut sys::rd_kafka_t,
        partitions: *mut sys::rd_kafka_topic_partition_list_t,
        timeout_ms: c_int,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_conf_interceptor_add_on_new(
        conf: *mut sys::rd_kafka_conf_t,
        ic_name: *const c_char,
        on_new: sys::rd_kafka_interceptor_f_on_new_t,
        ic_opaque: *mut c_void,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_consumer_close(rk: *mut sys::rd_kafka_t) -> c_int;
    pub(in crate::kafka) fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> c_int;
    pub(in crate::kafka) fn rd_kafka_event_error(rkev: *mut sys::rd_kafka_event_t) -> c_int;
    pub(in crate::kafka) fn rd_kafka_fatal_error(
        rk: *mut sys::rd_kafka_t,
        errstr: *mut c_char,
        errstr_size: usize,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_flush(rk: *mut sys::rd_kafka_t, timeout_ms: c_int) -> c_int;
    pub(in crate::kafka) fn rd_kafka_get_watermark_offsets(
        rk: *mut sys::rd_kafka_t,
        topic: *const c_char,
        partition: i32,
        low: *mut i64,
        high: *mut i64,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_header_add(
        hdrs: *mut sys::rd_kafka_headers_t,
        name: *const c_char,
        name_size: isize,
        value: *const c_void,
        value_size: isize,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_header_get_all(
        hdrs: *const sys::rd_kafka_headers_t,
        idx: usize,
        namep: *mut *const c_char,
        valuep: *mut *const c_void,
        sizep: *mut usize,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_interceptor_add_on_send(
        rk: *mut sys::rd_kafka_t,
        ic_name: *const c_char,
        on_send: sys::rd_kafka_interceptor_f_on_send_t,
        ic_opaque: *mut c_void,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_message_headers(
        rkmessage: *const sys::rd_kafka_message_t,
        hdrsp: *mut *mut sys::rd_kafka_headers_t,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_metadata(
        rk: *mut sys::rd_kafka_t,
        all_topics: c_int,
        only_rkt: *mut sys::rd_kafka_topic_t,
        metadatap: *mut *const sys::rd_kafka_metadata,
        timeout_ms: c_int,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_oauthbearer_set_token(
        rk: *mut sys::rd_kafka_t,
        token_value: *const c_char,
        md_lifetime_ms: i64,
        md_principal_name: *const c_char,
        extensions: *mut *const c_char,
        extension_size: usize,
        errstr: *mut c_char,
        errstr_size: usize,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_oauthbearer_set_token_failure(
        rk: *mut sys::rd_kafka_t,
        errstr: *const c_char,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_offsets_for_times(
        rk: *mut sys::rd_kafka_t,
        offsets: *mut sys::rd_kafka_topic_partition_list_t,
        timeout_ms: c_int,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_pause_partitions(
        rk: *mut sys::rd_kafka_t,
        partitions: *mut sys::rd_kafka_topic_partition_list_t,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_poll_set_consumer(rk: *mut sys::rd_kafka_t) -> c_int;
    pub(in crate::kafka) fn rd_kafka_position(
        rk: *mut sys::rd_kafka_t,
        partitions: *mut sys::rd_kafka_topic_partition_list_t,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_purge(rk: *mut sys::rd_kafka_t, purge_flags: c_int) -> c_int;
    pub(in crate::kafka) fn rd_kafka_query_watermark_offsets(
        rk: *mut sys::rd_kafka_t,
        topic: *const c_char,
        partition: i32,
        low: *mut i64,
        high: *mut i64,
        timeout_ms: c_int,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_resume_partitions(
        rk: *mut sys::rd_kafka_t,
        partitions: *mut sys::rd_kafka_topic_partition_list_t,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_subscribe(
        rk: *mut sys::rd_kafka_t,
        topics: *const sys::rd_kafka_topic_partition_list_t,
    ) -> c_int;
    pub(in crate::kafka) fn rd_kafka_topic_result_error(
        topicres: *const sys::rd_kafka_topic_result_t,
    ) -> c_int;
}
