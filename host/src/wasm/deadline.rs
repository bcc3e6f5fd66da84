//! When an invocation has run for too long.

use std::time::Duration;
use std::time::Instant;

use crate::wasm::cpu_time::thread_cpu_time;
use crate::wasm::ticker::TICK;

/// A thread that others kept from the CPU gets this many times its limit before it is stopped.
const WALL_FACTOR: u32 = 4;

/// Watches one invocation at a time.
///
/// The limit is wall time. When it passes and the thread has used less CPU time than that, the
/// machine was busy, and the invocation goes on until its CPU time reaches the limit or its wall
/// time four times the limit.
#[derive(Debug, Clone, Copy)]
pub(in crate::wasm) struct Deadline {
    limit: Duration,
    started: Instant,
    /// CPU time of the thread at the first tick. Calls shorter than a tick never pay for reading it.
    first_tick: Option<FirstTick>,
    expired: Option<Expired>,
}

#[derive(Debug, Clone, Copy)]
struct FirstTick {
    cpu: Duration,
    /// Since the start of the invocation.
    wall: Duration,
}

/// How a deadline was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasm) struct Expired {
    /// Whether the thread itself used as much CPU time.
    pub(in crate::wasm) by_cpu_time: bool,
}

/// What to do at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasm) enum Verdict {
    Stop,
    /// Ask again after so many ticks.
    GoOn {
        ticks: u64,
    },
}

impl Deadline {
    pub(in crate::wasm) fn new() -> Self {
        Self { limit: Duration::MAX, started: Instant::now(), first_tick: None, expired: None }
    }

    /// Begins an invocation that may take `limit`.
    #[inline]
    pub(in crate::wasm) fn start(&mut self, limit: Duration) {
        *self = Self { limit, ..Self::new() };
    }

    pub(in crate::wasm) fn expired(&self) -> Option<Expired> {
        self.expired
    }

    /// Judges at a tick.
    pub(in crate::wasm) fn tick(&mut self) -> Verdict {
        let verdict = self.judge(self.started.elapsed(), thread_cpu_time());
        if let Err(expired) = verdict {
            self.expired = Some(expired);
        }
        verdict.unwrap_or(Verdict::Stop)
    }

    fn judge(&mut self, wall: Duration, cpu: Option<Duration>) -> Result<Verdict, Expired> {
        let ticks = |left: Duration| Verdict::GoOn {
            ticks: u64::try_from(left.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).max(1),
        };
        let first = *self.first_tick.get_or_insert(FirstTick { cpu: cpu.unwrap_or_default(), wall });
        if wall < self.limit {
            return Ok(ticks(self.limit - wall));
        }
        let Some(cpu) = cpu else {
            return Err(Expired { by_cpu_time: false });
        };
        // What ran before the first tick is unknown; a tick is granted.
        let used = cpu.saturating_sub(first.cpu) + first.wall.min(TICK);
        if used >= self.limit {
            return Err(Expired { by_cpu_time: true });
        }
        if wall >= self.limit.saturating_mul(WALL_FACTOR) {
            return Err(Expired { by_cpu_time: false });
        }
        Ok(ticks(self.limit - used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn deadline() -> Deadline {
        let mut deadline = Deadline::new();
        deadline.start(ms(200));
        assert_eq!(deadline.judge(ms(1), Some(ms(5000))), Ok(Verdict::GoOn { ticks: 39 }));
        deadline
    }

    #[test]
    fn a_guest_that_computes_is_stopped_at_the_limit() {
        assert_eq!(deadline().judge(ms(200), Some(ms(5199))), Err(Expired { by_cpu_time: true }));
    }

    #[test]
    fn a_guest_that_was_kept_from_the_cpu_goes_on() {
        let mut deadline = deadline();
        assert_eq!(deadline.judge(ms(200), Some(ms(5100))), Ok(Verdict::GoOn { ticks: 19 }));
        assert_eq!(deadline.judge(ms(300), Some(ms(5199))), Err(Expired { by_cpu_time: true }));
    }

    #[test]
    fn four_times_the_limit_is_the_end_for_everyone() {
        let mut deadline = deadline();
        assert_eq!(deadline.judge(ms(799), Some(ms(5100))), Ok(Verdict::GoOn { ticks: 19 }));
        assert_eq!(deadline.judge(ms(800), Some(ms(5100))), Err(Expired { by_cpu_time: false }));
    }

    #[test]
    fn without_a_clock_of_cpu_time_the_wall_decides() {
        let mut deadline = deadline();
        assert_eq!(deadline.judge(ms(200), None), Err(Expired { by_cpu_time: false }));
    }
}
