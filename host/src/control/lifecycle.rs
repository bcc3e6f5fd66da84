//! The life of a pipeline on this host: one function decides the next step.

use std::sync::Arc;
use std::time::Instant;
use std::time::SystemTime;

use crate::control::deployment::Deployment;
use crate::model::failure::Outage;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;

/// Counts the starts that were asked for. A pipeline that runs under an older one is started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// Where a pipeline should be.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Run(Generation, Arc<Deployment>),
    /// Drained and kept.
    Rest,
    /// Drained, forgotten at the broker and removed from the catalog.
    Gone,
    /// Drained, because the host ends.
    Leave,
}

/// Why a pipeline does not run although it should, until someone acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// It stopped by itself.
    Failed(Stop),
    /// It was never started.
    Refused(Vec<Refusal>),
}

/// An outage that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delay {
    /// In a row.
    pub failures: u32,
    pub since: SystemTime,
    pub until: Instant,
    pub outage: Outage,
}

/// Where a pipeline is.
///
/// ```text
///            +--------- outage, retried ----------+
///            v                                    |
/// Idle --> Starting --> Running --failure--> Stopped   (and Starting --refusal--> Stopped)
///  ^         |  ^          |                     |
///  |         v  |          |                     |
///  |        Delayed        |                     |
///  +------- Draining <-----+----- acted upon ----+
///  |
///  +--> Forgetting --> Gone
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Idle,
    /// With the outage that kept the start before from succeeding.
    Starting(Option<Delay>),
    Running(Generation),
    /// The start failed by an outage.
    Delayed(Generation, Delay),
    /// Stays until another start is asked for.
    Stopped(Generation, StopReason),
    Draining,
    /// None on the first attempt.
    Forgetting(Option<Delay>),
    /// Final.
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Start(Generation, Arc<Deployment>),
    Drain,
    Forget,
    /// The pipeline's task is over.
    End,
    /// Nothing until something changes, or until then.
    Wait(Option<Instant>),
    /// Nothing until something changes; meanwhile see how it runs.
    Watch,
}

impl Phase {
    /// What to do next.
    pub(crate) fn next(&self, wanted: &Wanted, now: Instant) -> Step {
        let due =
            |delay: &Delay, step: Step| if delay.until <= now { step } else { Step::Wait(Some(delay.until)) };
        match (self, wanted) {
            (Self::Gone, _) => Step::End,

            (Self::Running(current), Wanted::Run(generation, _)) if current == generation => Step::Watch,
            // The reason stays visible.
            (Self::Stopped(current, _), Wanted::Run(generation, _)) if current == generation => {
                Step::Wait(None)
            }
            (Self::Stopped(..), Wanted::Rest) => Step::Wait(None),
            (Self::Running(_) | Self::Stopped(..) | Self::Draining, _) => Step::Drain,

            (Self::Delayed(current, delay), Wanted::Run(generation, deployment)) if current == generation => {
                due(delay, Step::Start(*generation, Arc::clone(deployment)))
            }
            (_, Wanted::Run(generation, deployment)) => Step::Start(*generation, Arc::clone(deployment)),

            (Self::Delayed(..) | Self::Starting(_), Wanted::Rest) => Step::Drain,
            (Self::Idle | Self::Forgetting(_), Wanted::Rest) => Step::Wait(None),

            (Self::Forgetting(Some(delay)), Wanted::Gone) => due(delay, Step::Forget),
            (Self::Idle | Self::Starting(_) | Self::Delayed(..) | Self::Forgetting(None), Wanted::Gone) => {
                Step::Forget
            }

            (Self::Idle | Self::Starting(_) | Self::Delayed(..) | Self::Forgetting(_), Wanted::Leave) => {
                Step::End
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(generation: u64) -> Wanted {
        Wanted::Run(Generation(generation), Arc::new(Deployment::Refused(Vec::new())))
    }

    fn delay(until: Instant) -> Delay {
        Delay { failures: 1, since: SystemTime::now(), until, outage: Outage::new("broker-away", "away") }
    }

    fn stopped(generation: u64) -> Phase {
        Phase::Stopped(Generation(generation), StopReason::Failed(Stop::new("x", "y", "z")))
    }

    #[test]
    fn a_pipeline_starts_is_watched_and_starts_anew_for_a_new_generation() {
        let now = Instant::now();
        assert!(matches!(Phase::Idle.next(&run(1), now), Step::Start(Generation(1), _)));
        assert!(matches!(Phase::Running(Generation(1)).next(&run(1), now), Step::Watch));
        assert!(matches!(Phase::Running(Generation(1)).next(&run(2), now), Step::Drain));
    }

    #[test]
    fn a_stop_stays_until_another_start_is_asked_for() {
        let now = Instant::now();
        assert!(matches!(stopped(1).next(&run(1), now), Step::Wait(None)));
        assert!(matches!(stopped(1).next(&Wanted::Rest, now), Step::Wait(None)));
        assert!(matches!(stopped(1).next(&run(2), now), Step::Drain));
        assert!(matches!(stopped(1).next(&Wanted::Gone, now), Step::Drain));
    }

    #[test]
    fn an_outage_is_waited_for_unless_something_else_is_wanted() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let delayed = Phase::Delayed(Generation(1), delay(later));
        assert!(matches!(delayed.next(&run(1), now), Step::Wait(Some(until)) if until == later));
        assert!(matches!(delayed.next(&run(1), later), Step::Start(Generation(1), _)));
        assert!(matches!(delayed.next(&run(2), now), Step::Start(Generation(2), _)));
        assert!(matches!(delayed.next(&Wanted::Rest, now), Step::Drain));
        assert!(matches!(delayed.next(&Wanted::Leave, now), Step::End));
    }

    #[test]
    fn a_pipeline_is_drained_before_it_is_forgotten_and_before_the_host_ends() {
        let now = Instant::now();
        let running = Phase::Running(Generation(1));
        for wanted in [Wanted::Rest, Wanted::Gone, Wanted::Leave] {
            assert!(matches!(running.next(&wanted, now), Step::Drain));
        }
        assert!(matches!(Phase::Idle.next(&Wanted::Gone, now), Step::Forget));
        let later = now + Duration::from_secs(1);
        let forgetting = Phase::Forgetting(Some(delay(later)));
        assert!(matches!(forgetting.next(&Wanted::Gone, now), Step::Wait(Some(_))));
        assert!(matches!(forgetting.next(&Wanted::Gone, later), Step::Forget));
        assert!(matches!(forgetting.next(&Wanted::Leave, now), Step::End));
        assert!(matches!(Phase::Gone.next(&Wanted::Gone, now), Step::End));
        assert!(matches!(Phase::Idle.next(&Wanted::Leave, now), Step::End));
    }
}
