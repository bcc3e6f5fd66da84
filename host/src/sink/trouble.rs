//! What a producer's error means for the worker.

use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::producer::Undelivered;
use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::ids::is_changelog;
use crate::pipeline::ports::CommitFailure;
use crate::pipeline::ports::Refused;
use crate::pipeline::ports::SinkFailure;
use crate::sink::suspects::Suspects;
use crate::sink::suspects::Verdict;

/// The stop that an error is, if someone has to act.
fn stop(error: &KafkaError) -> Option<Stop> {
    let is_changelog = error.topic.as_deref().is_some_and(is_changelog);
    match error.code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC | ErrorCode::UNKNOWN_PARTITION
            if is_changelog =>
        {
            Some(Stop::new(
                "changelog-missing",
                format!(
                    "a changelog of the pipeline's state, or a partition of it, does not exist any more: {}",
                    error.message
                ),
                "Bring the topic back if you can, and do not make it anew by hand: an empty one would be taken for the state. `wasmill check` of the pipeline says what is left, and how to start over",
            ))
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED if is_changelog => Some(Stop::new(
            "changelog-forbidden",
            format!("the broker does not let this host write a changelog: {}", error.message),
            "Allow the host's principal READ, WRITE and DESCRIBE on topics that begin with `wasmill.`",
        )),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC | ErrorCode::UNKNOWN_PARTITION => {
            Some(Stop::new(
                "topic-missing",
                format!("an output topic, or a partition of it, does not exist: {}", error.message),
                "Create the topic, or correct its name in the pipeline",
            ))
        }
        ErrorCode::INVALID_TOPIC => Some(Stop::new(
            "topic-invalid",
            format!("an output topic has a name that no topic can have: {}", error.message),
            "Correct the topic's name in the pipeline",
        )),
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => Some(Stop::new(
            "topic-forbidden",
            format!("the broker does not let this host write an output topic: {}", error.message),
            "Allow the host's principal WRITE and DESCRIBE on the topic",
        )),
        ErrorCode::GROUP_AUTHORIZATION_FAILED => Some(Stop::new(
            "group-forbidden",
            format!("the broker does not let this host commit for its group: {}", error.message),
            "Allow the host's principal READ on the group",
        )),
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
            Some(Stop::new(
                "transactional-id-forbidden",
                format!("the broker does not let this host write in transactions: {}", error.message),
                "Allow the host's principal WRITE and DESCRIBE on transactional ids that begin with `wasmill.`",
            ))
        }
        ErrorCode::INVALID_TRANSACTION_TIMEOUT => Some(Stop::new(
            "kafka-timeouts",
            format!("the brokers do not take the transaction timeout: {}", error.message),
            "Lower transaction.timeout.ms to what the brokers allow (transaction.max.timeout.ms)",
        )),
        _ => None,
    }
}

/// An error after which nothing can be done with the open work but dropping it.
pub(in crate::sink) fn sink_failure(error: &KafkaError) -> SinkFailure {
    if error.code.is_fenced() {
        return SinkFailure::Fenced(error.to_string());
    }
    if let Some(stop) = stop(error) {
        return SinkFailure::Stop(stop);
    }
    if error.code.is_outage() {
        return SinkFailure::Outage(error.outage());
    }
    if error.requires_abort || error.code == ErrorCode::STATE {
        return SinkFailure::Outage(Outage::new("transaction-failed", error.to_string()));
    }
    SinkFailure::Fatal(error.to_string())
}

/// An error of a commit.
pub(in crate::sink) fn commit_failure(error: &KafkaError) -> CommitFailure {
    let lost = matches!(
        error.code,
        ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::FENCED_INSTANCE_ID
            | ErrorCode::REBALANCE_IN_PROGRESS
    );
    if lost {
        return CommitFailure::Abort(format!("the partitions went to another worker: {error}"));
    }
    match sink_failure(error) {
        SinkFailure::Outage(outage) if outage.code.0 == "transaction-failed" => {
            CommitFailure::Abort(outage.message)
        }
        failure => CommitFailure::Sink(failure),
    }
}

/// Why a commit cannot be, from everything that is known: a client that is unusable, records that
/// the broker refuses for good, another failed delivery, the error of the call.
pub(in crate::sink) fn failure_of(
    failed: &[Undelivered],
    fatal: Option<KafkaError>,
    error: Option<&KafkaError>,
    suspects: &mut Suspects,
) -> CommitFailure {
    if let Some(fatal) = fatal {
        return commit_failure(&fatal);
    }
    let refused: Vec<&Undelivered> =
        failed.iter().filter(|failed| failed.error.code.refuses_record()).collect();
    if !refused.is_empty() {
        return match suspects.judge(&refused) {
            Verdict::Guilty(guilty) => CommitFailure::Refused(
                guilty
                    .into_iter()
                    .filter_map(|index| refused.get(index))
                    .map(|failed| Refused { token: failed.token, cause: refused_record(&failed.error) })
                    .collect(),
            ),
            Verdict::Narrowed(count) => {
                CommitFailure::Abort(format!("the broker refused one of {count} records; finding out which"))
            }
        };
    }
    // Records that were purged only follow another failure.
    let purged =
        |error: &KafkaError| matches!(error.code, ErrorCode::PURGE_QUEUE | ErrorCode::PURGE_INFLIGHT);
    let cause = failed.iter().map(|failed| &failed.error).find(|error| !purged(error)).or(error);
    match cause.map(commit_failure) {
        Some(CommitFailure::Sink(SinkFailure::Fatal(message))) => CommitFailure::Abort(message),
        Some(failure) => failure,
        None => CommitFailure::Abort("records were dropped before they were written".to_owned()),
    }
}

fn refused_record(error: &KafkaError) -> BadRecord {
    let code = match error.code {
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::INVALID_MESSAGE_SIZE => "record-too-large",
        ErrorCode::INVALID_TIMESTAMP => "record-timestamp-refused",
        _ => "record-refused",
    };
    BadRecord {
        code: Code(code),
        stage: Stage::Produce,
        message: format!("the broker refuses the output record: {error}"),
        trace: String::new(),
    }
}

pub(in crate::sink) fn too_large(bytes: usize, limit: usize) -> BadRecord {
    BadRecord {
        code: Code("record-too-large"),
        stage: Stage::Produce,
        message: format!("the output record has {bytes} bytes, expected at most {limit}"),
        trace: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::position::Partition;

    fn error(code: ErrorCode) -> KafkaError {
        KafkaError::of(code)
    }

    fn undelivered(token: u64, code: ErrorCode) -> Undelivered {
        Undelivered { topic: 0, partition: Partition(0), token, error: error(code) }
    }

    #[test]
    fn refused_records_are_told_apart_from_outages() {
        let failed = [undelivered(1, ErrorCode::PURGE_QUEUE), undelivered(2, ErrorCode::MESSAGE_TOO_LARGE)];
        let CommitFailure::Refused(refused) = failure_of(&failed, None, None, &mut Suspects::default())
        else {
            panic!("refused expected")
        };
        assert_eq!((refused.len(), refused[0].token, refused[0].cause.code.0), (1, 2, "record-too-large"));
        let failed = [undelivered(1, ErrorCode::MESSAGE_TIMED_OUT)];
        assert!(matches!(
            failure_of(&failed, None, None, &mut Suspects::default()),
            CommitFailure::Sink(SinkFailure::Outage(_))
        ));
        assert!(matches!(failure_of(&[], None, None, &mut Suspects::default()), CommitFailure::Abort(_)));
    }

    #[test]
    fn a_changelog_that_is_gone_is_told_from_an_output() {
        let stop = |topic: &str| {
            let error = error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).about(&topic.into());
            let failed = [Undelivered { error, ..undelivered(1, ErrorCode::NONE) }];
            match failure_of(&failed, None, None, &mut Suspects::default()) {
                CommitFailure::Sink(SinkFailure::Stop(stop)) => stop,
                other => panic!("a stop expected, found {other}"),
            }
        };
        let missing = stop("wasmill.default.p.total.changelog");
        assert_eq!(missing.code.0, "changelog-missing");
        assert!(missing.message.contains("p.total.changelog"), "{missing}");
        let missing = stop("alerts");
        assert_eq!(missing.code.0, "topic-missing");
        assert!(missing.message.contains("`alerts`"), "{missing}");
    }

    #[test]
    fn a_lost_membership_aborts_and_a_newer_producer_fences() {
        assert!(matches!(commit_failure(&error(ErrorCode::ILLEGAL_GENERATION)), CommitFailure::Abort(_)));
        assert!(matches!(
            commit_failure(&error(ErrorCode::FENCED)),
            CommitFailure::Sink(SinkFailure::Fenced(_))
        ));
        assert!(matches!(
            commit_failure(&error(ErrorCode::TOPIC_AUTHORIZATION_FAILED)),
            CommitFailure::Sink(SinkFailure::Stop(_))
        ));
    }
}
