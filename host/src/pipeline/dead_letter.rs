//! What becomes of bad records.

use crate::model::failure::BadRecord;
use crate::model::failure::Stop;
use crate::model::position::Partition;
use crate::model::record_batch::RawRecords;
use crate::model::state::FiredTimers;
use crate::pipeline::observer::Fate;
use crate::pipeline::observer::Observer;
use crate::pipeline::ports::Letter;
use crate::pipeline::ports::LetterFormat;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::TopicIndex;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::send;
use crate::pipeline::token::Origin;
use crate::pipeline::token::TimerPlace;
use crate::pipeline::token::Token;

/// The pipeline's `on_bad_record`, ready to act.
pub enum BadRecordPolicy {
    DeadLetter { topic: TopicIndex, format: Box<dyn LetterFormat> },
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
#[derive(Debug, Clone)]
pub struct SetAside {
    /// Index in the raw records.
    pub index: u32,
    pub cause: BadRecord,
    /// Leave the value out of the letter: the broker refused it before.
    pub omit_value: bool,
}

/// A timer that is to be set aside.
#[derive(Debug, Clone)]
pub struct TimerAside {
    /// Index in its call.
    pub index: usize,
    pub cause: BadRecord,
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
                Self::DeadLetter { topic, format } => {
                    let token = Token::new(slot, Origin::Letter(offset));
                    let letter = Addressed { topic: *topic, records, at, cause, token };
                    let known_max = sink.record_bytes_max(*topic);
                    let bytes_max = if *omit_value { letter.without_value() } else { known_max };
                    match letter.send(sink, format.as_ref(), bytes_max) {
                        Err(RunFailure::Send(SendFailure::Refused(..))) if !*omit_value => {
                            letter.send(sink, format.as_ref(), letter.without_value())?;
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

    /// As [`Self::check`], of timers. A key may be a secret, so it is not named.
    ///
    /// # Errors
    /// The stop.
    pub fn check_timers(&self, fired: &FiredTimers, aside: &[TimerAside]) -> Result<(), Stop> {
        let (Self::Stop, Some(first)) = (self, aside.first()) else {
            return Ok(());
        };
        let time = fired.times.get(first.index).copied().unwrap_or_default();
        Err(Stop::new(
            "bad-timer",
            format!(
                "a timer of partition {} that was due at {time} ms is bad ({}) and on_bad_record is `stop`",
                fired.partition, first.cause
            ),
            "Mend the transform, or set on_bad_record to `dead-letter`, then resume",
        ))
    }

    /// As [`Self::apply`], of timers. `call` is their number in the cycle.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn apply_to_timers<K: Sink>(
        &self,
        sink: &mut K,
        (call, fired): (u64, &FiredTimers),
        aside: &[TimerAside],
        slot: u16,
        observer: &dyn Observer,
    ) -> Result<(), RunFailure> {
        for TimerAside { index, cause } in aside {
            let Some(timer) = fired.get(*index) else { continue };
            let fate = match self {
                Self::DeadLetter { topic, format } => {
                    let letter = format.timer_letter(&timer, cause);
                    let to =
                        sink.route(*topic, Some(timer.key), fired.partition).map_err(SendFailure::Sink)?;
                    let token = Token::new(slot, Origin::TimerLetter(TimerPlace { call, index: *index }));
                    send_letter(sink, &letter, *topic, to, token)?;
                    Fate::DeadLetter
                }
                Self::Stop | Self::Drop => Fate::Dropped,
            };
            observer.bad_record(cause.code, fate);
            tracing::debug!(partition = %fired.partition, time = timer.time, code = %cause.code, ?fate, "timer set aside");
        }
        Ok(())
    }
}

struct Addressed<'a> {
    topic: TopicIndex,
    records: &'a dyn RawRecords,
    at: usize,
    cause: &'a BadRecord,
    token: Token,
}

impl Addressed<'_> {
    fn send<K: Sink>(
        &self,
        sink: &mut K,
        format: &dyn LetterFormat,
        bytes_max: usize,
    ) -> Result<(), RunFailure> {
        let letter = format.letter(self.records, self.at, self.cause, bytes_max);
        // By the original key, even where the letter had to leave it out.
        let source = self.records.topic_partition().partition;
        let partition =
            sink.route(self.topic, self.records.key(self.at), source).map_err(SendFailure::Sink)?;
        send_letter(sink, &letter, self.topic, partition, self.token)
    }

    /// A bound under which the letter must leave out the value: the broker refused it with it.
    fn without_value(&self) -> usize {
        self.records.value(self.at).map_or(0, <[u8]>::len)
    }
}

fn send_letter<K: Sink>(
    sink: &mut K,
    letter: &Letter,
    topic: TopicIndex,
    partition: Partition,
    token: Token,
) -> Result<(), RunFailure> {
    let headers: Vec<(&str, Option<&[u8]>)> =
        letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    let record = OutputRecord {
        topic,
        partition,
        key: letter.key.as_deref(),
        value: letter.value.as_deref(),
        timestamp: letter.timestamp,
        headers: &headers,
        token: token.0,
    };
    send(sink, &record)
}
