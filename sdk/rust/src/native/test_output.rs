//! Output records of tests.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the test kit tells a test what is wrong by panicking"
)]

use crate::avro_type::Read;
use crate::columns::Columns;
use crate::columns::Pass;
use crate::error::Result;
use crate::header::Header;
use crate::wire::Rows;

/// A record that the transform emitted, with the parts that the host would copy from its source.
#[derive(Debug, Clone)]
pub struct TestOutput<'h, T> {
    /// None: a tombstone.
    pub value: Option<T>,
    /// The index, in its batch, of the input record that it came from.
    pub source: Option<u32>,
    pub(crate) row: usize,
    pub(crate) rows: &'h Rows,
    pub(crate) input: &'h Rows,
}

impl<'h, T> TestOutput<'h, T> {
    /// The key; none if it is null.
    ///
    /// # Panics
    /// When the key is of another type.
    #[must_use]
    pub fn key<K: Read<'h>>(&self) -> Option<K> {
        self.part(self.rows.key, self.input.key)
    }

    /// The timestamp in milliseconds; none if the broker sets it.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.part(self.rows.timestamp, self.input.timestamp)
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> Vec<Header<'h>> {
        self.part(self.rows.headers, self.input.headers).unwrap_or_default()
    }

    /// A part of the record itself, or else of its source.
    fn part<P: Read<'h>>(&self, own: Option<u32>, copied: Option<u32>) -> Option<P> {
        let (rows, root, row) = match own {
            Some(root) => (self.rows, root, self.row),
            None => (self.input, copied?, self.source? as usize),
        };
        let read = || -> Result<Option<P>> {
            let columns = Columns::new(&rows.columns, Pass::All);
            let len = rows.count as usize;
            if P::KIND.has_validity() && columns.validity(root, len)?.is_null(row) {
                return Ok(None);
            }
            Ok(Some(P::read(&P::reader(columns, root, len)?, row)?))
        };
        read().unwrap_or_else(|error| panic!("an output record has another type than asked for: {error}"))
    }
}
