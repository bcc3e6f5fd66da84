//! A transform that does with timers whatever can be done: sets them for times that have passed, moves,
//! cancels and repeats them, from records and from timers.

use std::collections::BTreeSet;

use crate::model::binaries::BinariesBuf;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RecordBatch;
use crate::model::record_batch::Rejection;
use crate::model::state::FiredTimers;
use crate::model::state::TimeDomain;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::UNENCODABLE;
use crate::pipeline::fakes::counter::Known;
use crate::pipeline::fakes::counter::Sums;
use crate::pipeline::fakes::counter::add_up;
use crate::pipeline::fakes::counter::emission;
use crate::pipeline::fakes::counter::failed;
use crate::pipeline::fakes::echo::trap;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::state_ports::StateSlot;
use crate::pipeline::state_ports::TaskState;

/// What a record or a timer does with the timers of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Registers one, so long after its own time.
    Register {
        tag: u8,
        after_ms: i64,
    },
    Cancel {
        tag: u8,
    },
}

/// What a record does, by its value.
pub(crate) fn acts_of_record(value: i64) -> &'static [Act] {
    match value.rem_euclid(9) {
        0 => &[Act::Register { tag: 0, after_ms: 30 }],
        1 => &[Act::Register { tag: 1, after_ms: -100 }],
        2 => &[Act::Cancel { tag: 1 }, Act::Cancel { tag: 0 }],
        3 => &[Act::Register { tag: 1, after_ms: 60 }],
        4 => &[Act::Register { tag: 2, after_ms: 12 }],
        5 => &[Act::Cancel { tag: 2 }],
        6 => &[Act::Register { tag: 3, after_ms: 25 }],
        7 => &[Act::Register { tag: 4, after_ms: 25 }, Act::Register { tag: 0, after_ms: 40 }],
        _ => &[],
    }
}

/// What a timer does, by its tag.
pub(crate) fn acts_of_timer(tag: u8) -> &'static [Act] {
    match tag {
        // Again and again, until a record cancels it.
        2 => &[Act::Register { tag: 2, after_ms: 9 }],
        3 => &[Act::Cancel { tag: 0 }],
        4 => &[Act::Register { tag: 0, after_ms: 4 }],
        _ => &[],
    }
}

/// Adds up values as [`Counter`](super::counter::Counter) does. A timer adds its tag and emits the sum
/// negated.
pub(crate) struct Alarms {
    pub(crate) world: Shared,
    pub(crate) known: Known,
}

impl Guest for Alarms {
    fn invoke(&mut self, batch: &RecordBatch, state: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        let mut world = self.world.borrow_mut();
        // What a failed call has learned goes with the instance.
        let mut known = std::mem::take(&mut self.known);
        let invoked = add_up(&mut world, batch, state, &mut known, |_, state, row| {
            acts_of_record(row.value).iter().try_for_each(|act| apply(state, row.key, row.time, *act))
        })?;
        self.known = known;
        Ok(invoked)
    }

    fn fire(&mut self, fired: &FiredTimers, state: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        let mut world = self.world.borrow_mut();
        world.fires += 1;
        let mut known = std::mem::take(&mut self.known);
        let state = state.as_deref_mut().expect("a state is lent");
        let mut sums = Sums::new(state, fired.partition, &mut known);
        // Timers that others of this call have cancelled or moved.
        let mut replaced: BTreeSet<(Vec<u8>, u8)> = BTreeSet::new();
        let (mut emitted, mut sources, mut rejections) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..fired.len() {
            let timer = fired.get(index).expect("a timer");
            let (key, &[tag]) = (timer.key.to_vec(), timer.tag) else { panic!("{timer:?}") };
            if replaced.contains(&(key.clone(), tag)) {
                continue;
            }
            if world.timer_traps.contains(&key) {
                return Err(trap());
            }
            if world.timer_rejects.contains(&key) {
                rejections.push(Rejection { rows: vec![index as u32], reason: "scripted".to_owned() });
                continue;
            }
            let sum = sums.get(&key)?.expect("a sum is there") + i64::from(tag);
            sums.set(&key, Some(sum))?;
            for act in acts_of_timer(tag) {
                apply(sums.state, &key, timer.time, *act)?;
                let (Act::Register { tag, .. } | Act::Cancel { tag }) = *act;
                replaced.insert((key.clone(), tag));
            }
            emitted.push(if world.timer_unencodable.contains(&key) { UNENCODABLE } else { -sum });
            sources.push(index as u32);
        }
        self.known = known;
        Ok(Invoked { emissions: emission(emitted, sources), rejections })
    }

    fn release(&mut self) {
        self.known.clear();
    }
}

fn apply(state: &mut dyn TaskState, key: &[u8], time: i64, act: Act) -> Result<(), InvokeFailure> {
    let (Act::Register { tag, .. } | Act::Cancel { tag }) = act;
    let keys: BinariesBuf = [Some(key)].into_iter().collect();
    let tags: BinariesBuf = [Some([tag])].into_iter().collect();
    let applied = match act {
        Act::Register { after_ms, .. } => {
            state.register_timers(TimeDomain::Event, keys.as_ref(), tags.as_ref(), &[time + after_ms])
        }
        Act::Cancel { .. } => state.cancel_timers(TimeDomain::Event, keys.as_ref(), tags.as_ref()),
    };
    applied.map_err(failed)
}
