//! Input records of tests.

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::Write;
use crate::batch::ColumnBuilder;
use crate::error::Result;
use crate::header::Header;
use crate::wire::Rows;

/// A record for [`TestHarness`](crate::native::TestHarness), with what a record has besides its
/// value. A plain value is sent as one without key, timestamp and headers.
#[derive(Debug, Clone)]
pub struct TestRecord<R, K = ()> {
    value: Option<R>,
    key: Option<K>,
    timestamp: Option<i64>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What a test can send: a [`TestRecord`], or a plain value.
pub trait IntoTestRecord {
    /// The type of the values.
    type Value: Write;
    /// The type of the keys.
    type Key: Write;

    /// The record.
    fn into_test_record(self) -> TestRecord<Self::Value, Self::Key>;
}

impl<R: Write> IntoTestRecord for R {
    type Value = R;
    type Key = ();

    fn into_test_record(self) -> TestRecord<R> {
        TestRecord::new(self)
    }
}

impl<R: Write, K: Write> IntoTestRecord for TestRecord<R, K> {
    type Value = R;
    type Key = K;

    fn into_test_record(self) -> Self {
        self
    }
}

impl<R> TestRecord<R> {
    /// A record with a value.
    #[must_use]
    pub fn new(value: R) -> Self {
        Self { value: Some(value), key: None, timestamp: None, headers: Vec::new() }
    }

    /// A record with a null value.
    #[must_use]
    pub fn tombstone() -> Self {
        Self { value: None, key: None, timestamp: None, headers: Vec::new() }
    }
}

impl<R, K> TestRecord<R, K> {
    /// Sets the key.
    #[must_use]
    pub fn key<P>(self, key: P) -> TestRecord<R, P> {
        let Self { value, timestamp, headers, .. } = self;
        TestRecord { value, key: Some(key), timestamp, headers }
    }

    /// Sets the null key, of the type that the other records of the batch have.
    #[must_use]
    pub fn null_key<P>(self) -> TestRecord<R, P> {
        let Self { value, timestamp, headers, .. } = self;
        TestRecord { value, key: None, timestamp, headers }
    }

    /// Sets the timestamp, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = Some(millis);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, key: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((key.into(), Some(value.as_ref().to_vec())));
        self
    }

    /// Adds a header without a value.
    #[must_use]
    pub fn null_header(mut self, key: impl Into<String>) -> Self {
        self.headers.push((key.into(), None));
        self
    }
}

/// The records as columns, with every root; each with its offset.
pub(crate) fn rows<R: Write, K: Write>(records: &[(i64, &TestRecord<R, K>)]) -> Result<Rows> {
    let mut values = ColumnBuilder::<R>::with_capacity(records.len());
    let mut keys = ColumnBuilder::<K>::with_capacity(records.len());
    let mut timestamps = ColumnBuilder::<i64>::with_capacity(records.len());
    let mut headers = ColumnBuilder::<Vec<Header<'_>>>::with_capacity(records.len());
    let mut offsets = ColumnBuilder::<i64>::with_capacity(records.len());
    for (offset, record) in records {
        push(&mut values, record.value.as_ref());
        push(&mut keys, record.key.as_ref());
        push(&mut timestamps, record.timestamp.as_ref());
        let of_record: Vec<Header<'_>> =
            record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        headers.push(&of_record);
        offsets.push(offset);
    }
    let mut rows = Rows { count: records.len() as u32, ..Rows::default() };
    rows.value = Some(values.finish(&mut rows.columns)?);
    if <K as AvroType>::KIND != Kind::Null {
        rows.key = Some(keys.finish(&mut rows.columns)?);
    }
    rows.timestamp = Some(timestamps.finish(&mut rows.columns)?);
    rows.headers = Some(headers.finish(&mut rows.columns)?);
    rows.offset = Some(offsets.finish(&mut rows.columns)?);
    Ok(rows)
}

fn push<T: Write>(column: &mut ColumnBuilder<T>, value: Option<&T>) {
    match value {
        Some(value) => column.push(value),
        None => column.push_null(),
    }
}
