//! A snapshot of a consumer's membership in its group.

use rdkafka_sys::bindings as sys;

use crate::kafka::error::text_of;

/// The membership that a transaction's commit carries, checked when it was taken: a member with an
/// id and a generation that is not negative.
///
/// The check is ours because a classic coordinator does not fence a commit with generation -1 and
/// an empty member id, which is what librdkafka sends once it lost its membership.
#[derive(Debug)]
pub struct GroupMembership(*mut sys::rd_kafka_consumer_group_metadata_t);

// SAFETY: an immutable value that belongs to no thread.
unsafe impl Send for GroupMembership {}
// SAFETY: as above.
unsafe impl Sync for GroupMembership {}

impl GroupMembership {
    /// Takes the object over; none when it is null or not of a member.
    ///
    /// # Safety
    /// The pointer is null or a live object that nobody else frees.
    pub(in crate::kafka) unsafe fn checked(
        object: *mut sys::rd_kafka_consumer_group_metadata_t,
    ) -> Option<Self> {
        if object.is_null() {
            return None;
        }
        let membership = Self(object);
        (membership.generation() >= 0 && !membership.member_id().is_empty()).then_some(membership)
    }

    /// Generation (classic groups) or member epoch.
    #[must_use]
    pub fn generation(&self) -> i32 {
        // SAFETY: the object is live.
        unsafe { sys::rd_kafka_consumer_group_metadata_generation_id(self.0) }
    }

    #[must_use]
    pub fn member_id(&self) -> String {
        // SAFETY: the object is live and owns the string.
        unsafe { text_of(sys::rd_kafka_consumer_group_metadata_member_id(self.0)) }
    }

    pub(in crate::kafka) fn as_ptr(&self) -> *const sys::rd_kafka_consumer_group_metadata_t {
        self.0
    }
}

impl Drop for GroupMembership {
    fn drop(&mut self) {
        // SAFETY: ours alone.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(generation: i32, member: &std::ffi::CStr) -> Option<GroupMembership> {
        // SAFETY: the strings are copied; the object is taken over.
        unsafe {
            let object = sys::rd_kafka_consumer_group_metadata_new_with_genid(
                c"group".as_ptr(),
                generation,
                member.as_ptr(),
                std::ptr::null(),
            );
            GroupMembership::checked(object)
        }
    }

    #[test]
    fn a_lost_membership_is_refused() {
        assert!(membership(-1, c"member").is_none());
        assert!(membership(3, c"").is_none());
        // SAFETY: null is allowed.
        assert!(unsafe { GroupMembership::checked(std::ptr::null_mut()) }.is_none());
        let good = membership(3, c"member").expect("a member");
        assert_eq!((good.generation(), good.member_id().as_str()), (3, "member"));
    }
}
