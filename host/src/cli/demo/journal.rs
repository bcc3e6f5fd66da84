//! What was sent, what came back, and whether the two agree.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::cli::demo::payments::LargePayment;
use crate::cli::demo::payments::Payment;
use crate::cli::demo::payments::Record;

/// Payments of which input and output are shown.
pub(super) const SAMPLES: usize = 6;

/// How many results have come back so far.
#[derive(Debug, Default)]
pub(super) struct Journal {
    outputs: AtomicU64,
    dead_letters: AtomicU64,
}

impl Journal {
    pub(super) fn output(&self) {
        self.outputs.fetch_add(1, Relaxed);
    }

    pub(super) fn dead_letter(&self) {
        self.dead_letters.fetch_add(1, Relaxed);
    }

    pub(super) fn returned(&self) -> u64 {
        self.outputs.load(Relaxed) + self.dead_letters.load(Relaxed)
    }
}

/// A sum that does not depend on the order of records, over key and value bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) checksum: u64,
}

impl Sum {
    pub(super) fn add(&mut self, key: &[u8], body: &[u8]) {
        self.count += 1;
        self.checksum = self.checksum.wrapping_add(hash(key, body));
    }
}

/// FNV-1a over the length of the key, the key and the body.
fn hash(key: &[u8], body: &[u8]) -> u64 {
    let length = (key.len() as u64).to_le_bytes();
    let bytes = length.iter().chain(key).chain(body);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What must come back.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) outputs: Sum,
    /// The dead letters keep their bytes.
    pub(super) dead_letters: Sum,
    pub(super) samples: Vec<Payment>,
}

impl Expected {
    pub(super) fn add(&mut self, record: &Record) {
        let key = record.payment.account.as_bytes();
        if record.poison.is_some() {
            self.dead_letters.add(key, &record.value);
            return;
        }
        if self.samples.len() < SAMPLES {
            self.samples.push(record.payment.clone());
        }
        if let Some(large) = record.payment.kept() {
            self.outputs.add(key, &large.encode());
        }
    }

    pub(super) fn returned(&self) -> u64 {
        self.outputs.count + self.dead_letters.count
    }
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) outputs: Sum,
    pub(super) dead_letters: Sum,
    /// Schema ids of the outputs, with how often each stands.
    pub(super) schema_ids: BTreeMap<u32, u64>,
    /// Outputs that could not be read.
    pub(super) unreadable: u64,
    /// By `ts`, the outputs of the first payments.
    pub(super) samples: BTreeMap<i64, LargePayment>,
    /// By code.
    pub(super) codes: BTreeMap<String, u64>,
    /// The first dead letter of each code.
    pub(super) letters: BTreeMap<String, DeadLetter>,
}

#[derive(Debug, Clone)]
pub(super) struct DeadLetter {
    pub(super) key: String,
    pub(super) origin: String,
    pub(super) stage: String,
    pub(super) message: String,
}

/// Every way in which what came back is not what must come back, as sentences.
pub(super) fn compare(expected: &Expected, found: &Found, output_schema: u32) -> Vec<String> {
    let mut problems = Vec::new();
    let sums = [
        ("outputs", expected.outputs, found.outputs),
        ("dead letters", expected.dead_letters, found.dead_letters),
    ];
    for (what, expected, found) in sums {
        if expected.count != found.count {
            problems.push(format!("{} {what} came, {} were expected", found.count, expected.count));
        } else if expected.checksum != found.checksum {
            problems.push(format!(
                "the checksum of the {what} is {:016x}, not {:016x}",
                found.checksum, expected.checksum
            ));
        }
    }
    if found.unreadable > 0 {
        problems.push(format!("{} outputs cannot be read", found.unreadable));
    }
    let others: Vec<String> =
        found.schema_ids.keys().filter(|id| **id != output_schema).map(ToString::to_string).collect();
    if !others.is_empty() {
        problems.push(format!(
            "outputs carry the schema ids {}, the registry has {output_schema}",
            others.join(", ")
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::payments::Generator;

    /// Keys and bodies.
    type Outputs = Vec<(Vec<u8>, Vec<u8>)>;

    /// A pipeline that does its work.
    fn run(records: u64) -> (Expected, Found, Outputs) {
        let (mut expected, mut found, mut outputs) = (Expected::default(), Found::default(), Vec::new());
        let mut generator = Generator::new(3, 1);
        for _ in 0..records {
            let record = generator.next();
            expected.add(&record);
            let key = record.payment.account.as_bytes().to_vec();
            match (record.poison, record.payment.kept()) {
                (Some(_), _) => found.dead_letters.add(&key, &record.value),
                (None, Some(large)) => outputs.push((key, large.encode())),
                (None, None) => {}
            }
        }
        *found.schema_ids.entry(2).or_default() += 1;
        (expected, found, outputs)
    }

    #[test]
    fn the_same_records_in_another_order_agree() {
        let (expected, mut found, outputs) = run(50_000);
        assert!(expected.dead_letters.count > 0);
        outputs.iter().rev().for_each(|(key, body)| found.outputs.add(key, body));
        assert_eq!(compare(&expected, &found, 2), Vec::<String>::new());
        assert_eq!(expected.samples.len(), SAMPLES);
    }

    #[test]
    fn a_lost_a_doubled_a_changed_and_a_misnamed_record_are_found() {
        let (expected, found, outputs) = run(1_000);
        let with = |outputs: &[(Vec<u8>, Vec<u8>)]| {
            let mut sum = Sum::default();
            outputs.iter().for_each(|(key, body)| sum.add(key, body));
            let found = Found { outputs: sum, schema_ids: found.schema_ids.clone(), ..Found::default() };
            compare(
                &Expected { dead_letters: Sum::default(), outputs: expected.outputs, samples: Vec::new() },
                &found,
                2,
            )
        };
        assert!(with(&outputs).is_empty());
        assert!(with(&outputs[1..])[0].contains("were expected"));
        let mut changed = outputs.clone();
        changed[0] = changed[1].clone();
        assert!(with(&changed)[0].contains("checksum"));
        let mut swapped = outputs.clone();
        swapped[0].0 = outputs[1].0.clone();
        assert!(with(&swapped)[0].contains("checksum"));
        assert!(
            compare(&Expected::default(), &Found { schema_ids: [(9, 1)].into(), ..Found::default() }, 2)[0]
                .contains("schema ids 9")
        );
    }
}
