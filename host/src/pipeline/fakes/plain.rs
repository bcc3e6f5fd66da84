//! What is to come out of a log, one record and one timer after another, in the plainest way.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::state::EventClock;
use crate::pipeline::fakes::SILENCE_MS;
use crate::pipeline::fakes::alarms::Act;
use crate::pipeline::fakes::alarms::acts_of_record;
use crate::pipeline::fakes::alarms::acts_of_timer;
use crate::pipeline::fakes::counter::TAG;
use crate::pipeline::fakes::records::Entry;
use crate::pipeline::fakes::records::number;
use crate::pipeline::settings::LatePolicy;

/// Key, value and timestamp of a record that was written.
pub(crate) type Written = (Option<Vec<u8>>, Option<i64>, Option<i64>);
/// Key and tag.
type Timer = (Vec<u8>, Vec<u8>);

/// Which transform runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transform {
    Counter,
    Alarms,
}

/// What a script says of the input; the same for every run of it.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) traps: BTreeSet<i64>,
    pub(crate) rejects: BTreeSet<i64>,
    pub(crate) undecodable: BTreeSet<i64>,
    pub(crate) unencodable: BTreeSet<i64>,
    pub(crate) refused_key: Vec<u8>,
    pub(crate) timer_traps: BTreeSet<Vec<u8>>,
    pub(crate) timer_rejects: BTreeSet<Vec<u8>>,
    pub(crate) timer_unencodable: BTreeSet<Vec<u8>>,
    pub(crate) timer_refused: BTreeSet<Vec<u8>>,
}

/// Everything that a run leaves behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) outputs: Vec<Written>,
    pub(crate) letters: Vec<Written>,
    pub(crate) late: Vec<Written>,
    pub(crate) sums: BTreeMap<Vec<u8>, i64>,
    pub(crate) timers: BTreeMap<Timer, i64>,
    pub(crate) clock: EventClock,
}

impl Outcome {
    /// What a log comes to.
    pub(crate) fn of(transform: Transform, log: &[Entry], script: &Script, late: LatePolicy) -> Self {
        let mut outcome = Self::default();
        for entry in log {
            outcome.take(transform, entry, script, late);
            while let Some((time, timer)) = outcome.first_due() {
                outcome.timers.remove(&timer);
                outcome.fire(transform, time, timer, script);
            }
        }
        outcome
    }

    fn take(&mut self, transform: Transform, entry: &Entry, script: &Script, late: LatePolicy) {
        let (key, value) = (entry.key.clone().expect("a key"), number(&entry.value));
        let time = entry.timestamp.expect("a time");
        let letter = (Some(key.clone()), Some(value), None);
        if script.undecodable.contains(&value) {
            self.letters.push(letter);
            return;
        }
        let is_late = self.clock.event_watermark.is_some_and(|watermark| time < watermark);
        if is_late && late != LatePolicy::Process {
            if matches!(late, LatePolicy::Copy(_)) {
                self.late.push((Some(key), Some(value), Some(time)));
            }
            return;
        }
        let bad = [&script.traps, &script.rejects, &script.unencodable];
        if bad.iter().any(|set| set.contains(&value)) || key == script.refused_key {
            self.letters.push(letter);
            return;
        }
        let sum = self.sums.entry(key.clone()).or_default();
        *sum += value;
        self.outputs.push((Some(key.clone()), Some(*sum), Some(time)));
        match transform {
            Transform::Counter => _ = self.timers.insert((key, TAG.to_vec()), time + SILENCE_MS),
            Transform::Alarms => self.act(&key, time, acts_of_record(value)),
        }
        // Event time as of the rig: 20 ms out of order, in steps of 10.
        let clock = &mut self.clock;
        clock.event_time_max = clock.event_time_max.max(Some(time));
        let watermark = clock.event_time_max.map(|largest| (largest - 20).div_euclid(10) * 10);
        clock.event_watermark = clock.event_watermark.max(watermark);
    }

    fn first_due(&self) -> Option<(i64, Timer)> {
        let (timer, time) = self.timers.iter().min_by_key(|(timer, time)| (**time, *timer))?;
        (Some(*time) <= self.clock.event_watermark).then(|| (*time, timer.clone()))
    }

    fn fire(&mut self, transform: Transform, time: i64, (key, tag): Timer, script: &Script) {
        let bad =
            [&script.timer_traps, &script.timer_rejects, &script.timer_unencodable, &script.timer_refused];
        if bad.iter().any(|set| set.contains(&key)) {
            self.letters.push((Some(key), None, None));
            return;
        }
        let sum = match transform {
            Transform::Counter => self.sums.remove(&key).expect("a sum"),
            Transform::Alarms => {
                let sum = self.sums.get_mut(&key).expect("a sum");
                *sum += i64::from(tag[0]);
                *sum
            }
        };
        self.outputs.push((Some(key.clone()), Some(-sum), Some(time)));
        if transform == Transform::Alarms {
            self.act(&key, time, acts_of_timer(tag[0]));
        }
    }

    fn act(&mut self, key: &[u8], time: i64, acts: &[Act]) {
        for act in acts {
            match act {
                Act::Register { tag, after_ms } => {
                    self.timers.insert((key.to_vec(), vec![*tag]), time + after_ms);
                }
                Act::Cancel { tag } => _ = self.timers.remove(&(key.to_vec(), vec![*tag])),
            }
        }
    }
}
