//! What a transform knows of the record at hand, besides its value.

use crate::avro_type::Read;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::columns::Pass;
use crate::error::Error;
use crate::error::Result;
use crate::header::Header;
use crate::host::Host;
use crate::manifest::InputPort;
use crate::wire::Batch;
use crate::wire::Column;
use crate::wire::SchemaId;

/// The record or timer at hand: its key, timestamp, headers and position, and ways to set it aside.
///
/// `'a` is the life of the batch: what is read from the context stays readable until `process`
/// returns.
#[allow(missing_debug_implementations, reason = "it lends out the host")]
pub struct Context<'a> {
    host: &'a mut dyn Host,
    port: &'static InputPort,
    columns: &'a [Column],
    roots: Roots,
    partition: u32,
    watermark: Option<i64>,
    count: u32,
    /// The row at hand; none while a whole batch is.
    row: Option<u32>,
    rejections: Vec<(String, Vec<[u8; 4]>)>,
    /// The row at hand was set aside.
    rejected: bool,
    /// So was another one, while a row was at hand.
    rejected_others: bool,
    tombstones_dropped: u32,
}

#[derive(Default, Clone, Copy)]
struct Roots {
    key: Option<u32>,
    timestamp: Option<u32>,
    headers: Option<u32>,
    offset: Option<u32>,
}

impl<'a> Context<'a> {
    /// The context of a batch whose records are taken one by one.
    pub(crate) fn of_rows(batch: &'a Batch, port: &'static InputPort, host: &'a mut dyn Host) -> Self {
        let mut context = Self::of_batch(batch, port, host);
        let rows = &batch.rows;
        context.columns = &rows.columns;
        context.roots =
            Roots { key: rows.key, timestamp: rows.timestamp, headers: rows.headers, offset: rows.offset };
        context
    }

    /// The context of a batch that is taken as a whole.
    pub(crate) fn of_batch(batch: &Batch, port: &'static InputPort, host: &'a mut dyn Host) -> Self {
        Self {
            host,
            port,
            columns: &[],
            roots: Roots::default(),
            partition: batch.partition,
            watermark: batch.watermark,
            count: batch.rows.count,
            row: None,
            rejections: Vec::new(),
            rejected: false,
            rejected_others: false,
            tombstones_dropped: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn at(&mut self, row: u32) {
        self.row = Some(row);
    }

    /// Whether the row at hand was set aside; asked once a row, by transforms with state.
    pub(crate) fn take_rejected(&mut self) -> bool {
        std::mem::take(&mut self.rejected)
    }

    /// Whether a row set another one aside, whose state nobody can undo any more.
    pub(crate) fn has_rejected_others(&self) -> bool {
        self.rejected_others
    }

    pub(crate) fn input(&self) -> &'static InputPort {
        self.port
    }

    pub(crate) fn drop_tombstone(&mut self) {
        self.tombstones_dropped += 1;
    }

    /// Hands the rejections over to the host.
    pub(crate) fn finish(self) -> Result<()> {
        if self.tombstones_dropped > 0 {
            log::warn!(
                "dropped {} tombstones of input `{}`: no output has its key schema",
                self.tombstones_dropped,
                self.port.name
            );
        }
        for (reason, rows) in &self.rejections {
            self.host.reject(rows.as_flattened(), reason)?;
        }
        Ok(())
    }

    /// The key of the record, or none if it is null.
    ///
    /// # Errors
    /// When the input does not declare a key, or one of another type.
    pub fn key<K: Read<'a>>(&self) -> Result<Option<K>> {
        match &self.port.key {
            Some(key) if key.kind == K::KIND => self.root::<K>(self.roots.key, "key"),
            Some(key) => Err(Error::fatal(format!(
                "input `{}` declares a key of schema {}, but another type is asked for",
                self.port.name,
                key.schema()
            ))),
            None => Err(undeclared(self.port, "key = ..")),
        }
    }

    /// The timestamp of the record in milliseconds since the Unix epoch, or none if it has none. A timer
    /// has none: see [`Timer::time`](crate::Timer::time).
    ///
    /// # Errors
    /// When the input does not declare `timestamp`.
    pub fn timestamp(&self) -> Result<Option<i64>> {
        if self.port.timestamp {
            self.root::<i64>(self.roots.timestamp, "timestamp")
        } else {
            Err(undeclared(self.port, "timestamp"))
        }
    }

    /// The headers of the record, in order, with duplicates.
    ///
    /// # Errors
    /// When the input does not declare `headers`.
    pub fn headers(&self) -> Result<Vec<Header<'a>>> {
        if self.port.headers {
            self.root::<Vec<Header<'a>>>(self.roots.headers, "headers").map(Option::unwrap_or_default)
        } else {
            Err(undeclared(self.port, "headers"))
        }
    }

    /// The offset of the record in its partition.
    ///
    /// # Errors
    /// When the input does not declare `offset`.
    pub fn offset(&self) -> Result<i64> {
        if !self.port.offset {
            return Err(undeclared(self.port, "offset"));
        }
        let offset = self.root::<i64>(self.roots.offset, "offset")?;
        offset.ok_or_else(|| ColumnError::new("an offset is null").into())
    }

    fn root<T: Read<'a>>(&self, root: Option<u32>, name: &str) -> Result<Option<T>> {
        let Some(row) = self.row else {
            return Err(Error::fatal(format!("no row is at hand: read the {name} from the batch")));
        };
        let Some(root) = root else {
            return Err(Error::fatal(format!("the host left out the declared {name} column")));
        };
        let columns = Columns::new(self.columns, Pass::One);
        let (row, count) = (row as usize, self.count as usize);
        if T::KIND.has_validity() && columns.validity(root, count)?.is_null(row) {
            return Ok(None);
        }
        let reader = T::reader(columns, root, count)?;
        Ok(Some(T::read(&reader, row)?))
    }

    /// The index of the record in its batch; 0 while a whole batch is at hand.
    #[must_use]
    pub fn row(&self) -> u32 {
        self.row.unwrap_or_default()
    }

    /// The name of the input port.
    #[must_use]
    pub fn port(&self) -> &'static str {
        self.port.name
    }

    /// The source partition.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Progress of event time in milliseconds; none when the transform tracks none. Deterministic.
    #[must_use]
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Wall-clock milliseconds since the Unix epoch, read once an invocation. Not deterministic: a
    /// replay sees another value.
    pub fn processing_time(&mut self) -> i64 {
        self.host.processing_time()
    }

    /// Sets the record aside: it becomes a dead letter with this reason, of which the host keeps
    /// the first 4096 bytes, and everything that was or will be emitted from it is dropped. While a
    /// whole batch is at hand, all its records are set aside.
    #[cold]
    pub fn reject(&mut self, reason: impl Into<String>) {
        match self.row {
            Some(row) => self.reject_rows(&[row], reason),
            None => {
                let all: Vec<u32> = (0..self.count).collect();
                self.reject_rows(&all, reason);
            }
        }
    }

    /// Sets rows of the batch aside. A transform with state or timers that takes records one by one may
    /// only name the row at hand: what another one wrote cannot be undone any more.
    #[cold]
    pub fn reject_rows(&mut self, rows: &[u32], reason: impl Into<String>) {
        let reason = reason.into();
        match (rows, self.row) {
            ([row], Some(at_hand)) if *row == at_hand => self.rejected = true,
            (_, Some(_)) => self.rejected_others = true,
            (_, None) => {}
        }
        let rows = rows.iter().map(|row| row.to_le_bytes());
        match self.rejections.iter_mut().rev().take(8).find(|(known, _)| *known == reason) {
            Some((_, rejected)) => rejected.extend(rows),
            None => self.rejections.push((reason, rows.collect())),
        }
    }

    /// The Avro schema behind an id, as JSON.
    ///
    /// # Errors
    /// When no schema has this id in this instance.
    pub fn schema_text(&mut self, id: SchemaId) -> Result<String> {
        self.host.schema_text(id)
    }

    /// Declares an output schema for dynamic ports. The same text gives the same id.
    ///
    /// # Errors
    /// When the text is no Avro schema that can be carried as columns.
    pub fn declare_schema(&mut self, text: &str) -> Result<SchemaId> {
        self.host.declare_schema(text)
    }
}

#[cold]
fn undeclared(port: &InputPort, what: &str) -> Error {
    Error::fatal(format!(
        "input `{}` does not declare it: write #[input(\"{}\", {what})] above the transform",
        port.name, port.name
    ))
}
