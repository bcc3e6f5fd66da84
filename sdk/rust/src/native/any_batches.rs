//! The same records in batches of any size.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the test kit tells a test what is wrong by panicking"
)]

use crate::avro_type::Kind;
use crate::columns::Columns;
use crate::columns::Pass;
use crate::manifest::Part;
use crate::native::cell;
use crate::native::test_harness::Emitted;
use crate::native::test_harness::Rejected;
use crate::native::test_harness::RejectedTimer;
use crate::native::test_harness::TestHarness;
use crate::native::test_state::PendingTimer;
use crate::schema::Schema;
use crate::transform::Transform;

/// How many records a batch of a test has at most, and how many timers fire in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// All that are sent at once.
    Whole,
    /// So many.
    Fixed(usize),
    /// A random number of 1 to 100, from this seed.
    Random(u64),
}

impl BatchSize {
    /// The size of the next batch.
    pub(crate) fn next(&mut self, records: usize) -> usize {
        match self {
            Self::Whole => records.max(1),
            Self::Fixed(size) => (*size).max(1),
            Self::Random(seed) => {
                // Xorshift; it must not be 0.
                let mut state = (*seed).max(1);
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *seed = state;
                (state % 100) as usize + 1
            }
        }
    }
}

/// Runs `script` on a harness of its own for each of several batch sizes (1, 7, 1000, and random ones),
/// and compares everything that it emitted, set aside and left in state and timers. Gives the last
/// harness, for further assertions.
///
/// ```
/// use wasmill_sdk::native::same_in_any_batches;
/// use wasmill_sdk::prelude::*;
///
/// /// Numbers the records of each key.
/// #[transform]
/// #[input(words, key = String)]
/// struct Number {
///     last: Value<i64>,
///     numbers: Output<i64>,
/// }
///
/// impl Process<String> for Number {
///     fn process(&mut self, _: String, _: &mut Context<'_>) -> Result<()> {
///         let number = self.last.get_or_default()? + 1;
///         self.numbers.emit(number)?;
///         self.last.set(number)
///     }
/// }
///
/// let harness = same_in_any_batches::<Number>(&[], |harness| {
///     harness.send_all((0..2000).map(|n| TestRecord::new("word".to_owned()).key(format!("k-{}", n % 30))));
/// });
/// assert_eq!(harness.values::<i64>("numbers").len(), 2000);
/// ```
///
/// # Panics
/// When the results differ: the message has the batch size and the first difference.
pub fn same_in_any_batches<T: Transform>(
    config: &[(&str, &str)],
    script: impl Fn(&mut TestHarness),
) -> TestHarness {
    let run = |size| {
        let mut harness = TestHarness::with_config::<T>(config);
        harness.set_batch_size(size);
        script(&mut harness);
        let results = Results::of(&harness);
        (harness, results)
    };
    let (mut harness, expected) = run(BatchSize::Whole);
    for size in [
        BatchSize::Fixed(1),
        BatchSize::Fixed(7),
        BatchSize::Fixed(1000),
        BatchSize::Random(1),
        BatchSize::Random(0x9e37_79b9_7f4a_7c15),
    ] {
        let (other, results) = run(size);
        expected.compare(&results, size);
        harness = other;
    }
    harness
}

/// All that a transform has left behind.
struct Results {
    outputs: Vec<String>,
    rejected: Vec<Rejected>,
    rejected_timers: Vec<RejectedTimer>,
    state: Vec<KeptEntry>,
    timers: Vec<PendingTimer>,
}

impl Results {
    fn of(harness: &TestHarness) -> Self {
        let stores = harness.declaration.state.as_ref().map_or(0, |state| state.stores.len());
        let state = (0..stores).flat_map(|store| {
            let entries = harness.runner.state().entries(store);
            entries.map(move |((key, suffix), entry)| KeptEntry {
                store,
                key: key.clone(),
                suffix: suffix.clone(),
                body: entry.body.clone(),
            })
        });
        // Across ports and partitions there is no order.
        let mut outputs = Vec::new();
        for port in 0..harness.declaration.outputs.len() {
            let of_port = harness.outputs.iter().filter(|emitted| emitted.port as usize == port);
            outputs.extend(of_port.map(|emitted| harness.text(emitted)));
        }
        let mut rejected = harness.rejected().to_vec();
        rejected.sort_by_key(|rejected| rejected.record);
        Self {
            outputs,
            rejected,
            rejected_timers: harness.rejected_timers().to_vec(),
            state: state.collect(),
            timers: harness.timers(),
        }
    }

    fn compare(&self, other: &Self, size: BatchSize) {
        same("output record", &self.outputs, &other.outputs, size);
        same("rejected record", &self.rejected, &other.rejected, size);
        same("rejected timer", &self.rejected_timers, &other.rejected_timers, size);
        same("entry of state", &self.state, &other.state, size);
        same("timer", &self.timers, &other.timers, size);
    }
}

/// An entry of state.
#[derive(Debug, PartialEq)]
struct KeptEntry {
    store: usize,
    key: Vec<u8>,
    suffix: Vec<u8>,
    body: Vec<u8>,
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, whole: &[T], other: &[T], size: BatchSize) {
    let first = (0..whole.len().max(other.len())).find(|at| whole.get(*at) != other.get(*at));
    if let Some(at) = first {
        panic!(
            "{what} {at} differs with {size:?}:\n  {:?}\nbut in one batch\n  {:?}",
            other.get(at),
            whole.get(at)
        );
    }
}

impl TestHarness {
    /// An output record as text, with where it takes its parts from.
    fn text(&self, emitted: &Emitted) -> String {
        let port = &self.declaration.outputs[emitted.port as usize];
        let rows = &*emitted.rows;
        let input = &self.inputs[emitted.input];
        let source = match (emitted.source, &input.numbers) {
            (Some(row), Some(numbers)) => format!("record {}", numbers[row as usize]),
            (Some(row), None) => {
                format!("timer {}", Self::part_text(&input.rows, input.rows.timestamp, row, "\"long\""))
            }
            (None, _) => "unknown".to_owned(),
        };
        let value = match emitted.schema {
            Some(id) => self.runner.schema_text(id).unwrap_or_default().to_owned(),
            None => schema_text(&port.value),
        };
        let key = port.key.as_ref().map(schema_text).unwrap_or_default();
        let row = emitted.row as u32;
        format!(
            "{} from {source}: {} key {} timestamp {} headers {}",
            port.name,
            Self::part_text(rows, rows.value, row, &value),
            Self::part_text(rows, rows.key, row, &key),
            Self::part_text(rows, rows.timestamp, row, "\"long\""),
            Self::part_text(rows, rows.headers, row, HEADERS),
        )
    }

    /// A part of a record; empty if it is copied from the source.
    fn part_text(rows: &crate::wire::Rows, root: Option<u32>, row: u32, schema: &str) -> String {
        let Some(root) = root else {
            return String::new();
        };
        let schema = Schema::parse(schema).unwrap_or_else(|error| panic!("{error}"));
        let mut out = String::new();
        let all = Columns::new(&rows.columns, Pass::All);
        cell::write(&schema, all, root, row as usize, &mut out).unwrap_or_else(|error| panic!("{error}"));
        out
    }
}

const HEADERS: &str = "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"Header\",\"fields\":[{\"name\":\"key\",\"type\":\"string\"},{\"name\":\"value\",\"type\":[\"null\",\"bytes\"]}]}}";

fn schema_text(part: &Part) -> String {
    if part.kind == Kind::Raw { "\"bytes\"".to_owned() } else { part.schema() }
}
