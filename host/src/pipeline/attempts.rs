//! What becomes of records, or timers, on which the guest failed.

use std::ops::Range;
use std::time::Duration;

use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Outage;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::pipeline_spec::RetryPolicy;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::bisection::Bisection;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::Wait;
use crate::pipeline::state_ports::StateFailure;

/// How often a single record must exceed the deadline, by its own CPU time and each time in a new
/// instance, before it is set aside.
const DEADLINE_ATTEMPTS_MAX: u32 = 3;

/// How far a row of records or timers has come, and what was tried on its next window.
#[derive(Debug)]
pub struct Attempts {
    bisection: Bisection,
    /// Waits of a guest that asks for a retry.
    retries: Backoff,
    retries_max: u32,
    /// Waits for a registry, or for a machine that is too busy.
    outage: Backoff,
    deadlines: u32,
}

/// What to do about a window on which the guest failed.
#[derive(Debug)]
pub enum Verdict {
    Wait(Wait),
    /// Try a part of it.
    Split,
    /// Its only entry is bad.
    SetAside(BadRecord),
}

impl Attempts {
    #[must_use]
    pub fn new(len: usize, retry: &RetryPolicy) -> Self {
        Self::of(Bisection::new(len), retry)
    }

    /// For entries of which one is known to need isolation.
    #[must_use]
    pub fn one_by_one(len: usize, retry: &RetryPolicy) -> Self {
        Self::of(Bisection::one_by_one(len), retry)
    }

    fn of(bisection: Bisection, retry: &RetryPolicy) -> Self {
        Self {
            bisection,
            retries: Backoff::new(retry.backoff_initial, retry.backoff_max),
            retries_max: retry.attempts_max,
            outage: Backoff::for_outage(),
            deadlines: 0,
        }
    }

    /// The window to try next; none when all is dealt with.
    #[must_use]
    pub fn window(&self) -> Option<Range<usize>> {
        self.bisection.window()
    }

    /// Index of the first entry not yet dealt with.
    #[must_use]
    pub fn at(&self) -> usize {
        self.bisection.at()
    }

    /// Everything before `end` has been dealt with.
    pub fn advance(&mut self, end: usize) {
        self.outage = Backoff::for_outage();
        self.deadlines = 0;
        self.bisection.advance(end);
    }

    /// Tries the window's entries up to `middle` first.
    pub fn split(&mut self, middle: usize) {
        self.bisection.split(middle);
    }

    /// The next wait for something outside that is away.
    pub fn wait_for(&mut self, outage: &Outage) -> Wait {
        Wait { wait: self.outage.next_wait(), code: outage.code, reason: outage.message.clone() }
    }

    /// Judges a failed call over `count` entries. `stage` says what they are, `place` where.
    ///
    /// # Errors
    /// When the pipeline, or the task's state, cannot go on.
    pub fn judge(
        &mut self,
        failure: &InvokeFailure,
        count: usize,
        stage: Stage,
        place: impl FnOnce() -> String,
    ) -> Result<Verdict, RunFailure> {
        let code = failure_code(failure);
        match failure {
            InvokeFailure::Fatal(reason) => {
                return Err(Stop::new(
                    "guest-fatal",
                    format!("the transform cannot go on at {}: {reason}", place()),
                    "See the transform's logs, mend its cause, then resume the pipeline",
                )
                .into());
            }
            InvokeFailure::State(failure) => return Err(failure.clone().into()),
            InvokeFailure::Retry(_) if self.retries.attempts() < self.retries_max => {
                let wait = self.retries.next_wait();
                return Ok(Verdict::Wait(Wait { wait, code, reason: failure.to_string() }));
            }
            _ => {}
        }
        if count > 1 {
            return Ok(Verdict::Split);
        }
        if let InvokeFailure::Deadline { by_cpu_time, .. } = failure {
            if !by_cpu_time {
                // The machine was too busy: no fault of the record.
                let wait = self.outage.next_wait();
                return Ok(Verdict::Wait(Wait { wait, code, reason: failure.to_string() }));
            }
            self.deadlines += 1;
            if self.deadlines < DEADLINE_ATTEMPTS_MAX {
                let wait = Duration::ZERO;
                return Ok(Verdict::Wait(Wait { wait, code, reason: failure.to_string() }));
            }
        }
        let trace = match failure {
            InvokeFailure::Trap { backtrace, .. } => backtrace.clone(),
            _ => String::new(),
        };
        Ok(Verdict::SetAside(BadRecord { code, stage, message: failure.to_string(), trace }))
    }
}

pub(crate) fn failure_code(failure: &InvokeFailure) -> Code {
    Code(match failure {
        InvokeFailure::Trap { .. } => "guest-trap",
        InvokeFailure::Deadline { .. } => "guest-deadline",
        InvokeFailure::Memory { .. } => "guest-memory",
        InvokeFailure::Output { .. } => "guest-output-limit",
        InvokeFailure::StateLimit { .. } => "guest-state-limit",
        InvokeFailure::Contract(_) => "guest-contract",
        InvokeFailure::Retry(_) => "guest-retry",
        InvokeFailure::Fatal(_) => "guest-fatal",
        InvokeFailure::State(StateFailure::Storage { outage, .. }) => return outage.code,
        InvokeFailure::State(StateFailure::Stop(stop)) => return stop.code,
        InvokeFailure::State(_) => "internal-state",
    })
}
