//! Does to state and timers what each record says, and answers with what it saw. For tests that compare
//! a host with a model.
//!
//! | command | with | answer |
//! |---|---|---|
//! | `Get`, `Add`, `Delete` | `value` to add | the number of the key before |
//! | `MapGet`, `MapPut`, `MapDelete` | `entry`, `value` | the entry's number before |
//! | `MapScan` | `entry`: the first; `value`: how many | the entries |
//! | `MapClear` | | |
//! | `FadingGet`, `FadingPut`, `FadingScan` | as of the map | of a map whose entries live 10 s by event time |
//! | `Push`, `Pop`, `Elements` | `value` | how many elements there are after; the elements |
//! | `IsFirst` | `entry` | 1 for the first time |
//! | `CountPartition` | | how often it came, in this partition |
//! | `Register`, `Cancel` | `entry`: the tag, `value`: the time | |
//! | `RegisterProcessing`, `CancelProcessing` | likewise | |
//!
//! A timer that fires answers with the operation `Fired`, its tag, its time, and the number of its key. A
//! command with `reject` is set aside after it was done, so that it must leave nothing behind. The key is
//! a text; without one everything but `CountPartition` is rejected.

use wasmill_sdk::prelude::*;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Record)]
#[record(namespace = "wasmill.probe")]
pub enum Operation {
    Get,
    Add,
    Delete,
    MapGet,
    MapPut,
    MapDelete,
    MapScan,
    MapClear,
    FadingGet,
    FadingPut,
    FadingScan,
    Push,
    Pop,
    Elements,
    IsFirst,
    CountPartition,
    Register,
    Cancel,
    RegisterProcessing,
    CancelProcessing,
    Fired,
}

/// A record of the input.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "wasmill.probe")]
pub struct Command {
    pub operation: Operation,
    #[record(default = "")]
    pub entry: String,
    #[record(default = 0)]
    pub value: i64,
    /// Event time, in milliseconds.
    #[record(default = 0)]
    pub at: i64,
    #[record(default = false)]
    pub reject: bool,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "wasmill.probe")]
pub struct Answer {
    pub operation: Operation,
    /// That of the command, or the tag of a timer.
    pub entry: String,
    pub number: Option<i64>,
    pub entries: Vec<Entry>,
    /// The event watermark; the time of a timer.
    pub time: Option<i64>,
}

/// An entry of a map, or an element of a list by its place.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "wasmill.probe")]
pub struct Entry {
    pub entry: String,
    pub value: i64,
}

/// Does to state and timers what each record says.
#[transform]
#[input(commands, key = String, event_time = "at", out_of_orderness = "1s")]
pub struct StateProbe {
    number: Value<i64>,
    map: Map<String, i64>,
    #[state(ttl = "10s", ttl_time = "event")]
    fading: Map<String, i64>,
    list: List<i64>,
    #[state(ttl = "10s")]
    seen: Deduplicate<String>,
    #[state(scope = "partition")]
    counted: Reducing<i64, wasmill_sdk::state::Sum>,
    timers: Timers<AnyTime>,
    answers: Output<Answer>,
}

impl Process<Command> for StateProbe {
    fn process(&mut self, command: Command, ctx: &mut Context<'_>) -> Result<()> {
        let Command { operation, entry, value, reject, .. } = command;
        let mut entries = Vec::new();
        let number = self.apply(operation, &entry, value, &mut entries)?;
        self.answers.emit(Answer { operation, entry, number, entries, time: ctx.watermark() })?;
        if reject {
            reject!("as commanded");
        }
        Ok(())
    }
}

impl StateProbe {
    fn apply(
        &mut self,
        operation: Operation,
        entry: &str,
        value: i64,
        entries: &mut Vec<Entry>,
    ) -> Result<Option<i64>> {
        let limit = usize::try_from(value).unwrap_or_default();
        let number = match operation {
            Operation::Get => self.number.get()?,
            Operation::Add => {
                let before = self.number.get()?;
                self.number.set(before.unwrap_or_default().wrapping_add(value))?;
                before
            }
            Operation::Delete => {
                let before = self.number.get()?;
                self.number.clear()?;
                before
            }
            Operation::MapGet => self.map.get(entry)?,
            Operation::MapPut => {
                let before = self.map.get(entry)?;
                self.map.insert(entry, value)?;
                before
            }
            Operation::MapDelete => {
                let before = self.map.get(entry)?;
                self.map.remove(entry)?;
                before
            }
            Operation::MapScan => {
                list(self.map.first(entry.., limit)?, entries)?;
                None
            }
            Operation::MapClear => {
                self.map.clear()?;
                None
            }
            Operation::FadingGet => self.fading.get(entry)?,
            Operation::FadingPut => {
                let before = self.fading.get(entry)?;
                self.fading.insert(entry, value)?;
                before
            }
            Operation::FadingScan => {
                list(self.fading.first(entry.., limit)?, entries)?;
                None
            }
            Operation::Push => {
                self.list.push(value)?;
                Some(i64::try_from(self.list.len()?)?)
            }
            Operation::Pop => {
                self.list.pop_front()?;
                Some(i64::try_from(self.list.len()?)?)
            }
            Operation::Elements => {
                for (place, value) in self.list.iter()?.enumerate() {
                    entries.push(Entry { entry: place.to_string(), value: value? });
                }
                None
            }
            Operation::IsFirst => Some(i64::from(self.seen.is_first(entry)?)),
            Operation::CountPartition => Some(self.counted.add(1)?),
            Operation::Register => {
                self.timers.register_event(value, entry)?;
                None
            }
            Operation::Cancel => {
                self.timers.cancel_event(entry)?;
                None
            }
            Operation::RegisterProcessing => {
                self.timers.register_processing(value, entry)?;
                None
            }
            Operation::CancelProcessing => {
                self.timers.cancel_processing(entry)?;
                None
            }
            Operation::Fired => reject!("`Fired` is an answer, not a command"),
        };
        Ok(number)
    }
}

fn list(found: impl Iterator<Item = Result<(String, i64)>>, entries: &mut Vec<Entry>) -> Result<()> {
    for found in found {
        let (entry, value) = found?;
        entries.push(Entry { entry, value });
    }
    Ok(())
}

impl OnTimer for StateProbe {
    fn on_timer(&mut self, timer: Timer<'_>, _: &mut Context<'_>) -> Result<()> {
        let number = self.number.get()?;
        let (entry, time) = (timer.tag().to_owned(), Some(timer.time()));
        self.answers.emit(Answer { operation: Operation::Fired, entry, number, entries: Vec::new(), time })
    }
}

#[cfg(test)]
mod tests {
    use wasmill_sdk::native::same_in_any_batches;

    use super::*;

    fn command(operation: Operation, entry: &str, value: i64) -> Command {
        Command { operation, entry: entry.to_owned(), value, at: 0, reject: false }
    }

    fn keyed(key: &str, command: Command) -> TestRecord<Command, String> {
        TestRecord::new(command).key(key.to_owned())
    }

    #[test]
    fn answers_are_what_was_seen() {
        let mut harness = TestHarness::new::<StateProbe>();
        let commands = [
            command(Operation::Add, "", 5),
            Command { reject: true, ..command(Operation::Add, "", 7) },
            command(Operation::Get, "", 0),
            command(Operation::MapPut, "b", 2),
            command(Operation::MapPut, "a", 1),
            command(Operation::MapScan, "", 10),
            command(Operation::MapScan, "b", 10),
            command(Operation::Push, "", 3),
            command(Operation::Elements, "", 0),
            command(Operation::IsFirst, "x", 0),
            command(Operation::IsFirst, "x", 0),
            command(Operation::CountPartition, "", 0),
            command(Operation::Register, "t", 500),
        ];
        harness.send_all(commands.map(|command| keyed("k", command)));
        harness.advance_event_time(500);
        let answers = harness.values::<Answer>("answers");
        let numbers: Vec<_> = answers.iter().map(|answer| answer.number).collect();
        let expected =
            [None, Some(5), None, None, None, None, Some(1), None, Some(1), Some(0), Some(1), None, Some(5)];
        assert_eq!(numbers, expected);
        let names = |at: usize| answers[at].entries.iter().map(|e| e.entry.as_str()).collect::<String>();
        assert_eq!((names(4), names(5), names(7)), ("ab".to_owned(), "b".to_owned(), "0".to_owned()));
        let fired = answers.last().expect("the timer");
        assert_eq!((fired.operation, fired.entry.as_str(), fired.time), (Operation::Fired, "t", Some(500)));
        assert_eq!(harness.rejected()[0].reason, "as commanded");
    }

    #[test]
    fn any_commands_in_any_batches_give_the_same() {
        use Operation::*;
        const OPERATIONS: [Operation; 18] = [
            Get,
            Add,
            Add,
            Delete,
            MapGet,
            MapPut,
            MapPut,
            MapDelete,
            MapScan,
            MapClear,
            FadingGet,
            FadingPut,
            FadingScan,
            Push,
            Pop,
            Elements,
            IsFirst,
            CountPartition,
        ];
        let harness = same_in_any_batches::<StateProbe>(&[], |harness| {
            let mut state = 7_u64;
            let mut random = move |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            let records: Vec<_> = (0..4000_i64)
                .map(|n| {
                    let at = n * 20 + random(500) as i64;
                    let entry = ["a", "b", "c", "d"][random(4) as usize];
                    let reject = random(10) == 0;
                    let command = match random(20) {
                        18 => command(Register, entry, at + random(3000) as i64),
                        19 => command(Cancel, entry, 0),
                        other => command(OPERATIONS[other as usize], entry, random(5) as i64),
                    };
                    keyed(&format!("key-{}", random(5)), Command { at, reject, ..command })
                })
                .collect();
            harness.send_all(records);
            harness.advance_event_time(1_000_000);
        });
        let fired = |answer: &&Answer| answer.operation == Operation::Fired;
        let answers = harness.values::<Answer>("answers");
        assert!(answers.iter().filter(fired).count() > 50);
        assert!(harness.rejected().len() > 200);
    }
}
