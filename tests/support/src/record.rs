//! Records as tests write and read them.

/// A record to write. `TestRecord::default()` has neither key nor value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestRecord {
    /// `None`: the partitioner chooses, by the murmur2 hash of the key as Java clients do.
    pub partition: Option<i32>,
    /// `None`: a null key.
    pub key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    /// In order; names may repeat; `None` is a null value.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970. `None`: the time of the call.
    pub timestamp_ms: Option<i64>,
}

impl TestRecord {
    /// A record with this key and value.
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// A record with this value and a null key.
    pub fn unkeyed(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A record with this key and a null value.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// The same on a partition of the test's choice.
    #[must_use]
    pub fn on(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The same with a timestamp, in milliseconds since 1970.
    #[must_use]
    pub fn at(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// The same with one more header, whose value is null.
    #[must_use]
    pub fn null_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), None));
        self
    }
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// Where it lay.
    pub partition: i32,
    /// Its place in the partition; transaction markers and aborted records leave gaps.
    pub offset: i64,
    /// `None`: a null key.
    pub key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    /// In order, with repeated names; `None` is a null value.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970; `None` if the record carries none.
    pub timestamp_ms: Option<i64>,
}

impl ConsumedRecord {
    /// The value of the first header of that name, as text; `None` if it is absent, null or not UTF-8.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }
}
