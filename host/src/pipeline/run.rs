//! One run of raw records through decode, invoke, encode and send.

use std::time::Duration;
use std::time::Instant;

use crate::model::fail_point::FailPoint;
use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::pipeline_spec::RetryPolicy;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RawRecords;
use crate::model::record_batch::RecordBatch;
use crate::model::state::TimeDomain;
use crate::pipeline::attempts::Verdict;
use crate::pipeline::attempts::failure_code;
use crate::pipeline::batch::Batch;
use crate::pipeline::clock::Clock;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::dead_letter::SetAside;
use crate::pipeline::emit_order::EmittedRow;
use crate::pipeline::emit_order::emit_order;
use crate::pipeline::held_run::HeldRun;
use crate::pipeline::observer::BatchFigures;
use crate::pipeline::observer::Observer;
use crate::pipeline::outputs::BadEmittedRow;
use crate::pipeline::outputs::Outputs;
use crate::pipeline::poison::PoisonList;
use crate::pipeline::ports::Decoder;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::SinkFailure;
use crate::pipeline::sending::RecordSources;
use crate::pipeline::sending::Sending;
use crate::pipeline::sending::SourceRows;
use crate::pipeline::settings::StateParts;
use crate::pipeline::state_ports::StateFailure;

/// How long a full producer queue is waited for before the cycle is given up.
const QUEUE_FULL_MAX: Duration = Duration::from_secs(30);

/// How [`Lane::advance`] and [`Lane::fire`] ended.
#[derive(Debug)]
pub enum RunOutcome {
    /// Everything is dealt with.
    Done,
    /// Enough for one turn: the overlay is full, or time is up.
    Yield,
    /// Try again after the wait; what came before [`HeldRun::at`] is dealt with.
    Wait(Wait),
}

/// How long to wait before another attempt, and why.
#[derive(Debug, Clone)]
pub struct Wait {
    pub wait: Duration,
    pub code: Code,
    pub reason: String,
}

/// Nothing of the window at hand is committed: what it wrote into the state is undone.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// Nothing of the current window was sent.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// Something of the current window may have been sent: the cycle must be aborted.
    #[error(transparent)]
    Send(#[from] SendFailure),
    /// The state of the task failed: the cycle must be aborted, and the state restored.
    #[error(transparent)]
    State(#[from] StateFailure),
}

/// Everything that a worker's runs pass through.
pub struct Lane<K> {
    pub inputs: Vec<Box<dyn Decoder>>,
    pub guest: Box<dyn Guest>,
    pub outputs: Outputs,
    pub sink: K,
    pub policy: BadRecordPolicy,
    pub retry: RetryPolicy,
    pub observer: Box<dyn Observer>,
    pub clock: Box<dyn Clock>,
    /// None for a pipeline that keeps nothing.
    pub state: Option<StateParts>,
    /// Used again batch after batch.
    pub order: Vec<EmittedRow>,
}

/// The task a run belongs to.
#[derive(Debug, Clone, Copy)]
pub struct RunOf<'a> {
    pub port: PortIndex,
    pub slot: u16,
    pub poison: &'a PoisonList,
}

/// How much one turn may do before the source and the commit have their turn.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub until: Instant,
    /// Bytes that the task's overlay may reach.
    pub overlay_max: u64,
}

impl Turn {
    #[must_use]
    pub fn is_over(&self, now: Instant, overlay_bytes: u64) -> bool {
        now >= self.until || (overlay_bytes > 0 && overlay_bytes >= self.overlay_max)
    }
}

/// How an attempt on a window ended.
pub(crate) enum Attempt {
    /// Everything of it was sent; records up to this index, so many bytes, are dealt with.
    Passed {
        end: usize,
        bytes: u64,
    },
    /// Nothing was sent: a smaller window, or one without some of its records, is next.
    Again,
    Wait(Wait),
}

impl<K: Sink> Lane<K> {
    /// Takes a run as far as it goes now. Event timers that are due fire before the next record.
    ///
    /// # Errors
    /// See [`RunFailure`].
    pub fn advance<R: RawRecords>(
        &mut self,
        of: RunOf<'_>,
        run: &mut HeldRun<R>,
        mut cohort: Option<&mut Cohort>,
        turn: Turn,
    ) -> Result<RunOutcome, RunFailure> {
        let mut is_first = true;
        loop {
            if let Some(cohort) = cohort.as_deref_mut() {
                match self.fire(cohort, TimeDomain::Event, turn)? {
                    RunOutcome::Done => {}
                    outcome => return Ok(outcome),
                }
            }
            let Some(window) = run.attempts.window() else {
                return Ok(RunOutcome::Done);
            };
            let overlay_bytes = cohort.as_deref().map_or(0, Cohort::overlay_bytes);
            if !std::mem::take(&mut is_first) && turn.is_over(self.clock.now(), overlay_bytes) {
                return Ok(RunOutcome::Yield);
            }
            self.begin(cohort.as_deref_mut());
            let attempt = self.attempt(of, run, window, cohort.as_deref_mut());
            if let Some(cohort) = cohort.as_deref_mut() {
                if matches!(attempt, Ok(Attempt::Passed { .. })) { cohort.keep() } else { cohort.undo() }
            }
            FailPoint::WindowSent.reach();
            match attempt? {
                Attempt::Passed { end, bytes } => run.advance(end, bytes),
                Attempt::Again => {}
                Attempt::Wait(wait) => return Ok(RunOutcome::Wait(wait)),
            }
        }
    }

    /// One attempt on a window, or on the part of it up to where the watermark advances.
    fn attempt<R: RawRecords>(
        &mut self,
        of: RunOf<'_>,
        run: &mut HeldRun<R>,
        window: std::ops::Range<usize>,
        mut cohort: Option<&mut Cohort>,
    ) -> Result<Attempt, RunFailure> {
        let began = self.clock.now();
        let start = window.start;
        let mut batch = match self.next_batch(of, run, window, cohort.as_deref_mut())? {
            Ok(batch) => batch,
            Err(wait) => return Ok(Attempt::Wait(wait)),
        };
        let decoded_at = self.clock.now();
        let mut is_called = batch.decoded.rows.count > 0;
        let mut rows = SourceRows::new(batch.decoded.rows.count);
        let invoked = match self.invoke(of, run, &batch, cohort.as_deref_mut()) {
            Ok(invoked) => invoked,
            Err(failure) => {
                is_called = false;
                let took = self.clock.now().saturating_duration_since(decoded_at);
                self.observer.invocation_failed(failure_code(&failure), took);
                let (records, at) = (&run.records, run.at());
                let place = || format!("offset {} of {}", records.offset(at), records.topic_partition());
                let count = batch.decoded.rows.count;
                match run.attempts.judge(&failure, count, Stage::Transform, place)? {
                    Verdict::Wait(wait) => return Ok(Attempt::Wait(wait)),
                    Verdict::Split => {
                        run.attempts.split(batch.middle());
                        return Ok(Attempt::Again);
                    }
                    Verdict::SetAside(cause) => {
                        // Nothing that the failed call wrote may stay.
                        if let Some(cohort) = cohort.as_deref_mut() {
                            cohort.undo();
                        }
                        self.begin(cohort.as_deref_mut());
                        batch.aside.extend(batch.row_aside(0, cause));
                        rows.drop_row(0);
                        Invoked::default()
                    }
                }
            }
        };
        FailPoint::Invoked.reach();
        if cohort.as_deref().is_some_and(|cohort| Self::has_registered_due(cohort))
            && let Some(end) = batch.end_of_part()
        {
            // A timer for a time that has passed fires before the record that follows the one that
            // registered it, which therefore has to be the last of its batch.
            self.take_back();
            run.attempts.split(end);
            return Ok(Attempt::Again);
        }
        let invoked_at = self.clock.now();
        let sources = RecordSources { records: &run.records, decoded: &batch.decoded };
        let bad_rows = match self.outputs.encode(&invoked.emissions, &sources) {
            Ok(bad_rows) => bad_rows,
            Err(EncodeFailure::Stop(stop)) => return Err(stop.into()),
            Err(EncodeFailure::Outage(outage)) => {
                self.take_back();
                return Ok(Attempt::Wait(run.attempts.wait_for(&outage)));
            }
            Err(EncodeFailure::TooLarge(_)) if batch.decoded.rows.count > 1 => {
                self.take_back();
                run.attempts.split(batch.middle());
                return Ok(Attempt::Again);
            }
            Err(EncodeFailure::TooLarge(cause)) => vec![BadEmittedRow::of_lone_source(cause)],
        };
        let encoded_at = self.clock.now();

        batch.set_aside_rejected(&invoked, &mut rows);
        let Some(unencodable) = unencodable(&batch, &invoked, bad_rows, &mut rows) else {
            tracing::debug!("an output of unknown source cannot be encoded; isolating its source");
            self.take_back();
            run.attempts.split(batch.middle());
            return Ok(Attempt::Again);
        };
        let has_state = cohort.as_deref().is_some_and(|cohort| cohort.state.is_some());
        if has_state && !unencodable.is_empty() {
            self.take_back();
            run.leave_out(unencodable);
            return Ok(Attempt::Again);
        }
        batch.aside.extend(unencodable);
        let mut undecodable = batch.take_bad();
        batch.aside.append(&mut undecodable);
        batch.aside.sort_by_key(|aside| aside.index);
        for aside in &mut batch.aside {
            aside.omit_value = of.poison.omits_value(run.records.offset(aside.index as usize));
        }

        self.policy.check(&run.records, &batch.aside)?;
        let end = batch.decoded.end;
        let mut figures = BatchFigures {
            decode: decoded_at.saturating_duration_since(began),
            invoke: is_called.then(|| invoked_at.saturating_duration_since(decoded_at)),
            encode: encoded_at.saturating_duration_since(invoked_at),
            records_in: (end - start) as u64,
            bytes_in: bytes_of(&run.records, start..end),
            ..BatchFigures::default()
        };
        self.sink.begin().map_err(SendFailure::Sink)?;
        emit_order(&invoked.emissions, &mut self.order);
        let sending = Sending {
            sources: &RecordSources { records: &run.records, decoded: &batch.decoded },
            emissions: &invoked.emissions,
            outputs: &self.outputs,
            rows: &rows,
            partition: run.records.topic_partition().partition,
            slot: of.slot,
            event_watermark: batch.event_watermark,
        };
        sending.send_all(&mut self.sink, &self.order, &mut figures)?;
        batch.late.send(&mut self.sink, &run.records, of.slot, self.observer.as_ref())?;
        self.policy.apply(&mut self.sink, &run.records, &batch.aside, of.slot, self.observer.as_ref())?;
        end_batch(&mut self.sink)?;
        self.observer.batch(&figures);
        if let Some(cohort) = cohort {
            // A record that is set aside moves no watermark, whichever attempt found it out.
            cohort.time.advance(of.port, batch.times.max_of(&rows), encoded_at);
        }
        Ok(Attempt::Passed { end, bytes: figures.bytes_in })
    }

    /// Begins an invocation on the state of a task that has one.
    pub(crate) fn begin(&self, cohort: Option<&mut Cohort>) {
        if let (Some(cohort), Some(state)) = (cohort, &self.state) {
            cohort.begin(self.clock.unix_ms(), state.bytes_per_batch_max);
        }
    }

    /// A call that the guest believes to have passed is undone: its memory may hold what it wrote.
    pub(crate) fn take_back(&mut self) {
        if self.state.is_some() {
            self.guest.release();
        }
    }

    fn invoke<R: RawRecords>(
        &mut self,
        of: RunOf<'_>,
        run: &HeldRun<R>,
        batch: &Batch,
        cohort: Option<&mut Cohort>,
    ) -> Result<Invoked, InvokeFailure> {
        if batch.decoded.rows.count == 0 {
            return Ok(Invoked::default());
        }
        let records = RecordBatch {
            port: of.port,
            partition: run.records.topic_partition().partition,
            event_watermark: batch.event_watermark,
            schema: batch.decoded.schema,
            rows: batch.decoded.rows.clone(),
        };
        match cohort {
            Some(cohort) => self.guest.invoke(&records, &mut cohort.state),
            None => self.guest.invoke(&records, &mut None),
        }
    }
}

/// The records behind emitted rows that cannot be encoded, each once; their outputs are dropped.
/// None when a source is unknown, so that the batch must be made smaller.
fn unencodable(
    batch: &Batch,
    invoked: &Invoked,
    bad_rows: Vec<BadEmittedRow>,
    rows: &mut SourceRows,
) -> Option<Vec<SetAside>> {
    let mut found = Vec::new();
    for bad in bad_rows {
        let sources = invoked.emissions.get(bad.emission).map_or(&[][..], |emission| &emission.sources);
        // A batch of one row leaves no doubt about the source.
        let only = (batch.decoded.rows.count == 1).then_some(0);
        let row = sources.get(bad.row as usize).copied().or(only)?;
        if rows.drop_row(row) {
            found.extend(batch.row_aside(row, bad.cause));
        }
    }
    Some(found)
}

/// Sends one record, waiting while the producer's queue is full.
///
/// # Errors
/// Everything but [`SendFailure::Full`], which becomes an outage after a while.
pub fn send<K: Sink>(sink: &mut K, record: &OutputRecord<'_>) -> Result<(), RunFailure> {
    match sink.send(record) {
        Ok(()) => Ok(()),
        Err(SendFailure::Full) => until_not_full(|| sink.send(record)),
        Err(failure) => Err(failure.into()),
    }
}

pub(crate) fn end_batch<K: Sink>(sink: &mut K) -> Result<(), RunFailure> {
    until_not_full(|| sink.end_batch())
}

fn until_not_full(mut attempt: impl FnMut() -> Result<(), SendFailure>) -> Result<(), RunFailure> {
    let since = Instant::now();
    loop {
        match attempt() {
            Err(SendFailure::Full) if since.elapsed() >= QUEUE_FULL_MAX => {
                let message = format!("the producer's queue stayed full for {} s", QUEUE_FULL_MAX.as_secs());
                return Err(SendFailure::Sink(SinkFailure::Outage(Outage::new("queue-full", message))).into());
            }
            Err(SendFailure::Full) => std::thread::sleep(Duration::from_millis(1)),
            outcome => return Ok(outcome?),
        }
    }
}

fn bytes_of<R: RawRecords>(records: &R, range: std::ops::Range<usize>) -> u64 {
    let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len) as u64;
    range.map(|index| len(records.key(index)) + len(records.value(index))).sum()
}

pub(crate) fn rejected(reason: &str, stage: Stage) -> BadRecord {
    BadRecord { code: Code("guest-rejected"), stage, message: reason.to_owned(), trace: String::new() }
}
