//! What the probe must come to: maps in memory, one record after the other.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::probe::answer::Answer;
use crate::probe::command::Command;
use crate::probe::command::Operation;

/// Of the guest's input: how far the event watermark stays behind, and its steps.
const OUT_OF_ORDERNESS_MS: i64 = 1_000;
const GRANULARITY_MS: i64 = 100;
/// Of the guest's `fading` and `seen`.
const TTL_MS: i64 = 10_000;

/// Key and entry, or key and tag.
pub(super) type EntryKey = (String, String);

/// State and timers of one partition, and what came out of it.
#[derive(Debug, Default)]
pub struct Model {
    /// Whether late commands are copied instead of done.
    copies_late: bool,
    event_time_max: Option<i64>,
    pub(super) event_watermark: Option<i64>,
    /// The first one that anything was done under: what was written before counts as written then.
    first_watermark: Option<i64>,
    pub(super) numbers: BTreeMap<String, i64>,
    pub(super) maps: BTreeMap<EntryKey, i64>,
    pub(super) fading: BTreeMap<EntryKey, Written<i64>>,
    pub(super) lists: BTreeMap<String, VecDeque<i64>>,
    pub(super) seen: BTreeMap<EntryKey, Written<()>>,
    pub(super) counted: i64,
    pub(super) timers: BTreeMap<EntryKey, i64>,
    /// In the order in which they must stand in the topic.
    pub answers: Vec<Answer>,
    /// Commands that must be among the dead letters.
    pub rejected: Vec<Command>,
    /// Commands that must be among the late ones.
    pub late: Vec<Command>,
}

/// A value, and the event watermark under which it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written<T> {
    pub(super) value: T,
    at: Option<i64>,
}

impl Model {
    #[must_use]
    pub fn new(copies_late: bool) -> Self {
        Self { copies_late, ..Self::default() }
    }

    /// Does the next command, and then whatever is due.
    pub fn apply(&mut self, command: &Command) {
        let is_late = self.event_watermark.is_some_and(|watermark| command.at < watermark);
        if self.copies_late && is_late {
            self.late.push(command.clone());
            return;
        }
        self.first_watermark = self.first_watermark.or(self.event_watermark);
        if command.reject {
            // As if it had not been there: it moves no watermark either.
            self.rejected.push(command.clone());
            return;
        }
        let mut entries = Vec::new();
        let number = self.perform(command, &mut entries);
        self.answers.push(Answer {
            key: command.key.clone(),
            operation: command.operation,
            entry: command.entry.clone(),
            number,
            entries,
            time: self.event_watermark,
            timestamp: command.at,
        });
        let largest = self.event_time_max.max(Some(command.at)).unwrap_or(command.at);
        self.event_time_max = Some(largest);
        let step = (largest - OUT_OF_ORDERNESS_MS).div_euclid(GRANULARITY_MS) * GRANULARITY_MS;
        let watermark = self.event_watermark.map_or(step, |before| before.max(step));
        self.event_watermark = Some(watermark);
        self.fire(watermark);
    }

    /// Fires timers up to a time, by time, key and tag.
    fn fire(&mut self, until: i64) {
        let due = self.timers.iter().filter(|(_, time)| **time <= until);
        let mut due: Vec<(i64, EntryKey)> = due.map(|(timer, time)| (*time, timer.clone())).collect();
        due.sort();
        for (time, timer) in due {
            self.timers.remove(&timer);
            let (key, tag) = timer;
            let number = self.numbers.get(&key).copied();
            self.answers.push(Answer {
                key,
                operation: Operation::Fired,
                entry: tag,
                number,
                entries: Vec::new(),
                time: Some(time),
                timestamp: time,
            });
        }
    }

    /// Whether the time to live of what was written has passed.
    pub(super) fn is_expired<T>(&self, written: &Written<T>) -> bool {
        let at = written.at.or(self.first_watermark);
        matches!((at, self.event_watermark), (Some(at), Some(now)) if at <= now - TTL_MS)
    }

    fn perform(&mut self, command: &Command, entries: &mut Vec<(String, i64)>) -> Option<i64> {
        let Command { key, operation, entry, value, .. } = command;
        let timer = || (key.clone(), entry.clone());
        let limit = usize::try_from(*value).unwrap_or_default();
        match operation {
            Operation::Get => self.numbers.get(key).copied(),
            Operation::Add => {
                let number = self.numbers.get(key).copied();
                self.numbers.insert(key.clone(), number.unwrap_or_default() + value);
                number
            }
            Operation::Delete => self.numbers.remove(key),
            Operation::MapGet => self.maps.get(&timer()).copied(),
            Operation::MapPut => self.maps.insert(timer(), *value),
            Operation::MapDelete => self.maps.remove(&timer()),
            Operation::MapScan => {
                let from = self.maps.range(timer()..).take_while(|((of, _), _)| of == key);
                entries.extend(from.take(limit).map(|((_, entry), value)| (entry.clone(), *value)));
                None
            }
            Operation::MapClear => {
                self.maps.retain(|(of, _), _| of != key);
                None
            }
            Operation::FadingGet => self.unfaded(&timer()),
            Operation::FadingPut => {
                let before = self.unfaded(&timer());
                self.fading.insert(timer(), Written { value: *value, at: self.event_watermark });
                before
            }
            Operation::FadingScan => {
                let from = self.fading.range(timer()..).take_while(|((of, _), _)| of == key);
                let alive = from.filter(|(_, written)| !self.is_expired(written));
                entries.extend(alive.take(limit).map(|((_, entry), written)| (entry.clone(), written.value)));
                None
            }
            Operation::Push => {
                let list = self.lists.entry(key.clone()).or_default();
                list.push_back(*value);
                Some(list.len() as i64)
            }
            Operation::Pop => {
                let list = self.lists.entry(key.clone()).or_default();
                list.pop_front();
                Some(list.len() as i64)
            }
            Operation::Elements => {
                let list = self.lists.get(key).into_iter().flatten().enumerate();
                entries.extend(list.map(|(place, value)| (place.to_string(), *value)));
                None
            }
            Operation::IsFirst => {
                let is_first = self.seen.get(&timer()).is_none_or(|seen| self.is_expired(seen));
                if is_first {
                    self.seen.insert(timer(), Written { value: (), at: self.event_watermark });
                }
                Some(i64::from(is_first))
            }
            Operation::CountPartition => {
                self.counted += 1;
                Some(self.counted)
            }
            Operation::Register => {
                self.timers.insert(timer(), *value);
                None
            }
            Operation::Cancel => {
                self.timers.remove(&timer());
                None
            }
            Operation::RegisterProcessing | Operation::CancelProcessing | Operation::Fired => None,
        }
    }

    fn unfaded(&self, entry: &EntryKey) -> Option<i64> {
        let written = self.fading.get(entry)?;
        (!self.is_expired(written)).then_some(written.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(operation: Operation, entry: &str, value: i64, at: i64) -> Command {
        Command { key: "k".to_owned(), operation, entry: entry.to_owned(), value, at, reject: false }
    }

    fn numbers(model: &Model) -> Vec<Option<i64>> {
        model.answers.iter().map(|answer| answer.number).collect()
    }

    #[test]
    fn what_is_set_aside_leaves_nothing() {
        let mut model = Model::new(false);
        model.apply(&command(Operation::Add, "", 5, 0));
        model.apply(&Command { reject: true, ..command(Operation::Add, "", 7, 90_000) });
        model.apply(&command(Operation::Get, "", 0, 0));
        assert_eq!(numbers(&model), [None, Some(5)]);
        assert_eq!((model.rejected.len(), model.event_watermark), (1, Some(-1000)));
    }

    #[test]
    fn values_fade_and_timers_fire_by_the_watermark() {
        let mut model = Model::new(true);
        model.apply(&command(Operation::FadingPut, "a", 1, 1_000));
        model.apply(&command(Operation::Register, "t", 4_950, 1_000));
        model.apply(&command(Operation::Add, "", 3, 6_000));
        assert_eq!(model.answers.last().expect("a timer").operation, Operation::Fired);
        assert_eq!(model.answers.last().expect("a timer").number, Some(3));
        model.apply(&command(Operation::FadingGet, "a", 0, 10_999));
        model.apply(&command(Operation::FadingGet, "a", 0, 11_000));
        model.apply(&command(Operation::FadingGet, "a", 0, 11_000));
        assert_eq!(numbers(&model)[4..], [Some(1), Some(1), None]);
        model.apply(&command(Operation::Get, "", 0, 9_999));
        assert_eq!((model.late.len(), model.answers.len()), (1, 7));
    }
}
