//! One value a key.

use std::marker::PhantomData;

use crate::body;
use crate::body::BodyError;
use crate::body::Encode;
use crate::body::Form;
use crate::body::Stored;
use crate::body::StoredOwned;
use crate::error::Error;
use crate::error::Result;
use crate::state::declaration::state_field;
use crate::state::single::Single;

/// State of one value a key: what a transform remembers of the key of the record at hand.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Record, Default)]
/// struct Spend { total: f64, count: i64 }
///
/// /// Says what an account has spent so far.
/// #[transform]
/// #[input(payments, key = String)]
/// struct Totals {
///     #[state(ttl = "7d")]
///     spend: Value<Spend>,
///     totals: Output<f64>,
/// }
///
/// impl Process<f64> for Totals {
///     fn process(&mut self, amount: f64, _: &mut Context<'_>) -> Result<()> {
///         let mut spend = self.spend.get_or_default()?;
///         spend.total += amount;
///         spend.count += 1;
///         self.totals.emit(spend.total)?;
///         self.spend.set(spend)
///     }
/// }
///
/// let mut harness = TestHarness::new::<Totals>();
/// harness.send_all([(1.5, "a"), (2.0, "b"), (3.0, "a")].map(|(amount, account)| TestRecord::new(amount).key(account)));
/// assert_eq!(harness.values::<f64>("totals"), [1.5, 2.0, 4.5]);
/// assert_eq!(harness.state::<Spend>("spend", "a").map(|spend| spend.count), Some(2));
/// ```
///
/// A type that borrows is written with `'_`, and read where it lies:
/// `Value<Customer<'_>>` gives a `Customer` that borrows from the state.
///
/// The first read of a batch fetches the values of all its keys in one call of the host; what was
/// written goes back in one call when the batch ends.
pub struct Value<T: Stored> {
    single: Single,
    value: PhantomData<fn() -> T>,
}

state_field!(Value<T: Stored>, single: Single, value, stores T, scan = false);

impl<T: Stored> Value<T> {
    /// The value, or none if there is none, or its time to live has passed.
    ///
    /// # Errors
    /// When the key of the record is null, which rejects the record, or the host has another value
    /// than was declared.
    #[inline]
    pub fn get(&mut self) -> Result<Option<T::Of<'_>>> {
        let name = self.single.name();
        match self.single.get()? {
            Some(bytes) => decode::<T>(bytes, name).map(Some),
            None => Ok(None),
        }
    }

    /// The value, or the default of its type.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[inline]
    pub fn get_or_default<'s>(&'s mut self) -> Result<T::Of<'s>>
    where
        T::Of<'s>: Default,
    {
        self.get().map(Option::unwrap_or_default)
    }

    /// Whether there is a value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn is_set(&mut self) -> Result<bool> {
        self.single.get().map(|value| value.is_some())
    }

    /// Writes the value. Its time to live begins anew.
    ///
    /// # Errors
    /// When the key of the record is null, or the value is larger than about 1 MiB. Both reject the
    /// record.
    #[inline]
    pub fn set(&mut self, value: T::Of<'_>) -> Result<()> {
        self.single.set(|out| value.encode(Form::PLAIN, out))
    }

    /// Removes the value.
    ///
    /// # Errors
    /// When the key of the record is null.
    pub fn clear(&mut self) -> Result<()> {
        self.single.delete()
    }
}

impl<T: StoredOwned + Default> Value<T> {
    /// Changes the value, beginning with the default of its type, and gives what `change` gives.
    ///
    /// ```
    /// # use wasmill_sdk::prelude::*;
    /// # #[transform]
    /// # #[input(words, key = String)]
    /// # struct Count { seen: Value<i64>, counts: Output<i64> }
    /// impl Process<String> for Count {
    ///     fn process(&mut self, _: String, _: &mut Context<'_>) -> Result<()> {
    ///         let count = self.seen.update(|count| {
    ///             *count += 1;
    ///             *count
    ///         })?;
    ///         self.counts.emit(count)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`set`](Self::set).
    #[inline]
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R> {
        let mut value = self.get()?.unwrap_or_default();
        let result = change(&mut value);
        self.set(value)?;
        Ok(result)
    }
}

/// A value of a store. The host has checked it against the schema.
#[inline]
pub(crate) fn decode<'s, T: Stored>(bytes: &'s [u8], name: &'static str) -> Result<T::Of<'s>> {
    body::decode_all::<T>(bytes).map_err(|error| undecodable(name, error))
}

#[cold]
#[inline(never)]
pub(crate) fn undecodable(name: &'static str, error: BodyError) -> Error {
    Error::fatal(format!("state `{name}`: the host gave a value that is none of its schema: {error}"))
}
