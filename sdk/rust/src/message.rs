//! A record with a key, timestamp or headers of its own.

use crate::avro_type::Write;
use crate::builder::Builder;
use crate::builder::NullableBuilder;
use crate::error::Result;
use crate::header::Header;
use crate::output::Output;
use crate::output::OutputKey;

/// A record about to be emitted. What is not set is taken from the record at hand.
///
/// Records that set other parts than their predecessor start new columns: alternate as little as
/// possible.
#[must_use = "nothing is emitted before `send`"]
#[derive(Debug)]
pub struct Message<'o, T: Write, K: OutputKey, R, Q> {
    output: &'o mut Output<T, K>,
    value: Option<R>,
    key: Q,
    timestamp: Option<Option<i64>>,
    headers: Option<Vec<Header<'o>>>,
}

/// The key of a message that keeps the key of the record at hand.
#[derive(Debug)]
pub struct Copied;

/// The null key.
#[derive(Debug)]
pub struct Null;

/// A key.
#[derive(Debug)]
pub struct Given<Q>(Q);

/// The key of a message.
pub trait MessageKey<B> {
    /// Whether the message has a key of its own.
    const PRESENT: bool;

    /// Appends the key.
    fn write_key(&self, keys: &mut NullableBuilder<B>);
}

impl<B> MessageKey<B> for Copied {
    const PRESENT: bool = false;

    fn write_key(&self, _: &mut NullableBuilder<B>) {}
}

impl<B: Builder> MessageKey<B> for Null {
    const PRESENT: bool = true;

    fn write_key(&self, keys: &mut NullableBuilder<B>) {
        keys.null();
    }
}

impl<B: Builder, Q: Write<Builder = B>> MessageKey<B> for Given<Q> {
    const PRESENT: bool = true;

    #[inline(always)]
    fn write_key(&self, keys: &mut NullableBuilder<B>) {
        keys.valid(|keys| self.0.write(keys));
    }
}

impl<'o, T: Write, K: OutputKey, R> Message<'o, T, K, R, Copied> {
    pub(crate) fn new(output: &'o mut Output<T, K>, value: Option<R>) -> Self {
        Self { output, value, key: Copied, timestamp: None, headers: None }
    }
}

impl<'o, T: Write, K: Write, R, Q> Message<'o, T, K, R, Q> {
    /// Sets the key.
    pub fn key<P: Write<Builder = K::Builder>>(self, key: P) -> Message<'o, T, K, R, Given<P>> {
        self.with_key(Given(key))
    }

    /// Sets the null key.
    pub fn null_key(self) -> Message<'o, T, K, R, Null> {
        self.with_key(Null)
    }

    fn with_key<P>(self, key: P) -> Message<'o, T, K, R, P> {
        let Self { output, value, timestamp, headers, .. } = self;
        Message { output, value, key, timestamp, headers }
    }
}

impl<'o, T, K, R, Q> Message<'o, T, K, R, Q>
where
    T: Write,
    K: OutputKey,
    R: Write<Builder = T::Builder>,
    Q: MessageKey<K::Builder>,
{
    /// Sets the timestamp, in milliseconds since the Unix epoch.
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = Some(Some(millis));
        self
    }

    /// Leaves the timestamp to the broker.
    pub fn no_timestamp(mut self) -> Self {
        self.timestamp = Some(None);
        self
    }

    /// Adds a header. The headers of the record at hand are then not taken over.
    pub fn header(mut self, key: &'o str, value: &'o (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.headers.get_or_insert_default().push(Header::new(key, value));
        self
    }

    /// Adds headers. The headers of the record at hand are then not taken over.
    pub fn headers(mut self, headers: impl IntoIterator<Item = Header<'o>>) -> Self {
        self.headers.get_or_insert_default().extend(headers);
        self
    }

    /// Emits the record.
    ///
    /// # Errors
    /// When the columns of the batch are full.
    pub fn send(self) -> Result<()> {
        let Self { output, value, key, timestamp, headers } = self;
        let write_key = |keys: &mut NullableBuilder<K::Builder>| key.write_key(keys);
        output.collect(value.as_ref(), Q::PRESENT.then_some(write_key), timestamp, headers.as_ref())
    }
}
