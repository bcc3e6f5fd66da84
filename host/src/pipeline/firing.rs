//! Timers that are due, through the guest, in the order of their times.

use std::time::Instant;
use std::time::SystemTime;

use crate::model::binaries::BinariesBuf;
use crate::model::fail_point::FailPoint;
use crate::model::failure::Stage;
use crate::model::pipeline_spec::RetryPolicy;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Invoked;
use crate::model::state::FiredTimers;
use crate::model::state::TIMERS_PER_CALL_MAX;
use crate::model::state::TimeDomain;
use crate::model::status::Waiting;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::attempts::Verdict;
use crate::pipeline::attempts::failure_code;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::dead_letter::TimerAside;
use crate::pipeline::emit_order::emit_order;
use crate::pipeline::observer::BatchFigures;
use crate::pipeline::outputs::BadEmittedRow;
use crate::pipeline::ports::EncodeFailure;
use crate::pipeline::ports::SendFailure;
use crate::pipeline::ports::Sink;
use crate::pipeline::run::Lane;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::RunOutcome;
use crate::pipeline::run::Turn;
use crate::pipeline::run::Wait;
use crate::pipeline::run::end_batch;
use crate::pipeline::run::rejected;
use crate::pipeline::sending::Sending;
use crate::pipeline::sending::SourceRows;
use crate::pipeline::sending::TimerSources;

/// How the timers of one domain are doing.
///
/// Due timers are given to the guest in calls of a fixed size. A call that fails is taken back and
/// made anew with half as many, until the timer is found that breaks it.
#[derive(Debug)]
pub struct Firing {
    attempts: Attempts,
    retry: RetryPolicy,
    waiting: Option<(Instant, Waiting)>,
}

impl Firing {
    #[must_use]
    pub fn new(retry: &RetryPolicy) -> Self {
        Self { attempts: Attempts::new(TIMERS_PER_CALL_MAX, retry), retry: *retry, waiting: None }
    }

    /// Begins anew. `isolated`: one timer a call.
    pub fn reset(&mut self, isolated: bool) {
        self.waiting = None;
        self.attempts = if isolated {
            Attempts::one_by_one(TIMERS_PER_CALL_MAX, &self.retry)
        } else {
            Attempts::new(TIMERS_PER_CALL_MAX, &self.retry)
        };
    }

    /// When to try again after a failure, and why it waits.
    #[must_use]
    pub fn waiting(&self) -> Option<&(Instant, Waiting)> {
        self.waiting.as_ref()
    }

    fn wait(&mut self, now: Instant, wait: &Wait) {
        let since = self.waiting.take().map_or_else(SystemTime::now, |(_, waiting)| waiting.since);
        let waiting = Waiting { since, code: wait.code, reason: wait.reason.clone() };
        self.waiting = Some((now + wait.wait, waiting));
    }

    /// How many timers the next call takes.
    fn size(&self) -> usize {
        self.attempts.window().map_or(TIMERS_PER_CALL_MAX, |window| window.len())
    }

    /// A call with so many timers has passed; `all` says whether these were all that are due.
    fn advance(&mut self, count: usize, all: bool, isolated: bool) {
        self.attempts.advance(self.attempts.at() + count);
        if all || self.attempts.window().is_none() {
            self.reset(isolated);
        }
    }

    /// Tries the first half of a call's timers.
    fn halve(&mut self, count: usize) -> Call {
        self.attempts.split(self.attempts.at() + count / 2);
        Call::Again
    }

    /// Tries the timers before this one, or it alone if it is the first of several.
    fn isolate(&mut self, index: usize) -> Call {
        self.attempts.split(self.attempts.at() + index.max(1));
        Call::Again
    }
}

/// How one call of `on-timers` ended.
enum Call {
    /// The timers have fired, or are set aside.
    Fired,
    /// Nothing was sent: fewer timers are next.
    Again,
    NoneDue,
    Wait(Wait),
}

impl<K: Sink> Lane<K> {
    /// Fires timers of a domain until none is due, or for as long as the turn lasts.
    ///
    /// # Errors
    /// See [`RunFailure`].
    pub fn fire(
        &mut self,
        cohort: &mut Cohort,
        domain: TimeDomain,
        turn: Turn,
    ) -> Result<RunOutcome, RunFailure> {
        if !self.has_timers(domain) {
            return Ok(RunOutcome::Done);
        }
        let until = match domain {
            TimeDomain::Event => cohort.time.event_watermark(),
            // As of now: a timer that is registered anew for a time that has passed fires once a turn.
            TimeDomain::Processing => Some(self.clock.unix_ms()),
        };
        while until.is_some_and(|until| cohort.next_due(domain).is_some_and(|due| due <= until)) {
            let now = self.clock.now();
            if let Some((at, waiting)) = cohort.timers(domain).waiting()
                && *at > now
            {
                let reason = waiting.reason.clone();
                return Ok(RunOutcome::Wait(Wait { wait: *at - now, code: waiting.code, reason }));
            }
            if turn.is_over(now, cohort.overlay_bytes()) {
                return Ok(RunOutcome::Yield);
            }
            self.begin(Some(cohort));
            let call = self.call(cohort, domain, until.unwrap_or_default());
            if matches!(call, Ok(Call::Fired | Call::NoneDue)) {
                cohort.keep();
            } else {
                cohort.undo();
            }
            match call? {
                Call::Fired | Call::Again => cohort.timers(domain).waiting = None,
                Call::NoneDue => break,
                Call::Wait(wait) => {
                    cohort.timers(domain).wait(now, &wait);
                    return Ok(RunOutcome::Wait(wait));
                }
            }
        }
        Ok(RunOutcome::Done)
    }

    /// Whether the invocation that runs has registered an event timer for a time that has passed.
    pub(crate) fn has_registered_due(cohort: &Cohort) -> bool {
        let registered = cohort.registered_event_min();
        registered.is_some() && registered <= cohort.time.event_watermark()
    }

    /// Whether the transform has timers of a domain.
    #[must_use]
    pub(crate) fn has_timers(&self, domain: TimeDomain) -> bool {
        self.state.as_ref().is_some_and(|state| state.timers.contains(&domain))
    }

    fn call(&mut self, cohort: &mut Cohort, domain: TimeDomain, until: i64) -> Result<Call, RunFailure> {
        let began = self.clock.now();
        let size = cohort.timers(domain).size();
        let fired = take(cohort, domain, until, size)?;
        let count = fired.len();
        if count == 0 {
            return Ok(Call::NoneDue);
        }
        FailPoint::TimersTaken.reach();
        let mut aside = Vec::new();
        let mut invoked = Invoked::default();
        let mut is_called = false;
        match cohort.fired.first_poisoned(&fired) {
            Some((0, cause)) if count == 1 => aside.push(TimerAside { index: 0, cause }),
            Some((index, _)) => return Ok(cohort.timers(domain).isolate(index)),
            None => match self.guest.fire(&fired, &mut cohort.state) {
                Ok(answer) => {
                    invoked = answer;
                    is_called = true;
                }
                Err(failure) => {
                    let took = self.clock.now().saturating_duration_since(began);
                    self.observer.invocation_failed(failure_code(&failure), took);
                    let place =
                        || format!("timers of partition {} that were due at {until} ms", fired.partition);
                    let attempts = &mut cohort.timers(domain).attempts;
                    match attempts.judge(&failure, count, Stage::Timer, place)? {
                        Verdict::Wait(wait) => return Ok(Call::Wait(wait)),
                        Verdict::Split => return Ok(cohort.timers(domain).halve(count)),
                        Verdict::SetAside(cause) => {
                            self.take_again(cohort, &fired, until)?;
                            aside.push(TimerAside { index: 0, cause });
                        }
                    }
                }
            },
        }
        if count > 1 && has_registered_between(cohort, &fired) {
            self.take_back();
            return Ok(cohort.timers(domain).halve(count));
        }
        let invoked_at = self.clock.now();
        // The call gets its number when something is sent for it.
        let sources = TimerSources { fired: &fired, call: 0 };
        let bad_rows = match self.outputs.encode(&invoked.emissions, &sources) {
            Ok(bad_rows) => bad_rows,
            Err(EncodeFailure::Stop(stop)) => return Err(stop.into()),
            Err(EncodeFailure::Outage(outage)) => {
                self.take_back();
                return Ok(Call::Wait(cohort.timers(domain).attempts.wait_for(&outage)));
            }
            Err(EncodeFailure::TooLarge(_)) if count > 1 => {
                self.take_back();
                return Ok(cohort.timers(domain).halve(count));
            }
            Err(EncodeFailure::TooLarge(cause)) => vec![BadEmittedRow::of_lone_source(cause)],
        };
        let encoded_at = self.clock.now();

        let mut rows = SourceRows::new(count);
        for rejection in &invoked.rejections {
            for index in rejection.rows.iter().filter(|index| rows.drop_row(**index)) {
                let cause = rejected(&rejection.reason, Stage::Timer);
                aside.push(TimerAside { index: *index as usize, cause });
            }
        }
        for bad in bad_rows {
            let sources = invoked.emissions.get(bad.emission).map_or(&[][..], |emission| &emission.sources);
            let source = sources.get(bad.row as usize).copied();
            if source.is_some_and(|source| rows.is_dropped(source)) {
                continue;
            }
            self.take_back();
            match source {
                // Nothing of it may stay in the state, so it has to be alone.
                Some(source) if count > 1 => return Ok(cohort.timers(domain).isolate(source as usize)),
                None if count > 1 => return Ok(cohort.timers(domain).halve(count)),
                _ => {
                    self.take_again(cohort, &fired, until)?;
                    aside = vec![TimerAside { index: 0, cause: bad.cause }];
                    invoked = Invoked::default();
                    break;
                }
            }
        }
        aside.sort_by_key(|aside| aside.index);
        self.policy.check_timers(&fired, &aside)?;

        let mut figures = BatchFigures {
            invoke: is_called.then(|| invoked_at.saturating_duration_since(began)),
            encode: encoded_at.saturating_duration_since(invoked_at),
            ..BatchFigures::default()
        };
        if !invoked.emissions.is_empty() || !aside.is_empty() {
            self.send_fired(cohort, fired, &invoked.emissions, &rows, &aside, &mut figures)?;
        }
        FailPoint::TimersSent.reach();
        self.observer.batch(&figures);
        self.observer.fired(count as u64);
        let isolated = cohort.fired.is_isolated();
        cohort.timers(domain).advance(count, count < size, isolated);
        Ok(Call::Fired)
    }

    fn send_fired(
        &mut self,
        cohort: &mut Cohort,
        fired: FiredTimers,
        emissions: &[Emission],
        rows: &SourceRows,
        aside: &[TimerAside],
        figures: &mut BatchFigures,
    ) -> Result<(), RunFailure> {
        self.sink.begin().map_err(SendFailure::Sink)?;
        for timer in aside.iter().filter_map(|aside| fired.get(aside.index)) {
            cohort.fired.dealt_with(&timer);
        }
        let call = cohort.fired.push(fired);
        let Some(fired) = cohort.fired.call(call) else {
            return Ok(());
        };
        emit_order(emissions, &mut self.order);
        let sending = Sending {
            sources: &TimerSources { fired, call },
            emissions,
            outputs: &self.outputs,
            rows,
            partition: cohort.partition,
            slot: cohort.slot,
            event_watermark: cohort.time.event_watermark(),
        };
        sending.send_all(&mut self.sink, &self.order, figures)?;
        let observer = self.observer.as_ref();
        self.policy.apply_to_timers(&mut self.sink, (call, fired), aside, cohort.slot, observer)?;
        end_batch(&mut self.sink)
    }

    /// Takes a lone timer anew, without what the guest wrote for it.
    fn take_again(&self, cohort: &mut Cohort, fired: &FiredTimers, until: i64) -> Result<(), RunFailure> {
        cohort.undo();
        self.begin(Some(cohort));
        let again = take(cohort, fired.domain, until, 1)?;
        debug_assert_eq!(&again, fired);
        Ok(())
    }
}

/// Whether a call has registered an event timer that may have to fire before the last of its own: timers
/// fire as if each were given to the guest alone, wherever calls begin and end.
fn has_registered_between(cohort: &Cohort, fired: &FiredTimers) -> bool {
    let registered = cohort.registered_event_min();
    fired.domain == TimeDomain::Event && registered.is_some() && registered <= fired.times.last().copied()
}

fn take(cohort: &mut Cohort, domain: TimeDomain, until: i64, max: usize) -> Result<FiredTimers, RunFailure> {
    let mut fired = FiredTimers {
        partition: cohort.partition,
        event_watermark: cohort.time.event_watermark(),
        domain,
        keys: BinariesBuf::default(),
        tags: BinariesBuf::default(),
        times: Vec::new(),
    };
    if let Some(state) = &mut cohort.state {
        state.take_due(domain, until, max, &mut fired)?;
    }
    Ok(fired)
}
