//! Batches as columns, for transforms that take whole batches.

use std::marker::PhantomData;

use crate::avro_type::AvroType;
use crate::avro_type::Read;
use crate::avro_type::Write;
use crate::builder::Builder;
use crate::builder::NullableBuilder;
use crate::builder::Nulls;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::columns::Pass;
use crate::columns::Validity;
use crate::error::Result;
use crate::wire;
use crate::wire::Column;
use crate::wire::Rows;
use crate::wire::SchemaId;

const NO_ROOT: ColumnError = ColumnError::new("a root is asked for that the manifest does not declare");
const NO_FIELD: ColumnError = ColumnError::new("it has fewer children than asked for");

/// The records of one batch as columns.
///
/// A transform that implements `Process<Batch<T>>` gets each batch of the port as a whole, with the
/// columns as the host laid them out, and passes them on with
/// [`Output::emit_rows`](crate::Output::emit_rows).
#[derive(Debug, Clone)]
pub struct Batch<T> {
    schema: Option<SchemaId>,
    rows: Rows,
    record: PhantomData<fn() -> T>,
}

impl<T: AvroType> Batch<T> {
    pub(crate) fn take(batch: &mut wire::Batch) -> Self {
        Self { schema: batch.schema, rows: std::mem::take(&mut batch.rows), record: PhantomData }
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.count == 0
    }

    /// On dynamic ports, the schema of the values.
    #[must_use]
    pub fn schema(&self) -> Option<SchemaId> {
        self.schema
    }

    /// The columns.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Takes the columns, to change them or pass them on.
    #[must_use]
    pub fn into_rows(self) -> Rows {
        self.rows
    }

    /// The value column. Its null rows are tombstones.
    ///
    /// # Errors
    /// When the host left it out.
    pub fn value(&self) -> Result<ColumnRef<'_>> {
        self.root(self.rows.value)
    }

    /// The key column.
    ///
    /// # Errors
    /// When the input does not declare it.
    pub fn key(&self) -> Result<ColumnRef<'_>> {
        self.root(self.rows.key)
    }

    /// The timestamp column: nullable `i64`, milliseconds.
    ///
    /// # Errors
    /// When the input does not declare it.
    pub fn timestamp(&self) -> Result<ColumnRef<'_>> {
        self.root(self.rows.timestamp)
    }

    /// The header column: `Vec<Header>`.
    ///
    /// # Errors
    /// When the input does not declare it.
    pub fn headers(&self) -> Result<ColumnRef<'_>> {
        self.root(self.rows.headers)
    }

    /// The offset column: `i64`.
    ///
    /// # Errors
    /// When the input does not declare it.
    pub fn offset(&self) -> Result<ColumnRef<'_>> {
        self.root(self.rows.offset)
    }

    fn root(&self, root: Option<u32>) -> Result<ColumnRef<'_>> {
        let index = root.ok_or(NO_ROOT)?;
        Ok(ColumnRef { columns: &self.rows.columns, index, len: self.len() })
    }
}

impl<'a, T: Read<'a>> Batch<T> {
    /// The records as rows; none stands for a tombstone.
    ///
    /// # Errors
    /// When the columns do not have the shape of the type.
    pub fn records(&'a self) -> Result<Values<'a, T>> {
        self.value()?.read::<T>()
    }
}

/// A column of a batch.
#[derive(Debug, Clone, Copy)]
pub struct ColumnRef<'a> {
    columns: &'a [Column],
    index: u32,
    len: usize,
}

impl<'a> ColumnRef<'a> {
    /// A column of `len` rows among the columns of a batch.
    #[must_use]
    pub fn new(columns: &'a [Column], index: u32, len: usize) -> Self {
        Self { columns, index, len }
    }

    /// Its index among the columns of the batch.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Its buffers, in the order of the Arrow format for its type.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn buffers(self) -> Result<&'a [Vec<u8>]> {
        Ok(&self.column()?.buffers)
    }

    fn column(self) -> Result<&'a Column, ColumnError> {
        Columns::new(self.columns, Pass::All).any(self.index)
    }

    /// A field of a record column, by its place in the schema. It has as many rows.
    ///
    /// # Errors
    /// When the column has fewer fields.
    pub fn field(self, field: usize) -> Result<Self> {
        let index = *self.column()?.children.get(field).ok_or(NO_FIELD)?;
        Ok(Self { index, ..self })
    }

    /// Its rows as values of a type.
    ///
    /// # Errors
    /// When the column does not have the shape of the type.
    pub fn read<T: Read<'a>>(self) -> Result<Values<'a, T>> {
        let columns = Columns::new(self.columns, Pass::All);
        let validity =
            if T::KIND.has_validity() { columns.validity(self.index, self.len)? } else { Validity::none() };
        Ok(Values { validity, reader: T::reader(columns, self.index, self.len)?, len: self.len })
    }
}

/// The rows of a column as values of a type.
#[allow(missing_debug_implementations, reason = "the reader of a type need not have it")]
pub struct Values<'a, T: Read<'a>> {
    validity: Validity<'a>,
    reader: T::Reader,
    len: usize,
}

impl<'a, T: Read<'a>> Values<'a, T> {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a row, or none if the row is null.
    ///
    /// # Errors
    /// When the row is out of range or holds what the type cannot be.
    #[inline(always)]
    pub fn get(&self, row: usize) -> Result<Option<T>> {
        if self.validity.is_null(row) {
            return Ok(None);
        }
        Ok(Some(T::read(&self.reader, row)?))
    }

    /// Every row in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<Option<T>>> {
        (0..self.len).map(|row| self.get(row))
    }
}

/// Builds a column of a type, for batches that are emitted as columns.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// let mut amounts = ColumnBuilder::<f64>::with_capacity(2);
/// amounts.push(&1.5);
/// amounts.push_null();
/// let mut rows = Rows { count: 2, ..Rows::default() };
/// rows.value = Some(amounts.finish(&mut rows.columns)?);
/// assert_eq!(rows.columns[0].null_count, 1);
/// # Ok::<(), wasmill_sdk::Error>(())
/// ```
#[derive(Debug)]
pub struct ColumnBuilder<T: Write>(NullableBuilder<T::Builder>);

impl<T: Write> ColumnBuilder<T> {
    /// A column with room for so many rows.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let mut builder = NullableBuilder::default();
        builder.reserve(rows);
        Self(builder)
    }

    /// Appends a row.
    #[inline(always)]
    pub fn push<R: Write<Builder = T::Builder>>(&mut self, value: &R) {
        self.0.valid(|values| value.write(values));
    }

    /// Appends a null row. A union column, and a column of nulls, have none.
    pub fn push_null(&mut self) {
        self.0.null();
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the column and its children to `columns` and gives its index.
    ///
    /// # Errors
    /// When the rows hold more than 2 GiB of text or bytes, or more than 2^31 items.
    pub fn finish(mut self, columns: &mut Vec<Column>) -> Result<u32> {
        self.0.finish(Nulls::default(), columns)
    }
}
