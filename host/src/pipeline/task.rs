//! One pipeline on one input partition.

use std::collections::VecDeque;
use std::time::Instant;
use std::time::SystemTime;

use crate::model::failure::BadRecord;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::position::Offset;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::model::status::Waiting;
use crate::model::task_phase::TaskEvent;
use crate::model::task_phase::TaskPhase;
use crate::pipeline::held_run::HeldRun;
use crate::pipeline::poison::PoisonList;
use crate::pipeline::run::Wait;
use crate::pipeline::token::Origin;

/// What a worker knows of a partition it owns.
#[derive(Debug)]
pub struct Task<R> {
    pub partition: TopicPartition,
    pub port: PortIndex,
    /// Names the task in [`Token`]s.
    pub slot: u16,
    pub phase: TaskPhase,
    /// Where the last commit left it.
    pub committed: Offset,
    /// After the last record dealt with; what the next commit writes.
    pub position: Offset,
    /// Timestamp of the last record dealt with, milliseconds.
    pub last_timestamp: Option<i64>,
    pub poison: PoisonList,
    /// Runs that wait for a schema, a registry or a retry, in order.
    pub held: VecDeque<HeldRun<R>>,
    /// When to try the first held run again, and why it waits.
    pub waiting: Option<(Instant, Waiting)>,
    /// Whether the source is told to fetch nothing of it.
    pub paused: bool,
    /// Whether it is kept from being read, until its cohort is ready for it.
    pub gated: bool,
}

impl<R: RawRecords> Task<R> {
    #[must_use]
    pub fn new(partition: TopicPartition, port: PortIndex, slot: u16, start: Offset) -> Self {
        Self {
            partition,
            port,
            slot,
            phase: TaskPhase::Created,
            committed: start,
            position: start,
            last_timestamp: None,
            poison: PoisonList::default(),
            held: VecDeque::new(),
            waiting: None,
            paused: false,
            gated: false,
        }
    }

    /// Something happens to the task.
    pub fn advance(&mut self, event: TaskEvent) {
        match self.phase.advance(event) {
            Ok(phase) => self.phase = phase,
            Err(error) => tracing::error!(partition = %self.partition, %error, "task phase"),
        }
    }

    /// Its first run waits.
    pub fn wait(&mut self, now: Instant, wait: Wait) {
        let since = self.waiting.take().map_or_else(SystemTime::now, |(_, waiting)| waiting.since);
        self.waiting = Some((now + wait.wait, Waiting { since, code: wait.code, reason: wait.reason }));
        if self.phase != TaskPhase::Waiting {
            self.advance(TaskEvent::Waits);
        }
    }

    /// Whether it has runs that can be tried now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        !self.held.is_empty() && self.waiting.as_ref().is_none_or(|(at, _)| *at <= now)
    }

    /// Whether there is progress that no commit has written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.position != self.committed
    }

    /// The open cycle was committed.
    pub fn commit(&mut self) {
        self.committed = self.position;
        self.poison.committed(self.committed);
    }

    /// The broker refused a record of this task: the next pass sets its source aside.
    ///
    /// # Errors
    /// It was a dead letter, which was refused before: what is left of it would be refused for ever.
    pub fn refused(&mut self, origin: Origin, cause: &BadRecord) -> Result<(), Stop> {
        match origin {
            Origin::Record(offset) => self.poison.add(offset, cause.clone()),
            Origin::Batch(last) => self.poison.isolate_until(last.next()),
            Origin::Letter(offset) => {
                if !self.poison.omit_value(offset) {
                    return Err(Stop::new(
                        "dead-letter-refused",
                        format!(
                            "the broker refuses the dead letter of the record at offset {offset} of {}, without its value too: {cause}",
                            self.partition
                        ),
                        "Let the dead-letter topic take it (`max.message.bytes`, `message.timestamp.after.max.ms`) or name another topic, then resume",
                    ));
                }
            }
            // Of the whole cohort.
            Origin::Timer(_) | Origin::Timers(_) | Origin::TimerLetter(_) | Origin::Changelog(_) => {}
        }
        Ok(())
    }

    /// The open cycle was aborted: back to the last commit.
    pub fn rewind(&mut self) {
        self.position = self.committed;
        self.held.clear();
        self.waiting = None;
    }
}
