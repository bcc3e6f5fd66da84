//! Random commands for one partition.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::probe::command::Command;
use crate::probe::command::Operation;

const KEYS: u32 = 12;
const ENTRIES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Each with its share.
const OPERATIONS: [(Operation, u32); 18] = [
    (Operation::Get, 6),
    (Operation::Add, 16),
    (Operation::Delete, 3),
    (Operation::MapGet, 4),
    (Operation::MapPut, 10),
    (Operation::MapDelete, 4),
    (Operation::MapScan, 3),
    (Operation::MapClear, 1),
    (Operation::FadingGet, 5),
    (Operation::FadingPut, 9),
    (Operation::FadingScan, 3),
    (Operation::Push, 6),
    (Operation::Pop, 6),
    (Operation::Elements, 3),
    (Operation::IsFirst, 8),
    (Operation::CountPartition, 4),
    (Operation::Register, 7),
    (Operation::Cancel, 3),
];

/// A seeded stream of commands: the same seed gives the same commands.
///
/// Event time goes on by 20 ms a command, out of order within what the guest allows; now and then it
/// leaps, and one command in thirty is late.
#[derive(Debug)]
pub struct Commands {
    random: StdRng,
    partition: i32,
    now: i64,
}

impl Commands {
    #[must_use]
    pub fn new(seed: u64, partition: i32) -> Self {
        let random = StdRng::seed_from_u64(seed ^ (partition as u64) << 32);
        Self { random, partition, now: 1_700_000_000_000 }
    }

    fn key(&self, key: u32) -> String {
        format!("p{}-{key}", self.partition)
    }

    /// Commands that show everything that is there, without any change but what a look counts.
    pub fn dump(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        for key in 0..KEYS {
            let mut ask = |operation, entry: &str, value| {
                let (key, entry) = (self.key(key), entry.to_owned());
                commands.push(Command { key, operation, entry, value, at: self.now, reject: false });
            };
            ask(Operation::Get, "", 0);
            ask(Operation::MapScan, "", 100);
            ask(Operation::FadingScan, "", 100);
            ask(Operation::Elements, "", 0);
            for entry in ENTRIES {
                ask(Operation::IsFirst, entry, 0);
            }
            ask(Operation::CountPartition, "", 0);
        }
        commands
    }

    /// Moves event time on, so that every timer fires and everything fades.
    pub fn leap(&mut self) {
        self.now += 60_000;
    }
}

impl Iterator for Commands {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        self.now += self.random.random_range(0..=40);
        if self.random.random_ratio(1, 400) {
            self.now += 5_000;
        }
        let behind = match self.random.random_range(0..30) {
            0 => self.random.random_range(1_000..5_000),
            1..=10 => self.random.random_range(0..1_000),
            _ => 0,
        };
        let at = self.now - behind;
        let mut share = self.random.random_range(0..OPERATIONS.iter().map(|(_, share)| share).sum());
        let mut operation = Operation::Get;
        for (candidate, weight) in OPERATIONS {
            if share < weight {
                operation = candidate;
                break;
            }
            share -= weight;
        }
        let value = match operation {
            // From the next move of the watermark on.
            Operation::Register => self.now + self.random.random_range(-800..4_500),
            Operation::MapScan | Operation::FadingScan => self.random.random_range(1..6),
            _ => self.random.random_range(-1_000..1_000),
        };
        let key = self.random.random_range(0..KEYS);
        let entry = ENTRIES[self.random.random_range(0..ENTRIES.len())].to_owned();
        Some(Command {
            key: self.key(key),
            operation,
            entry,
            value,
            at,
            reject: self.random.random_ratio(1, 25),
        })
    }
}
