//! Progress of event time of one task: a watermark for each input, and their minimum.

use std::time::Duration;
use std::time::Instant;

use crate::model::ids::PortIndex;
use crate::model::state::EventClock;
use crate::pipeline::settings::EventTimeSettings;

/// The event watermark of a task, and what it is made of.
///
/// An input's watermark follows its largest event time at a distance, in steps, so that it advances
/// at records and never where a batch happens to end. The task's is the minimum over its inputs and
/// never goes back. An idle input does not hold it back: it is drawn along instead, so that the
/// minimum over what is committed is the task's watermark after a restart, too.
#[derive(Debug, Default)]
pub struct TaskTime {
    /// Inputs with event time only.
    inputs: Vec<InputTime>,
    event_watermark: Option<i64>,
}

/// Event time of one input.
#[derive(Debug)]
struct InputTime {
    port: PortIndex,
    settings: EventTimeSettings,
    clock: EventClock,
    /// As of the last commit.
    committed: EventClock,
    /// When its last record was dealt with, by the host's clock.
    active: Instant,
    idle: bool,
}

impl TaskTime {
    #[must_use]
    pub fn new<'a>(inputs: impl Iterator<Item = (PortIndex, &'a EventTimeSettings)>, now: Instant) -> Self {
        let input = |(port, settings): (PortIndex, &EventTimeSettings)| InputTime {
            port,
            settings: settings.clone(),
            clock: EventClock::default(),
            committed: EventClock::default(),
            active: now,
            idle: false,
        };
        Self { inputs: inputs.map(input).collect(), event_watermark: None }
    }

    /// Goes on from what was committed.
    pub fn restore(&mut self, clock_of: impl Fn(PortIndex) -> EventClock, now: Instant) {
        for input in &mut self.inputs {
            input.committed = clock_of(input.port);
            input.active = now;
            input.idle = false;
        }
        self.aborted();
    }

    /// Back to the last commit.
    pub fn aborted(&mut self) {
        for input in &mut self.inputs {
            input.clock = input.committed;
        }
        self.event_watermark = None;
        self.settle();
    }

    /// What has changed since the last commit.
    pub fn changes(&self) -> impl Iterator<Item = (PortIndex, EventClock)> {
        let changed = |input: &&InputTime| input.clock != input.committed;
        self.inputs.iter().filter(changed).map(|input| (input.port, input.clock))
    }

    pub fn committed(&mut self) {
        for input in &mut self.inputs {
            input.committed = input.clock;
        }
    }

    #[must_use]
    pub fn event_watermark(&self) -> Option<i64> {
        self.event_watermark
    }

    /// The event time of an input; none if it has none.
    #[must_use]
    pub fn settings(&self, port: PortIndex) -> Option<&EventTimeSettings> {
        self.inputs.iter().find(|input| input.port == port).map(|input| &input.settings)
    }

    /// The smallest event time with which a record of this input would move the task's watermark;
    /// none if none would, because other inputs hold it back.
    #[must_use]
    pub fn moves_at(&self, port: PortIndex) -> Option<i64> {
        let mut own = None;
        for input in &self.inputs {
            if input.port == port {
                own = Some(input);
            } else if !input.idle && input.clock.event_watermark <= self.event_watermark {
                return None;
            }
        }
        let own = own?;
        let Some(base) = own.clock.event_watermark.max(self.event_watermark) else {
            return Some(i64::MIN);
        };
        let step = own.settings.step();
        let next = base.div_euclid(step).saturating_add(1).saturating_mul(step);
        Some(next.saturating_add(own.settings.behind()))
    }

    /// Records of this input were dealt with. `event_time_max` is the largest of their event times.
    pub fn advance(&mut self, port: PortIndex, event_time_max: Option<i64>, now: Instant) {
        let Some(input) = self.inputs.iter_mut().find(|input| input.port == port) else {
            return;
        };
        input.active = now;
        input.idle = false;
        let clock = &mut input.clock;
        clock.event_time_max = clock.event_time_max.max(event_time_max);
        if let Some(largest) = clock.event_time_max {
            let step = input.settings.step();
            let watermark = largest.saturating_sub(input.settings.behind()).div_euclid(step);
            clock.event_watermark = clock.event_watermark.max(Some(watermark.saturating_mul(step)));
        }
        self.settle();
    }

    /// Marks inputs idle that had no record for long. `is_read` says whether an input is read to its
    /// end, so that it is the records that are missing and not the host that is behind.
    pub fn mark_idle(&mut self, now: Instant, is_read: impl Fn(PortIndex) -> bool) {
        // The only input has nobody to hold back.
        if self.inputs.len() < 2 {
            return;
        }
        let mut any = false;
        for input in &mut self.inputs {
            if input.idle || now.saturating_duration_since(input.active) < input.settings.idle_after {
                continue;
            }
            if is_read(input.port) {
                input.idle = true;
                any = true;
            } else {
                // Counts anew from when it has caught up.
                input.active = now;
            }
        }
        if any {
            self.settle();
        }
    }

    /// Time left until an input may become idle; none if none may.
    #[must_use]
    pub fn idle_in(&self, now: Instant) -> Option<Duration> {
        if self.inputs.len() < 2 {
            return None;
        }
        let left =
            |input: &InputTime| (input.active + input.settings.idle_after).saturating_duration_since(now);
        self.inputs.iter().filter(|input| !input.idle).map(left).min()
    }

    /// The minimum anew, and idle inputs drawn along.
    fn settle(&mut self) {
        let active = self.inputs.iter().filter(|input| !input.idle);
        // Without a record yet an input has no watermark, and none is less than any.
        let minimum = active.map(|input| input.clock.event_watermark).min().flatten();
        self.event_watermark = self.event_watermark.max(minimum);
        for input in self.inputs.iter_mut().filter(|input| input.idle) {
            input.clock.event_watermark = input.clock.event_watermark.max(self.event_watermark);
        }
    }
}

impl EventTimeSettings {
    fn step(&self) -> i64 {
        i64::try_from(self.granularity_ms).unwrap_or(i64::MAX).max(1)
    }

    fn behind(&self) -> i64 {
        i64::try_from(self.out_of_orderness_ms).unwrap_or(i64::MAX)
    }
}
