//! One run of raw records through decode, invoke, encode and send.

use std::time::Duration;
use std::time::Instant;

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
use crate::pipeline::backoff::Backoff;
use crate::pipeline::bisection::Bisection;
use crate::pipeline::dead_letter::BadRecordPolicy;
use crate::pipeline::dead_letter::SetAside;
use crate::pipeline::emit_order::EmittedRow;
use crate::pipeline::emit_order::emit_order;
use crate::pipeline::observer::BatchFigures;
use crate::pipeline::observer::Observer;
use crate::pipeline::outputs::Outputs;
use crate::pipeline::poison::PoisonList;
use crate::pipeline::ports::Clock;
use crate::pipeline::ports::DecodeFailure;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::Decoder;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::ports::OutputRecord;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::ports::SinkFailure;
use crate::pipeline::sending::Sending;
use crate::pipeline::sending::SourceRows;
use crate::pipeline::settings::StateParts;
use crate::pipeline::state_ports::StateFailure;

/// How often a single record must exceed the deadline, by its own CPU time and each time in a new
/// instance, before it is set aside.
const DEADLINE_ATTEMPTS_MAX: u32 = 3;
/// How soon a decoder is asked again for a schema that is being fetched.
const SCHEMA_PENDING_WAIT: Duration = Duration::from_millis(5);
/// How long a full producer queue is waited for before the cycle is given up.
const QUEUE_FULL_MAX: Duration = Duration::from_secs(30);

/// A run, and how far it has come.
#[derive(Debug)]
pub struct HeldRun<R> {
    pub records: R,
    bisection: Bisection,
    /// Waits of a guest that asks for a retry.
    retries: Backoff,
    /// Waits for a registry, or for a machine that is too busy.
    outage: Backoff,
    deadlines: u32,
    bytes_done: u64,
}

impl<R: RawRecords> HeldRun<R> {
    #[must_use]
    pub fn new(records: R, poison: &PoisonList, retry: &RetryPolicy) -> Self {
        let len = records.len();
        let isolate = len > 0 && poison.isolates(records.offset(0));
        Self {
            bisection: if isolate { Bisection::one_by_one(len) } else { Bisection::new(len) },
            records,
            retries: Backoff::new(retry.backoff_initial, retry.backoff_max),
            outage: Backoff::for_outage(),
            deadlines: 0,
            bytes_done: 0,
        }
    }

    /// Bytes of keys and values that were dealt with since the last call.
    pub fn take_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_done)
    }

    /// Index of the first record not yet dealt with.
    #[must_use]
    pub fn at(&self) -> usize {
        self.bisection.at()
    }
}

/// How [`Lane::advance`] ended.
#[derive(Debug)]
pub enum RunOutcome {
    /// Every record is dealt with.
    Done,
    /// Try again after the wait; what came before [`HeldRun::at`] is dealt with.
    Wait { wait: Duration, code: Code, reason: String },
}

#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// Nothing of the current window was sent.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// Something of the current window may have been sent: the cycle must be aborted.
    #[error(transparent)]
    Send(#[from] SendFailure),
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

/// What to do about a window that did not pass.
enum Next {
    Wait(RunOutcome),
    /// Try its first records up to this index.
    Split(usize),
    /// Its only row is bad.
    SetAside(BadRecord),
}

impl<K: Sink> Lane<K> {
    /// Takes a run as far as it goes now.
    ///
    /// # Errors
    /// See [`RunFailure`].
    pub fn advance<R: RawRecords>(
        &mut self,
        of: RunOf<'_>,
        run: &mut HeldRun<R>,
    ) -> Result<RunOutcome, RunFailure> {
        while let Some(window) = run.bisection.window() {
            let began = self.clock.now();
            let mut aside = poisoned(&run.records, window.clone(), of.poison);
            let skip: Vec<usize> = aside.iter().map(|a| a.index as usize).collect();
            let Some(decoder) = self.inputs.get_mut(of.port.as_usize()) else {
                return Err(unknown_port(of.port).into());
            };
            let mut decoded = match decoder.decode(&run.records, window.clone(), &skip) {
                Ok(decoded) => decoded,
                Err(failure) => return decode_failed(failure, &mut run.outage),
            };
            aside.retain(|a| (a.index as usize) < decoded.end);
            let decoded_at = self.clock.now();
            let invoked = match self.invoke(of, run, &decoded) {
                Ok(invoked) => invoked,
                Err(failure) => match self.failed(failure, run, &decoded)? {
                    Next::Wait(outcome) => return Ok(outcome),
                    Next::Split(middle) => {
                        run.bisection.split(middle);
                        continue;
                    }
                    Next::SetAside(cause) => {
                        aside.extend(row_aside(&decoded, 0, cause));
                        Invoked::default()
                    }
                },
            };
            let invoked_at = self.clock.now();
            let bad_rows = match self.outputs.encode(&invoked.emissions) {
                Ok(bad_rows) => bad_rows,
                Err(EncodeFailure::Stop(stop)) => return Err(stop.into()),
                Err(EncodeFailure::Outage(outage)) => return Ok(wait_for(&outage, &mut run.outage)),
            };
            let encoded_at = self.clock.now();

            let mut rows = SourceRows::new(decoded.rows.count);
            for rejection in &invoked.rejections {
                for row in &rejection.rows {
                    if rows.drop_row(*row) {
                        aside.extend(row_aside(&decoded, *row, rejected(&rejection.reason)));
                    }
                }
            }
            let mut unknown = None;
            for bad in bad_rows {
                let sources = invoked.emissions.get(bad.emission).map_or(&[][..], |e| &e.sources);
                // A batch of one row leaves no doubt about the source.
                let only = (decoded.rows.count == 1).then_some(0);
                match sources.get(bad.row as usize).copied().or(only) {
                    Some(row) if rows.drop_row(row) => aside.extend(row_aside(&decoded, row, bad.cause)),
                    Some(_) => {}
                    None => unknown = Some(bad.cause),
                }
            }
            if let Some(cause) = unknown {
                let middle = middle_of(&decoded);
                tracing::debug!(code = %cause.code, "an output of unknown source cannot be encoded; isolating its source");
                run.bisection.split(middle);
                continue;
            }
            aside.append(&mut take_bad(&mut decoded));
            aside.sort_by_key(|a| a.index);

            self.policy.check(&run.records, &aside)?;
            let mut figures = BatchFigures {
                decode: decoded_at.saturating_duration_since(began),
                invoke: invoked_at.saturating_duration_since(decoded_at),
                encode: encoded_at.saturating_duration_since(invoked_at),
                records_in: (decoded.end - window.start) as u64,
                bytes_in: bytes_of(&run.records, window.start..decoded.end),
                ..BatchFigures::default()
            };
            self.sink.begin().map_err(SendFailure::Sink)?;
            emit_order(&invoked.emissions, &mut self.order);
            let sending = Sending {
                records: &run.records,
                decoded: &decoded,
                emissions: &invoked.emissions,
                outputs: &self.outputs,
                rows: &rows,
                slot: of.slot,
            };
            sending.send_all(&mut self.sink, &self.order, &mut figures)?;
            self.policy.apply(&mut self.sink, &run.records, &aside, of.slot, self.observer.as_ref())?;
            end_batch(&mut self.sink)?;
            self.observer.batch(&figures);
            run.outage = Backoff::for_outage();
            run.deadlines = 0;
            run.bytes_done += figures.bytes_in;
            run.bisection.advance(decoded.end);
        }
        Ok(RunOutcome::Done)
    }

    fn invoke<R: RawRecords>(
        &mut self,
        of: RunOf<'_>,
        run: &HeldRun<R>,
        decoded: &Decoded,
    ) -> Result<Invoked, InvokeFailure> {
        if decoded.rows.count == 0 {
            return Ok(Invoked::default());
        }
        let batch = RecordBatch {
            port: of.port,
            partition: run.records.topic_partition().partition,
            event_watermark: None,
            schema: decoded.schema,
            rows: decoded.rows.clone(),
        };
        self.guest.invoke(&batch, &mut None)
    }

    fn failed<R: RawRecords>(
        &self,
        failure: InvokeFailure,
        run: &mut HeldRun<R>,
        decoded: &Decoded,
    ) -> Result<Next, Stop> {
        let code = failure_code(&failure);
        self.observer.invocation_failed(code);
        if let InvokeFailure::Fatal(reason) = &failure {
            return Err(Stop::new(
                "guest-fatal",
                format!(
                    "the transform cannot go on at offset {} of {}: {reason}",
                    run.records.offset(run.at()),
                    run.records.topic_partition()
                ),
                "See the transform's logs, mend its cause, then resume the pipeline",
            ));
        }
        if let InvokeFailure::State(failure) = failure {
            return state_failed(failure, &mut run.outage);
        }
        if matches!(failure, InvokeFailure::Retry(_)) && run.retries.attempts() < self.retry.attempts_max {
            let wait = run.retries.next_wait();
            return Ok(Next::Wait(RunOutcome::Wait { wait, code, reason: failure.to_string() }));
        }
        if decoded.rows.count > 1 {
            return Ok(Next::Split(middle_of(decoded)));
        }
        if let InvokeFailure::Deadline { by_cpu_time, .. } = failure {
            if !by_cpu_time {
                // The machine was too busy: no fault of the record.
                let wait = run.outage.next_wait();
                return Ok(Next::Wait(RunOutcome::Wait { wait, code, reason: failure.to_string() }));
            }
            run.deadlines += 1;
            if run.deadlines < DEADLINE_ATTEMPTS_MAX {
                return Ok(Next::Wait(RunOutcome::Wait {
                    wait: Duration::ZERO,
                    code,
                    reason: failure.to_string(),
                }));
            }
        }
        let trace = match &failure {
            InvokeFailure::Trap { backtrace, .. } => backtrace.clone(),
            _ => String::new(),
        };
        Ok(Next::SetAside(BadRecord { code, stage: Stage::Transform, message: failure.to_string(), trace }))
    }
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

fn end_batch<K: Sink>(sink: &mut K) -> Result<(), RunFailure> {
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

fn poisoned<R: RawRecords>(
    records: &R,
    window: std::ops::Range<usize>,
    poison: &PoisonList,
) -> Vec<SetAside> {
    if poison.is_empty() {
        return Vec::new();
    }
    window
        .filter_map(|index| {
            let known = poison.get(records.offset(index))?;
            Some(SetAside { index: index as u32, cause: known.cause.clone(), omit_value: known.omit_value })
        })
        .collect()
}

fn row_aside(decoded: &Decoded, row: u32, cause: BadRecord) -> Option<SetAside> {
    let index = *decoded.records.get(row as usize)?;
    Some(SetAside { index, cause, omit_value: false })
}

fn take_bad(decoded: &mut Decoded) -> Vec<SetAside> {
    let bad = std::mem::take(&mut decoded.bad);
    bad.into_iter().map(|(index, cause)| SetAside { index, cause, omit_value: false }).collect()
}

/// The raw index at which a window of at least two rows is halved.
fn middle_of(decoded: &Decoded) -> usize {
    decoded.records.get(decoded.records.len() / 2).map_or(decoded.end, |index| *index as usize)
}

fn rejected(reason: &str) -> BadRecord {
    BadRecord {
        code: Code("guest-rejected"),
        stage: Stage::Transform,
        message: reason.to_owned(),
        trace: String::new(),
    }
}

fn failure_code(failure: &InvokeFailure) -> Code {
    Code(match failure {
        InvokeFailure::Trap { .. } => "guest-trap",
        InvokeFailure::Deadline { .. } => "guest-deadline",
        InvokeFailure::Memory { .. } => "guest-memory",
        InvokeFailure::Output { .. } => "guest-output-limit",
        InvokeFailure::Contract(_) => "guest-contract",
        InvokeFailure::Retry(_) => "guest-retry",
        InvokeFailure::Fatal(_) => "guest-fatal",
        InvokeFailure::StateLimit { .. } => "guest-state-limit",
        InvokeFailure::State(StateFailure::Storage { outage, .. }) => return outage.code,
        InvokeFailure::State(StateFailure::Stop(stop)) => return stop.code,
        InvokeFailure::State(_) => "internal-state",
    })
}

fn decode_failed(failure: DecodeFailure, backoff: &mut Backoff) -> Result<RunOutcome, RunFailure> {
    match failure {
        DecodeFailure::Stop(stop) => Err(stop.into()),
        DecodeFailure::Outage(outage) => Ok(wait_for(&outage, backoff)),
        DecodeFailure::SchemaPending(id) => Ok(RunOutcome::Wait {
            wait: SCHEMA_PENDING_WAIT,
            code: Code("schema-pending"),
            reason: format!("the schema {id} is being fetched from the registry"),
        }),
    }
}

fn wait_for(outage: &Outage, backoff: &mut Backoff) -> RunOutcome {
    RunOutcome::Wait { wait: backoff.next_wait(), code: outage.code, reason: outage.message.clone() }
}

/// Storage that fails is no fault of a record: its work is done again.
fn state_failed(failure: StateFailure, backoff: &mut Backoff) -> Result<Next, Stop> {
    match failure {
        StateFailure::Storage { outage, .. } => Ok(Next::Wait(wait_for(&outage, backoff))),
        StateFailure::Stop(stop) => Err(stop),
        other => Err(Stop::new(
            "internal-state",
            other.to_string(),
            "This is a mistake in Wasmill: please report it with the pipeline file",
        )),
    }
}

fn unknown_port(port: PortIndex) -> Stop {
    Stop::new(
        "internal-unknown-port",
        format!("records arrived for input port {}, which has no decoder", port.0),
        "This is a mistake in Wasmill: please report it with the pipeline file",
    )
}
