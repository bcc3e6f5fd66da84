//! Records whose event time is behind the watermark.

use crate::model::failure::Stop;
use crate::model::record_batch::RawRecords;
use crate::pipeline::event_time::TimedPart;
use crate::pipeline::header_copy::HeaderCopy;
use crate::pipeline::observer::LateFate;
use crate::pipeline::observer::Observer;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::send;
use crate::pipeline::settings::LatePolicy;
use crate::pipeline::token::Origin;
use crate::pipeline::token::Token;

/// Late records that the guest is not given.
#[derive(Debug, Default)]
pub(crate) struct Late {
    policy: LatePolicy,
    /// Raw indexes.
    records: Vec<u32>,
}

impl Late {
    /// Takes the late rows of a batch out of it, unless they are processed like others.
    ///
    /// # Errors
    /// See [`TimedPart::take_out`].
    pub(crate) fn take_out(
        policy: LatePolicy,
        event_watermark: Option<i64>,
        batch: &mut TimedPart,
    ) -> Result<Self, Stop> {
        let (LatePolicy::Drop | LatePolicy::Copy(_), Some(watermark)) = (policy, event_watermark) else {
            return Ok(Self::default());
        };
        let rows = batch.times.before(watermark);
        if rows.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { policy, records: batch.take_out(&rows)? })
    }

    /// Copies each to the topic for late records, if there is one, and tells the observer.
    ///
    /// # Errors
    /// When the sink fails. A copy that is refused is a refused output of its record.
    pub(crate) fn send<K: Sink, R: RawRecords>(
        &self,
        sink: &mut K,
        records: &R,
        slot: u16,
        observer: &dyn Observer,
    ) -> Result<(), RunFailure> {
        if self.records.is_empty() {
            return Ok(());
        }
        let LatePolicy::Copy(topic) = self.policy else {
            observer.late(self.records.len() as u64, LateFate::Dropped);
            return Ok(());
        };
        let source = records.topic_partition().partition;
        let mut copy = HeaderCopy::default();
        for index in self.records.iter().map(|index| *index as usize) {
            let key = records.key(index);
            copy.copy(records, index);
            let headers = copy.list();
            let record = OutputRecord {
                topic,
                partition: sink.route(topic, key, source).map_err(SendFailure::Sink)?,
                key,
                value: records.value(index),
                timestamp: records.timestamp(index),
                headers: &headers,
                token: Token::new(slot, Origin::Record(records.offset(index))).0,
            };
            send(sink, &record)?;
        }
        observer.late(self.records.len() as u64, LateFate::Copied);
        Ok(())
    }
}
