//! Output ports.

use std::borrow::Cow;
use std::marker::PhantomData;

use crate::avro_type::Write;
use crate::builder::Builder;
use crate::builder::FixedBuilder;
use crate::builder::NullableBuilder;
use crate::builder::Nulls;
use crate::error::Error;
use crate::error::Result;
use crate::header::Header;
use crate::host::Host;
use crate::manifest::Part;
use crate::message::Copied;
use crate::message::Message;
use crate::types::Dynamic;
use crate::types::NullBuilder;
use crate::wire::Rows;
use crate::wire::SchemaId;

/// An output port for records of type `T`.
///
/// Unless said otherwise, an emitted record keeps the key, timestamp and headers of the record at
/// hand. To set keys, name their type: `Output<T, String>`.
///
/// Write `'_` for the lifetimes of a borrowing type: `Output<Alert<'_>>`.
pub struct Output<T: Write, K: OutputKey = SourceKey> {
    index: u32,
    /// The row at hand.
    row: u32,
    /// How many rows the batch has: a guess for how many come out.
    expected: usize,
    /// The roots of the records being collected.
    shape: Shape,
    values: NullableBuilder<T::Builder>,
    keys: NullableBuilder<K::Builder>,
    timestamps: NullableBuilder<FixedBuilder<8>>,
    headers: <Vec<Header<'static>> as Write>::Builder,
    sources: Vec<[u8; 4]>,
    sealed: Vec<Sealed>,
    /// 0, 1, 2, ..: the sources of a batch that goes out row by row.
    same: Vec<[u8; 4]>,
    types: PhantomData<fn() -> (T, K)>,
}

impl<T: Write, K: OutputKey> std::fmt::Debug for Output<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("index", &self.index).finish_non_exhaustive()
    }
}

/// The key of an output that keeps the source record's key: no key is declared.
#[derive(Debug, Clone, Copy)]
pub struct SourceKey;

/// The key of an output port: [`SourceKey`], or any type that can be written.
pub trait OutputKey {
    /// What the port declares as its key.
    #[doc(hidden)]
    const PART: Option<Part>;
    /// What builds the key column.
    type Builder: Builder;
}

impl OutputKey for SourceKey {
    const PART: Option<Part> = None;
    type Builder = NullBuilder;
}

impl<K: Write> OutputKey for K {
    const PART: Option<Part> = Some(Part::of::<K>());
    type Builder = K::Builder;
}

/// Where each row of an emitted batch comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sources {
    /// Row i comes from input row i.
    Same,
    /// The input row of each row.
    Rows(Vec<u32>),
    /// Unknown: keys are null, headers are empty, and no row of the batch can be rejected.
    Unknown,
}

/// Which roots the collected records have, besides their value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape(u8);

impl Shape {
    const NONE: Self = Self(0x80);
    const PLAIN: Self = Self(0);
    const KEY: u8 = 1;
    const TIMESTAMP: u8 = 2;
    const HEADERS: u8 = 4;

    pub(crate) fn new(key: bool, timestamp: bool, headers: bool) -> Self {
        Self(
            (u8::from(key) * Self::KEY)
                | (u8::from(timestamp) * Self::TIMESTAMP)
                | (u8::from(headers) * Self::HEADERS),
        )
    }

    fn has(self, root: u8) -> bool {
        self.0 & root != 0
    }
}

/// Records that are ready to be emitted.
struct Sealed {
    schema: Option<SchemaId>,
    rows: Rows,
    sources: SealedSources,
}

enum SealedSources {
    Same,
    Rows(Vec<u8>),
}

/// An output port of any type, as the runtime sees it.
#[doc(hidden)]
pub trait Port {
    /// Forgets everything and expects so many rows.
    fn begin(&mut self, rows: u32);

    /// Hands everything over to the host.
    ///
    /// # Errors
    /// When the host refuses it.
    fn finish(&mut self, host: &mut dyn Host) -> Result<()>;

    /// Emits a tombstone with the key of the record at hand, if the port has the same key schema.
    ///
    /// # Errors
    /// When a column is full.
    fn forward_tombstone(&mut self, key: Option<&Part>) -> Result<bool>;
}

impl<T: Write, K: OutputKey> Output<T, K> {
    #[doc(hidden)]
    #[must_use]
    pub fn new(index: u32) -> Self {
        Self {
            index,
            row: 0,
            expected: 0,
            shape: Shape::NONE,
            values: NullableBuilder::default(),
            keys: NullableBuilder::default(),
            timestamps: NullableBuilder::default(),
            headers: Default::default(),
            sources: Vec::new(),
            sealed: Vec::new(),
            same: Vec::new(),
            types: PhantomData,
        }
    }

    #[doc(hidden)]
    #[inline(always)]
    pub fn at(&mut self, row: u32) {
        self.row = row;
    }

    /// What the port declares as its key and value.
    #[doc(hidden)]
    #[must_use]
    pub fn parts() -> (Option<Part>, Part) {
        (K::PART, Part::of::<T>())
    }

    /// Emits a record with the key, timestamp and headers of the record at hand.
    ///
    /// # Errors
    /// When the columns of the batch are full (2 GiB of text).
    #[inline(always)]
    pub fn emit<R: Write<Builder = T::Builder>>(&mut self, record: R) -> Result<()> {
        if self.shape != Shape::PLAIN {
            self.start(Shape::PLAIN)?;
        }
        self.values.valid(|values| record.write(values));
        self.sources.push(self.row.to_le_bytes());
        Ok(())
    }

    /// A record with a key, timestamp or headers of its own. Nothing is emitted before
    /// [`Message::send`].
    #[inline]
    pub fn message<R: Write<Builder = T::Builder>>(&mut self, record: R) -> Message<'_, T, K, R, Copied> {
        Message::new(self, Some(record))
    }

    /// A record with a null value. Nothing is emitted before [`Message::send`].
    #[inline]
    pub fn tombstone(&mut self) -> Message<'_, T, K, T, Copied> {
        Message::new(self, None)
    }

    /// Emits columns as they are. The offset root is left out.
    ///
    /// # Errors
    /// When the columns collected so far are full. The host judges the columns themselves when the
    /// batch ends.
    pub fn emit_rows(&mut self, rows: Rows, sources: Sources) -> Result<()> {
        self.seal()?;
        self.push(None, rows, sources);
        Ok(())
    }

    fn push(&mut self, schema: Option<SchemaId>, rows: Rows, sources: Sources) {
        let sources = match sources {
            Sources::Same => SealedSources::Same,
            Sources::Rows(rows) => {
                SealedSources::Rows(rows.iter().flat_map(|row| row.to_le_bytes()).collect())
            }
            Sources::Unknown => SealedSources::Rows(Vec::new()),
        };
        self.sealed.push(Sealed { schema, rows: Rows { offset: None, ..rows }, sources });
    }

    /// Collects one record.
    pub(crate) fn collect<R: Write<Builder = T::Builder>>(
        &mut self,
        value: Option<&R>,
        key: Option<impl FnOnce(&mut NullableBuilder<K::Builder>)>,
        timestamp: Option<Option<i64>>,
        headers: Option<&Vec<Header<'_>>>,
    ) -> Result<()> {
        let shape = Shape::new(key.is_some(), timestamp.is_some(), headers.is_some());
        if self.shape != shape {
            self.start(shape)?;
        }
        match value {
            Some(value) => self.values.valid(|values| value.write(values)),
            None => self.values.null(),
        }
        if let Some(key) = key {
            key(&mut self.keys);
        }
        if let Some(timestamp) = timestamp {
            timestamp.write(&mut self.timestamps);
        }
        if let Some(headers) = headers {
            headers.write(&mut self.headers);
        }
        self.sources.push(self.row.to_le_bytes());
        Ok(())
    }

    /// Ends the records with other roots, so that the order of the records is kept.
    #[cold]
    #[inline(never)]
    fn start(&mut self, shape: Shape) -> Result<()> {
        self.seal()?;
        self.shape = shape;
        self.values.reserve(self.expected);
        self.sources.reserve_exact(self.expected);
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        let shape = std::mem::replace(&mut self.shape, Shape::NONE);
        if self.sources.is_empty() {
            return Ok(());
        }
        let mut rows = Rows { count: self.sources.len() as u32, ..Rows::default() };
        let columns = &mut rows.columns;
        rows.value = Some(self.values.finish(Nulls::default(), columns)?);
        if shape.has(Shape::KEY) {
            rows.key = Some(self.keys.finish(Nulls::default(), columns)?);
        }
        if shape.has(Shape::TIMESTAMP) {
            rows.timestamp = Some(self.timestamps.finish(Nulls::default(), columns)?);
        }
        if shape.has(Shape::HEADERS) {
            rows.headers = Some(self.headers.finish(Nulls::default(), columns)?);
        }
        let sources = std::mem::take(&mut self.sources).into_flattened();
        self.sealed.push(Sealed { schema: None, rows, sources: SealedSources::Rows(sources) });
        Ok(())
    }
}

impl<K: OutputKey> Output<Dynamic, K> {
    /// Emits columns of a schema.
    ///
    /// # Errors
    /// When the columns collected so far are full. The host judges the columns themselves when the
    /// batch ends.
    pub fn emit_dynamic(&mut self, schema: SchemaId, rows: Rows, sources: Sources) -> Result<()> {
        self.seal()?;
        self.push(Some(schema), rows, sources);
        Ok(())
    }
}

impl<T: Write, K: OutputKey> Port for Output<T, K> {
    fn begin(&mut self, rows: u32) {
        self.expected = rows as usize;
        self.row = 0;
        self.sealed.clear();
        if self.shape != Shape::NONE {
            self.shape = Shape::NONE;
            self.values.clear();
            self.keys.clear();
            self.timestamps.clear();
            self.headers.clear();
            self.sources.clear();
        }
    }

    fn finish(&mut self, host: &mut dyn Host) -> Result<()> {
        self.seal()?;
        for sealed in self.sealed.drain(..) {
            let sources = match sealed.sources {
                SealedSources::Rows(sources) => Cow::Owned(sources),
                SealedSources::Same => {
                    let count = sealed.rows.count;
                    self.same.extend((self.same.len() as u32..count).map(u32::to_le_bytes));
                    let same = self.same.get(..count as usize).unwrap_or_default();
                    Cow::Borrowed(same.as_flattened())
                }
            };
            host.emit(self.index, sealed.schema, Cow::Owned(sealed.rows), sources)?;
        }
        Ok(())
    }

    fn forward_tombstone(&mut self, key: Option<&Part>) -> Result<bool> {
        let same = match (K::PART, key) {
            (None, _) => true,
            (Some(own), Some(key)) => own.same_schema(key),
            (Some(_), None) => false,
        };
        if T::KIND == crate::avro_type::Kind::Dynamic {
            return Err(Error::fatal("a dynamic output takes no single tombstones: emit rows"));
        }
        if same {
            self.tombstone().send()?;
        }
        Ok(same)
    }
}
