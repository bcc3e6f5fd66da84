//! Who is in a group.

use std::ffi::CStr;

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_admin_op_t as AdminOp;

use crate::kafka::admin::Admin;
use crate::kafka::client::c_text;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::error::text_of;
use crate::kafka::ffi;

impl Admin {
    /// The names of a group's members: of static ones, which keep their place for a session timeout
    /// after they have left, the instance id; else the client id. None of a group that is not there.
    ///
    /// # Errors
    /// When the group is forbidden, no broker answers, or the brokers cannot say.
    pub fn group_members(&self, group: &str) -> Result<Vec<String>, KafkaError> {
        let name = c_text(group)?;
        // SAFETY: name and list are live during the call, which copies them; what is read belongs to the
        // answer, which lives until the end.
        unsafe {
            let mut wanted = [name.as_ptr()];
            let op = AdminOp::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
            let answer = self.ask(op, |rk, options, queue| {
                sys::rd_kafka_DescribeConsumerGroups(rk, wanted.as_mut_ptr(), 1, options, queue);
            })?;
            let mut count = 0;
            let result = sys::rd_kafka_event_DescribeConsumerGroups_result(answer.as_ptr());
            let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
            let mut members = Vec::new();
            for index in 0..count {
                let group = *groups.add(index);
                let error = sys::rd_kafka_ConsumerGroupDescription_error(group);
                if !error.is_null() {
                    match ErrorCode(ffi::rd_kafka_error_code(error)) {
                        // The client reports success as an error object, too.
                        ErrorCode::NONE => {}
                        ErrorCode::GROUP_ID_NOT_FOUND => continue,
                        code => {
                            return Err(KafkaError::new(code, text_of(sys::rd_kafka_error_string(error))));
                        }
                    }
                }
                for index in 0..sys::rd_kafka_ConsumerGroupDescription_member_count(group) {
                    members.push(name_of(sys::rd_kafka_ConsumerGroupDescription_member(group, index)));
                }
            }
            members.sort();
            Ok(members)
        }
    }
}

/// # Safety
/// `member` is a live description.
unsafe fn name_of(member: *const sys::rd_kafka_MemberDescription_t) -> String {
    // SAFETY: by the caller; the texts are null or C strings that live as long as the description.
    unsafe {
        let instance = sys::rd_kafka_MemberDescription_group_instance_id(member);
        if instance.is_null() || CStr::from_ptr(instance).is_empty() {
            text_of(sys::rd_kafka_MemberDescription_client_id(member))
        } else {
            text_of(instance)
        }
    }
}
