//! A transactional producer, whose type says whether a transaction is open.
//!
//! ```text
//! Starting --init--> Ready --begin--> Open --commit--> Ready
//!                                      |----abort----> Ready
//! ```
//! Whatever cannot go on drops the producer: its successor's `init` settles what is left.

use std::time::Duration;
use std::time::Instant;

use crate::kafka::error::KafkaError;
use crate::kafka::group::GroupMembership;
use crate::kafka::producer::NotSentError;
use crate::kafka::producer::Producer;
use crate::model::fail_point::FailPoint;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::pipeline::ports::CommitFailure;
use crate::sink::suspects::Suspects;
use crate::sink::trouble::failure_of;

/// Wait of one step of a call that is repeated until it is decided.
const STEP: Duration = Duration::from_millis(500);
/// Wait for deliveries between two looks at those that failed.
const SETTLE_STEP: Duration = Duration::from_millis(50);
/// Wait for room in a full queue.
const ROOM_STEP: Duration = Duration::from_millis(5);

/// Not yet known to the transaction coordinator.
#[derive(Debug)]
pub(in crate::sink) struct Starting(Producer);

/// No transaction is open.
#[derive(Debug)]
pub(in crate::sink) struct Ready(Producer);

/// A transaction is open.
#[derive(Debug)]
pub(in crate::sink) struct Open(Producer);

/// How a step went wrong.
#[derive(Debug)]
pub(in crate::sink) struct Unready<T> {
    pub(in crate::sink) error: KafkaError,
    /// The producer, if the step may be tried again with it.
    pub(in crate::sink) again: Option<T>,
}

impl Starting {
    pub(in crate::sink) fn new(producer: Producer) -> Self {
        Self(producer)
    }

    /// Fences predecessors of the same id and settles their transaction.
    pub(in crate::sink) fn init(mut self, wait: Duration) -> Result<Ready, Box<Unready<Self>>> {
        match self.0.init_transactions(wait) {
            Ok(()) => Ok(Ready(self.0)),
            Err(error) => {
                let again = (error.retriable || error.code.is_outage()) && !error.fatal;
                Err(Box::new(Unready { error, again: again.then_some(self) }))
            }
        }
    }
}

impl Ready {
    pub(in crate::sink) fn producer(&mut self) -> &mut Producer {
        &mut self.0
    }

    pub(in crate::sink) fn begin(mut self) -> Result<Open, KafkaError> {
        self.0.begin_transaction()?;
        FailPoint::TransactionBegun.reach();
        Ok(Open(self.0))
    }
}

impl Open {
    pub(in crate::sink) fn producer(&mut self) -> &mut Producer {
        &mut self.0
    }

    /// Writes what is gathered, adds the offsets, commits. Returns only when the outcome is known:
    /// a commit that a broker's outage leaves open is asked for again until it is decided.
    pub(in crate::sink) fn commit(
        mut self,
        positions: &[(TopicPartition, Offset)],
        group: &GroupMembership,
        suspects: &mut Suspects,
    ) -> Result<Ready, Box<(Self, CommitFailure)>> {
        if let Err(failure) = self.prepare(positions, group, suspects) {
            return Err(Box::new((self, failure)));
        }
        loop {
            let Err(error) = self.0.commit_transaction(None) else {
                return Ok(Ready(self.0));
            };
            self.0.serve(Duration::ZERO);
            if error.retriable && !error.requires_abort && !error.fatal {
                tracing::warn!(%error, "the outcome of a commit is open; asking again");
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            // The cause of an abort stands in the failed deliveries, if there are any.
            let failure = why(&mut self.0, Some(&error), suspects);
            return Err(Box::new((self, failure)));
        }
    }

    fn prepare(
        &mut self,
        positions: &[(TopicPartition, Offset)],
        group: &GroupMembership,
        suspects: &mut Suspects,
    ) -> Result<(), CommitFailure> {
        hand_over_all(&mut self.0, suspects)?;
        FailPoint::RecordsHandedOver.reach();
        // The offsets go while the broker writes the records.
        if !positions.is_empty() {
            self.send_offsets(positions, group, suspects)?;
        }
        FailPoint::OffsetsSent.reach();
        settle_all(&mut self.0, suspects)?;
        FailPoint::RecordsWritten.reach();
        Ok(())
    }

    fn send_offsets(
        &mut self,
        positions: &[(TopicPartition, Offset)],
        group: &GroupMembership,
        suspects: &mut Suspects,
    ) -> Result<(), CommitFailure> {
        loop {
            let Err(error) = self.0.send_offsets(positions, group, STEP * 10) else {
                return Ok(());
            };
            self.0.serve(Duration::ZERO);
            if error.retriable && !error.requires_abort && !error.fatal {
                // The transaction's own timeout ends this: then an abort is required.
                tracing::debug!(%error, "sending offsets again");
                continue;
            }
            return Err(why(&mut self.0, Some(&error), suspects));
        }
    }

    /// Drops the transaction and what is queued.
    pub(in crate::sink) fn abort(mut self, wait: Duration) -> Result<Ready, KafkaError> {
        let deadline = Instant::now() + wait;
        self.0.clear();
        loop {
            match self.0.abort_transaction(STEP) {
                Ok(()) => {
                    self.0.serve(Duration::ZERO);
                    self.0.clear();
                    return Ok(Ready(self.0));
                }
                // Purged records count as outstanding until their reports are served.
                Err(error) if error.retriable && Instant::now() < deadline => self.0.serve(Duration::ZERO),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Why the open transaction takes no more records: an earlier one failed, whose report may still be
/// on its way when the client says so.
pub(in crate::sink) fn why_not_taken(
    producer: &mut Producer,
    error: &KafkaError,
    suspects: &mut Suspects,
) -> CommitFailure {
    producer.serve(Duration::ZERO);
    let deadline = Instant::now() + STEP;
    while !producer.has_undelivered() && producer.fatal_error().is_none() && Instant::now() < deadline {
        producer.serve(SETTLE_STEP);
    }
    why(producer, Some(error), suspects)
}

/// Hands over what is gathered, and waits for room where the queue is full.
pub(in crate::sink) fn hand_over_all(
    producer: &mut Producer,
    suspects: &mut Suspects,
) -> Result<(), CommitFailure> {
    loop {
        match producer.hand_over() {
            Ok(()) => return Ok(()),
            Err(NotSentError::Full) => producer.serve(ROOM_STEP),
            Err(NotSentError::Client(error)) => return Err(why_not_taken(producer, &error, suspects)),
            // Sizes are checked when a record is taken.
            Err(error @ NotSentError::TooLarge { .. }) => {
                return Err(CommitFailure::Abort(error.to_string()));
            }
        }
    }
}

/// Waits until every record is written.
pub(in crate::sink) fn settle_all(
    producer: &mut Producer,
    suspects: &mut Suspects,
) -> Result<(), CommitFailure> {
    loop {
        let settled = producer.settle(SETTLE_STEP);
        if producer.has_undelivered() {
            return Err(why(producer, None, suspects));
        }
        if settled {
            return Ok(());
        }
        if producer.fatal_error().is_some() {
            return Err(why(producer, None, suspects));
        }
    }
}

fn why(producer: &mut Producer, error: Option<&KafkaError>, suspects: &mut Suspects) -> CommitFailure {
    let fatal = producer.fatal_error();
    failure_of(&producer.take_undelivered(), fatal, error, suspects)
}
