//! What becomes of bad records.

use crate::model::failure::BadRecord;
use crate::model::failure::Stop;
use crate::model::record_batch::RawRecords;
use crate::pipeline::header_copy::HeaderCopy;
use crate::pipeline::observer::Fate;
use crate::pipeline::observer::Observer;
use crate::pipeline::ports::LetterHeaders;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::send;
use crate::pipeline::task::Token;

/// The pipeline's `on_bad_record`, ready to act.
pub enum BadRecordPolicy {
    DeadLetter { topic: TopicIndex, headers: Box<dyn LetterHeaders> },
    Stop,
    Drop,
}

impl std::fmt::Debug for BadRecordPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DeadLetter { .. } => "DeadLetter",
            Self::Stop => "Stop",
            Self::Drop => "Drop",
        })
    }
}

/// A record that is to be set aside.
#[derive(Debug)]
pub struct SetAside {
    /// Index in the raw records.
    pub index: u32,
    pub cause: BadRecord,
    /// Leave the value out of the letter: the broker refused it before.
    pub omit_value: bool,
}

impl BadRecordPolicy {
    /// Refuses to go on under the policy `stop`; to be asked before anything of a batch is sent.
    ///
    /// # Errors
    /// The stop, naming the record.
    pub fn check(&self, records: &dyn RawRecords, aside: &[SetAside]) -> Result<(), Stop> {
        let (Self::Stop, Some(first)) = (self, aside.first()) else {
            return Ok(());
        };
        Err(Stop::new(
            "bad-record",
            format!(
                "record at offset {} of {} is bad ({}) and on_bad_record is `stop`",
                records.offset(first.index as usize),
                records.topic_partition(),
                first.cause
            ),
            "Mend the record's producer or the transform, or set on_bad_record to `dead-letter`, then resume",
        ))
    }

    /// Sends each record's letter, or drops it, and tells the observer.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn apply<K: Sink>(
        &self,
        sink: &mut K,
        records: &dyn RawRecords,
        aside: &[SetAside],
        slot: u16,
        observer: &dyn Observer,
    ) -> Result<(), RunFailure> {
        for SetAside { index, cause, omit_value } in aside {
            let at = *index as usize;
            let offset = records.offset(at);
            let fate = match self {
                Self::DeadLetter { topic, headers } => {
                    let token = Token::letter(slot, offset);
                    let letter = Letter { topic: *topic, records, at, cause, token };
                    match letter.send(sink, headers.as_ref(), *omit_value) {
                        Err(RunFailure::Send(SendFailure::Refused(..))) if !*omit_value => {
                            letter.send(sink, headers.as_ref(), true)?;
                        }
                        outcome => outcome?,
                    }
                    Fate::DeadLetter
                }
                Self::Stop | Self::Drop => Fate::Dropped,
            };
            observer.bad_record(cause.code, fate);
            tracing::debug!(partition = %records.topic_partition(), %offset, code = %cause.code, ?fate, "record set aside");
        }
        Ok(())
    }
}

struct Letter<'a> {
    topic: TopicIndex,
    records: &'a dyn RawRecords,
    at: usize,
    cause: &'a BadRecord,
    token: Token,
}

impl Letter<'_> {
    fn send<K: Sink>(
        &self,
        sink: &mut K,
        headers: &dyn LetterHeaders,
        omit_value: bool,
    ) -> Result<(), RunFailure> {
        let added = headers.headers(self.records, self.at, self.cause, omit_value);
        let mut own = HeaderCopy::default();
        own.copy(self.records, self.at);
        let mut all = own.list();
        all.extend(added.iter().map(|(name, value)| (*name, Some(value.as_slice()))));
        let key = self.records.key(self.at);
        let source = self.records.topic_partition().partition;
        let partition = sink.route(self.topic, key, source).map_err(SendFailure::Sink)?;
        let record = OutputRecord {
            topic: self.topic,
            partition,
            key,
            value: if omit_value { None } else { self.records.value(self.at) },
            timestamp: self.records.timestamp(self.at),
            headers: &all,
            token: self.token.0,
        };
        send(sink, &record)
    }
}
