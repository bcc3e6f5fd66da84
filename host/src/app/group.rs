//! The consumer group of a pipeline that is deleted.

use crate::app::runner::BrokerKind;
use crate::kafka::admin::Admin;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::model::failure::Outage;
use crate::model::ids::PipelineId;

/// Deletes the group with the pipeline's positions.
///
/// # Errors
/// While the broker is away, the group has members or this host may not delete it.
pub(in crate::app) fn delete(admin: &Admin, id: &PipelineId, broker: &BrokerKind) -> Result<(), Outage> {
    match admin.delete_group(&id.group()) {
        Ok(()) => Ok(()),
        // It knows no such request, and nothing of it outlives the process.
        Err(error) if broker.is_in_process() => {
            tracing::debug!(pipeline = %id, %error, "the in-process broker keeps the group");
            Ok(())
        }
        Err(error) => kept(id, &error),
    }
}

/// What it means that the group of a pipeline could not be deleted. A group that stays would make a
/// pipeline of the same name go on where this one ended, so only one that is not there may be passed over.
fn kept(id: &PipelineId, error: &KafkaError) -> Result<(), Outage> {
    match error.code {
        ErrorCode::GROUP_ID_NOT_FOUND => Ok(()),
        // Static members stay in the group for a session timeout after they have left.
        ErrorCode::NON_EMPTY_GROUP => Err(Outage::new("group-not-empty", error.to_string())),
        code if code.is_outage() => Err(error.outage()),
        _ => Err(Outage::new(
            "group-not-deleted",
            format!(
                "the consumer group `{}` cannot be deleted: {error}; allow the host's principal DELETE on it",
                id.group()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PipelineName;
    use crate::model::ids::TenantName;

    #[test]
    fn a_deletion_waits_for_its_group_unless_there_is_none() {
        let id = PipelineId {
            tenant: TenantName::default_tenant(),
            pipeline: PipelineName::new("p").expect("a name"),
        };
        let outage = |code| kept(&id, &KafkaError::of(code)).err().map(|outage| outage.code.0);
        assert_eq!(outage(ErrorCode::GROUP_ID_NOT_FOUND), None);
        assert_eq!(outage(ErrorCode::NON_EMPTY_GROUP), Some("group-not-empty"));
        assert_eq!(outage(ErrorCode::TRANSPORT), Some("broker-away"));
        for code in [ErrorCode::GROUP_AUTHORIZATION_FAILED, ErrorCode(4711)] {
            assert_eq!(outage(code), Some("group-not-deleted"));
        }
    }
}
