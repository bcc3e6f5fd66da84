//! The test kit: records in, records out, no Wasm and no Kafka.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the test kit tells a test what is wrong by panicking"
)]

use std::collections::HashSet;

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::Read;
use crate::batch::ColumnRef;
use crate::manifest::Declaration;
use crate::manifest::Part;
use crate::native::any_batches::BatchSize;
use crate::native::event_clock::EventClocks;
use crate::native::event_clock::event_times;
use crate::native::logs;
use crate::native::logs::LogLine;
use crate::native::runner::Processed;
use crate::native::runner::Runner;
use crate::native::test_output::TestOutput;
use crate::native::test_record;
use crate::native::test_record::IntoTestRecord;
use crate::native::test_state;
use crate::schema_writer::SchemaWriter;
use crate::timers::Fired;
use crate::transform::Transform;
use crate::wire::Batch;
use crate::wire::Failure;
use crate::wire::Rows;
use crate::wire::SchemaId;

/// Runs a transform on records of a test, and does with its output what the host does: a rejected
/// record loses its outputs, outputs stand in the order of their sources, and what a transform does
/// not set is copied from the source record.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// /// Doubles numbers.
/// #[transform]
/// struct Double {
///     doubled: Output<i64>,
/// }
///
/// impl Process<i64> for Double {
///     fn process(&mut self, number: i64, _: &mut Context<'_>) -> Result<()> {
///         match number.checked_mul(2) {
///             Some(doubled) => self.doubled.emit(doubled),
///             None => reject!("{number} is too large"),
///         }
///     }
/// }
///
/// let mut harness = TestHarness::new::<Double>();
/// harness.send_all([1, i64::MAX, 3]);
/// assert_eq!(harness.values::<i64>("doubled"), [2, 6]);
/// assert_eq!(harness.rejected()[0].record, 1);
/// ```
#[allow(missing_debug_implementations, reason = "the transform need not have it")]
pub struct TestHarness {
    pub(crate) runner: Runner,
    pub(crate) declaration: Declaration,
    pub(crate) partition: u32,
    pub(crate) clocks: EventClocks,
    pub(crate) batch_size: BatchSize,
    next_offset: i64,
    /// Every batch sent, with all roots, and of timers what stands for them.
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Emitted>,
    rejected: Vec<Rejected>,
    rejected_timers: Vec<RejectedTimer>,
    late: u64,
}

/// What an invocation was given.
pub(crate) struct Input {
    pub(crate) rows: Rows,
    /// Each record's number in the order of sending; none for timers.
    pub(crate) numbers: Option<Vec<u64>>,
}

/// A record that the transform set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which record, in the order of sending, counted from 0.
    pub record: u64,
    /// Why.
    pub reason: String,
}

/// Records that were sent at once.
struct Sent<'s> {
    port: usize,
    schema: Option<SchemaId>,
    /// The number of the first.
    first: u64,
    /// Some of them as columns.
    rows: &'s dyn Fn(&[usize]) -> Rows,
    times: &'s [Option<i64>],
}

/// A timer that the transform set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedTimer {
    /// The tag that it was registered with.
    pub tag: String,
    /// The time that it was registered for.
    pub time: i64,
    /// Why.
    pub reason: String,
}

/// One emitted row.
pub(crate) struct Emitted {
    pub(crate) port: u32,
    pub(crate) schema: Option<SchemaId>,
    /// Shared by the rows of one `emit`.
    pub(crate) rows: std::rc::Rc<Rows>,
    pub(crate) row: usize,
    pub(crate) input: usize,
    pub(crate) source: Option<u32>,
}

impl TestHarness {
    /// Opens a transform with the defaults of its configuration.
    ///
    /// # Panics
    /// When a configuration key has no default.
    #[must_use]
    pub fn new<T: Transform>() -> Self {
        Self::with_config::<T>(&[])
    }

    /// Opens a transform with these configuration values.
    ///
    /// # Panics
    /// When a key is not declared, or the transform refuses its value.
    #[must_use]
    pub fn with_config<T: Transform>(config: &[(&str, &str)]) -> Self {
        logs::capture();
        let declaration = T::declaration();
        for (key, _) in config {
            let known = declaration.config.iter().any(|declared| declared.key == *key);
            assert!(known, "`{}` declares no config key `{key}`", declaration.name);
        }
        test_state::check_keys(&declaration);
        let runner =
            Runner::open::<T>(config).unwrap_or_else(|error| panic!("the transform does not open: {error}"));
        Self {
            runner,
            partition: 0,
            clocks: EventClocks::new(&declaration),
            batch_size: BatchSize::Whole,
            next_offset: 0,
            inputs: Vec::new(),
            outputs: Vec::new(),
            rejected: Vec::new(),
            rejected_timers: Vec::new(),
            late: 0,
            declaration,
        }
    }

    /// Sends one record to the first input port, as a batch of its own.
    ///
    /// # Panics
    /// When the transform fails as a whole, or the record has another type than the port.
    pub fn send(&mut self, record: impl IntoTestRecord) {
        self.send_all([record]);
    }

    /// Sends records to the first input port, as one batch.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    pub fn send_all(&mut self, records: impl IntoIterator<Item = impl IntoTestRecord>) {
        let name = self.declaration.inputs.first().map_or("", |(port, _)| port.name);
        self.send_to(name, records);
    }

    /// Sends records to an input port, as one batch.
    ///
    /// # Panics
    /// As [`send`](Self::send), or when there is no such port.
    pub fn send_to(&mut self, port: &str, records: impl IntoIterator<Item = impl IntoTestRecord>) {
        self.try_send_to(port, records).unwrap_or_else(|failure| panic!("the transform failed: {failure}"));
    }

    /// Sends records to an input port, as one batch.
    ///
    /// Of an input with event time, records behind the watermark are dropped if it says so. The batch is cut
    /// at records that move the watermark, and timers that are due fire before the next.
    ///
    /// # Errors
    /// When the transform fails as a whole. Nothing of the batch that failed is then seen as output;
    /// of those before it everything is, and nothing more is sent.
    ///
    /// # Panics
    /// When there is no such port or the records have another type.
    pub fn try_send_to<T: IntoTestRecord>(
        &mut self,
        port: &str,
        records: impl IntoIterator<Item = T>,
    ) -> Result<(), Failure> {
        let records: Vec<_> = records.into_iter().map(T::into_test_record).collect();
        let schema = self.check_input::<T::Value, T::Key>(port);
        let (index, value) = self.input(port);
        let first = self.next_offset;
        self.next_offset += records.len() as i64;
        let rows = |chosen: &[usize]| {
            let offset = |at: usize| first + at as i64;
            let chosen: Vec<_> =
                chosen.iter().filter_map(|at| Some((offset(*at), records.get(*at)?))).collect();
            test_record::rows(&chosen)
                .unwrap_or_else(|error| panic!("the records do not fit into columns: {error}"))
        };
        let all: Vec<_> = (0..records.len()).collect();
        let declared = self.clocks.declared(index);
        let times = match declared {
            Some(declared) => event_times(port, &value, declared, &rows(&all)),
            None => vec![None; records.len()],
        };
        let sent = Sent { port: index, schema, first: first as u64, rows: &rows, times: &times };
        let mut batch: Vec<usize> = Vec::new();
        let mut size = self.batch_size.next(records.len());
        for at in all {
            if declared.is_some_and(|declared| declared.drop_late) && self.clocks.is_late(times[at]) {
                self.late += 1;
                continue;
            }
            batch.push(at);
            if batch.len() >= size || self.clocks.would_move(index, times[at]) {
                self.invoke(&sent, &std::mem::take(&mut batch))?;
                size = self.batch_size.next(records.len());
            }
        }
        if batch.is_empty() { Ok(()) } else { self.invoke(&sent, &batch) }
    }

    /// Checks the types against the port; gives the id of the schema on a dynamic port.
    fn check_input<R: AvroType, K: AvroType>(&mut self, port: &str) -> Option<SchemaId> {
        let (declared, value) = self.input(port);
        if let Some(key) = &self.declaration.inputs[declared].0.key {
            check("key", port, key, K::KIND, SchemaWriter::schema_of::<K>);
        }
        if value.kind == Kind::Dynamic {
            return Some(self.runner.declare_schema(&SchemaWriter::schema_of::<R>()));
        }
        check("value", port, &value, R::KIND, SchemaWriter::schema_of::<R>);
        None
    }

    fn input(&self, port: &str) -> (usize, Part) {
        let found = self.declaration.inputs.iter().position(|(input, _)| input.name == port);
        let index = found.unwrap_or_else(|| panic!("`{}` has no input port `{port}`", self.declaration.name));
        (index, self.declaration.inputs[index].1)
    }

    /// One batch of what was sent: in halves, where a timer is due before all of it is processed.
    fn invoke(&mut self, sent: &Sent<'_>, batch: &[usize]) -> Result<(), Failure> {
        let declared = self.declaration.inputs[sent.port].0;
        let rows = (sent.rows)(batch);
        // The transform sees the roots that it declares; the host knows them all.
        let mut given = rows.clone();
        given.key = given.key.filter(|_| declared.key.is_some());
        given.timestamp = given.timestamp.filter(|_| declared.timestamp);
        given.headers = given.headers.filter(|_| declared.headers);
        given.offset = given.offset.filter(|_| declared.offset);
        let watermark = self.clocks.watermark();
        let (port, partition, schema) = (sent.port as u32, self.partition, sent.schema);
        let given = Batch { port, partition, watermark, schema, rows: given };
        let Some(processed) = self.runner.process_until_due(given)? else {
            let (earlier, later) = batch.split_at(batch.len() / 2);
            self.invoke(sent, earlier)?;
            return self.invoke(sent, later);
        };
        let numbers = batch.iter().map(|at| sent.first + *at as u64).collect();
        self.inputs.push(Input { rows, numbers: Some(numbers) });
        let gone = self.stage(processed, None);
        // A record that is set aside moves no watermark.
        let now = self.runner.processing_time();
        for (row, at) in (0_u32..).zip(batch) {
            let time = sent.times[*at].filter(|_| !gone.contains(&row));
            self.clocks.observe(sent.port, time, now);
        }
        self.fire_event_timers()
    }

    /// Takes over what an invocation gave; gives the rows that were set aside.
    pub(crate) fn stage(&mut self, processed: Processed, fired: Option<&Fired>) -> HashSet<u32> {
        let mut gone = HashSet::new();
        let input = self.inputs.len() - 1;
        for rejection in processed.rejections {
            for row in rejection.rows.as_chunks().0 {
                let row = u32::from_le_bytes(*row);
                if gone.insert(row) {
                    self.set_aside(row as usize, input, rejection.reason.clone(), fired);
                }
            }
        }
        let mut staged = Vec::new();
        for emission in processed.emissions {
            let rows = std::rc::Rc::new(emission.rows);
            let sources = emission.sources.as_chunks().0;
            assert!(
                gone.is_empty() || !sources.is_empty() || rows.count == 0,
                "a batch with rejected records cannot have outputs of unknown source"
            );
            for row in 0..rows.count as usize {
                let source = sources.get(row).map(|source| u32::from_le_bytes(*source));
                if source.is_none_or(|source| !gone.contains(&source)) {
                    let (port, schema, rows) = (emission.port, emission.schema, rows.clone());
                    staged.push(Emitted { port, schema, rows, row, input, source });
                }
            }
        }
        staged.sort_by_key(|emitted| emitted.source);
        self.outputs.extend(staged);
        gone
    }

    fn set_aside(&mut self, row: usize, input: usize, reason: String, fired: Option<&Fired>) {
        match (fired, &self.inputs[input].numbers) {
            (Some(fired), _) => {
                let tag = String::from_utf8_lossy(fired.tags.get(row).unwrap_or_default()).into_owned();
                let time = i64::from_le_bytes(fired.times.as_chunks().0[row]);
                self.rejected_timers.push(RejectedTimer { tag, time, reason });
            }
            (None, Some(numbers)) => self.rejected.push(Rejected { record: numbers[row], reason }),
            (None, None) => {}
        }
    }

    /// Every record that was emitted to an output port so far.
    ///
    /// # Panics
    /// When there is no such port, or its records have another type.
    #[must_use]
    pub fn outputs<'h, T: Read<'h>>(&'h self, port: &str) -> Vec<TestOutput<'h, T>> {
        let found = self.declaration.outputs.iter().position(|output| output.name == port);
        let index =
            found.unwrap_or_else(|| panic!("`{}` has no output port `{port}`", self.declaration.name));
        let value = self.declaration.outputs[index].value;
        if value.kind != Kind::Dynamic {
            check("value", port, &value, T::KIND, SchemaWriter::schema_of::<T>);
        }
        let of_port = self.outputs.iter().filter(|emitted| emitted.port as usize == index);
        of_port.map(|emitted| self.output(port, emitted)).collect()
    }

    fn output<'h, T: Read<'h>>(&'h self, port: &str, emitted: &'h Emitted) -> TestOutput<'h, T> {
        if let Some(schema) = emitted.schema {
            let found = self.runner.schema_text(schema).unwrap_or("unknown");
            let expected = SchemaWriter::schema_of::<T>();
            assert_eq!(found, expected, "a record of the dynamic port `{port}` has another schema");
        }
        let rows = &*emitted.rows;
        let root = rows.value.unwrap_or_else(|| panic!("`{port}` was emitted without values"));
        let column = ColumnRef::new(&rows.columns, root, rows.count as usize);
        let value = column
            .read::<T>()
            .and_then(|values| values.get(emitted.row))
            .unwrap_or_else(|error| panic!("`{port}` was emitted with columns of another shape: {error}"));
        let input = &self.inputs[emitted.input].rows;
        TestOutput { value, source: emitted.source, row: emitted.row, rows, input }
    }

    /// Every value that was emitted to an output port so far.
    ///
    /// # Panics
    /// As [`outputs`](Self::outputs), or when one is a tombstone.
    #[must_use]
    pub fn values<'h, T: Read<'h>>(&'h self, port: &str) -> Vec<T> {
        let value = |output: TestOutput<'h, T>| {
            output.value.unwrap_or_else(|| panic!("`{port}` has a tombstone: look at `outputs`"))
        };
        self.outputs(port).into_iter().map(value).collect()
    }

    /// Every record that was set aside so far.
    #[must_use]
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Every line that the transform logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        logs::lines()
    }

    /// The manifest of the transform, as JSON.
    #[must_use]
    pub fn manifest(&self) -> String {
        self.declaration.to_json()
    }

    /// Every timer that was set aside so far.
    #[must_use]
    pub fn rejected_timers(&self) -> &[RejectedTimer] {
        &self.rejected_timers
    }

    /// How many records were dropped because they were late.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Sets the partition of the batches to come. At first it is 0.
    pub fn set_partition(&mut self, partition: u32) {
        self.partition = partition;
    }

    /// Sets how many records a batch has at most, and how many timers fire in one call. At first, what is
    /// sent at once is one batch.
    pub fn set_batch_size(&mut self, size: BatchSize) {
        self.batch_size = size;
    }
}

pub(crate) fn check(part: &str, port: &str, declared: &Part, kind: Kind, schema: fn() -> String) {
    let raw = declared.kind == Kind::Raw && matches!(kind, Kind::Raw | Kind::Bytes);
    if !raw {
        let found = schema();
        let expected = declared.schema();
        assert!(
            found == expected && declared.kind != Kind::Raw,
            "the {part} of `{port}` has the schema\n  {expected}\nbut the test has\n  {found}"
        );
    }
}
