//! The ends of partitions, seen as they lie in the log.

use rdkafka_sys::bindings as sys;
use rdkafka_sys::bindings::rd_kafka_IsolationLevel_t as IsolationLevel;
use rdkafka_sys::bindings::rd_kafka_OffsetSpec_t as OffsetSpec;
use rdkafka_sys::bindings::rd_kafka_admin_op_t as AdminOp;

use crate::kafka::admin::Admin;
use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::partition_list::PartitionList;
use crate::kafka::partition_list::entry_of;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;

/// An end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The first offset that is still there.
    First,
    /// The offset after the last record, those of open transactions included: the high watermark.
    High,
    /// The offset up to which every transaction has ended: the last stable offset.
    Stable,
}

impl Admin {
    /// Where partitions begin or end, in the order asked for. Consumers here read committed records and
    /// would be told the last stable offset instead of the high watermark.
    ///
    /// # Errors
    /// When a leader is away, or a partition unknown or forbidden: the first of them.
    pub fn edges(&self, partitions: &[TopicPartition], edge: Edge) -> Result<Vec<Offset>, KafkaError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let spec = Offset(match edge {
            Edge::First => OffsetSpec::RD_KAFKA_OFFSET_SPEC_EARLIEST as i64,
            Edge::High | Edge::Stable => OffsetSpec::RD_KAFKA_OFFSET_SPEC_LATEST as i64,
        });
        let isolation = match edge {
            Edge::First | Edge::High => IsolationLevel::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
            Edge::Stable => IsolationLevel::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
        };
        let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let list = PartitionList::of_positions(&asked);
        // SAFETY: the list lives until after the call that copies it; the options are live during the
        // request; the infos belong to the answer, which is read before it is freed.
        let found = unsafe {
            let answer = self.ask(AdminOp::RD_KAFKA_ADMIN_OP_LISTOFFSETS, |rk, options, queue| {
                let error = sys::rd_kafka_AdminOptions_set_isolation_level(options, isolation);
                if let Err(error) = KafkaError::take(error) {
                    tracing::error!(%error, "the ends of partitions cannot be asked for");
                }
                sys::rd_kafka_ListOffsets(rk, list.as_ptr(), options, queue);
            });
            let answer = answer.map_err(|error| match error.code {
                ErrorCode::NO_ENTRY => self.why_no_leader(partitions, error),
                _ => error,
            })?;
            let result = sys::rd_kafka_event_ListOffsets_result(answer.0);
            let mut count = 0;
            let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            (0..count)
                .map(|index| entry_of(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index))))
                .collect::<Vec<_>>()
        };
        partitions
            .iter()
            .map(|partition| {
                let entry = found.iter().find(|entry| entry.topic_partition == *partition);
                let Some(entry) = entry else {
                    return Err(KafkaError::new(ErrorCode::UNKNOWN_PARTITION, partition.to_string()));
                };
                if entry.code == ErrorCode::NONE && entry.offset >= 0 {
                    return Ok(Offset(entry.offset));
                }
                let message = format!("{partition}: {}", entry.code.description());
                Err(KafkaError::new(entry.code, message))
            })
            .collect()
    }

    /// What the client calls "no entry": none of the partitions has a leader now, perhaps because none
    /// of the topics is there.
    fn why_no_leader(&self, partitions: &[TopicPartition], error: KafkaError) -> KafkaError {
        for partition in partitions {
            match self.partition_count(&partition.topic) {
                Err(error) => return error.about(&partition.topic),
                Ok(count) if u32::try_from(partition.partition.0).is_ok_and(|index| index >= count) => {
                    return KafkaError::of(ErrorCode::UNKNOWN_PARTITION).about(&partition.topic);
                }
                Ok(_) => {}
            }
        }
        KafkaError::new(ErrorCode::LEADER_NOT_AVAILABLE, error.message)
    }
}
