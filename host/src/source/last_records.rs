//! Whether a part of a partition holds any record.
//!
//! A client's position stands behind the last record that it was given. What follows may be no record
//! at all: compaction leaves empty batches, which a consumer of a group passes over in silence.

use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use crate::kafka::error::ErrorCode;
use crate::kafka::error::KafkaError;
use crate::kafka::partition_reader::PartitionReader;
use crate::kafka::partition_reader::Read;
use crate::kafka::settings::ClientSettings;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;

/// How long the brokers may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Reads from the beginning of a range to its first record or the end of the partition, with a client
/// of its own. `name` stands in logs.
///
/// # Errors
/// When the brokers do not answer in time or refuse.
pub(in crate::source) fn has_records(
    client: &ClientSettings,
    name: String,
    partition: &TopicPartition,
    range: &Range<Offset>,
) -> Result<bool, KafkaError> {
    let properties = [
        ("fetch.wait.max.ms", "20".to_owned()),
        // One record is enough.
        ("queued.max.messages.kbytes", "1024".to_owned()),
        ("max.partition.fetch.bytes", (1 << 20).to_string()),
        ("fetch.message.max.bytes", (1 << 20).to_string()),
    ];
    let mut reader = PartitionReader::start(client, name, &properties, &[(partition.clone(), range.start)])?;
    let since = Instant::now();
    let mut found = Vec::new();
    while since.elapsed() < ANSWER_MAX {
        reader.read(Duration::from_millis(100), &mut found);
        for read in found.drain(..) {
            match read {
                Read::Run { run, .. } if run.len() > 0 => return Ok(run.offset(0) < range.end),
                Read::Run { .. } => {}
                Read::End { .. } => return Ok(false),
                Read::Failed { error, .. } if error.code.is_outage() && !error.fatal => {}
                Read::Failed { error, .. } => return Err(error),
            }
        }
    }
    Err(KafkaError::of(ErrorCode::TIMED_OUT))
}
