//! Timers that fired in the open cycle, and those that are known to be bad.

use std::collections::HashMap;

use crate::model::failure::BadRecord;
use crate::model::state::FiredTimers;
use crate::model::state::TimeDomain;
use crate::model::state::Timer;
use crate::pipeline::token::TimerPlace;

/// What a refusal by the broker needs to find its timer.
///
/// A broker refuses a record only after it was sent. The cycle is aborted then, the timer is due
/// again, and goes straight to the dead letters.
#[derive(Debug, Default)]
pub struct Fired {
    /// Calls of the cycle for which something was sent. Bounded by the overlay: a timer that fires is
    /// a change of the state.
    calls: Vec<FiredTimers>,
    poison: HashMap<Identity, Poison>,
    /// Timers fire one by one until the next commit, because an output of one of several was
    /// refused.
    isolated: bool,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Identity {
    domain: TimeDomain,
    key: Vec<u8>,
    tag: Vec<u8>,
    time: i64,
}

#[derive(Debug)]
struct Poison {
    cause: BadRecord,
    /// It was set aside in the open cycle.
    is_dealt_with: bool,
}

impl Identity {
    fn of(timer: &Timer<'_>) -> Self {
        Self { domain: timer.domain, key: timer.key.to_vec(), tag: timer.tag.to_vec(), time: timer.time }
    }
}

impl Fired {
    /// Keeps a call for its [`TimerPlace`]s; gives its number.
    pub fn push(&mut self, call: FiredTimers) -> u64 {
        self.calls.push(call);
        self.calls.len() as u64 - 1
    }

    #[must_use]
    pub fn call(&self, number: u64) -> Option<&FiredTimers> {
        self.calls.get(usize::try_from(number).ok()?)
    }

    /// Marks a timer whose output was refused.
    pub fn add_poison(&mut self, place: TimerPlace, cause: BadRecord) {
        let timer = self.call(place.call).and_then(|call| call.get(place.index));
        if let Some(identity) = timer.as_ref().map(Identity::of) {
            self.poison.entry(identity).or_insert(Poison { cause, is_dealt_with: false });
        }
    }

    /// An output of some timer of a call was refused.
    pub fn isolate(&mut self) {
        self.isolated = true;
    }

    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.isolated
    }

    /// The first of these that is known to be bad, and why.
    #[must_use]
    pub fn first_poisoned(&self, call: &FiredTimers) -> Option<(usize, BadRecord)> {
        if self.poison.is_empty() {
            return None;
        }
        (0..call.len()).find_map(|index| {
            let known = self.poison.get(&Identity::of(&call.get(index)?))?;
            Some((index, known.cause.clone()))
        })
    }

    /// A timer was set aside.
    pub fn dealt_with(&mut self, timer: &Timer<'_>) {
        if self.poison.is_empty() {
            return;
        }
        if let Some(known) = self.poison.get_mut(&Identity::of(timer)) {
            known.is_dealt_with = true;
        }
    }

    pub fn committed(&mut self) {
        self.calls.clear();
        self.poison.retain(|_, known| !known.is_dealt_with);
        self.isolated = false;
    }

    pub fn aborted(&mut self) {
        self.calls.clear();
        for known in self.poison.values_mut() {
            known.is_dealt_with = false;
        }
    }
}
