//! Values that are made of many.

use std::marker::PhantomData;

use crate::body::Encode;
use crate::body::Form;
use crate::body::StoredOwned;
use crate::error::Result;
use crate::state::declaration::state_field;
use crate::state::single::Single;
use crate::state::value;

/// How two values become one.
pub trait Reducer<T> {
    /// The value that stands for both.
    fn reduce(earlier: T, later: T) -> T;
}

/// The sum.
#[derive(Debug, Clone, Copy)]
pub enum Sum {}

/// The smaller one.
#[derive(Debug, Clone, Copy)]
pub enum Min {}

/// The larger one.
#[derive(Debug, Clone, Copy)]
pub enum Max {}

impl<T: std::ops::Add<Output = T>> Reducer<T> for Sum {
    fn reduce(earlier: T, later: T) -> T {
        earlier + later
    }
}

impl<T: PartialOrd> Reducer<T> for Min {
    fn reduce(earlier: T, later: T) -> T {
        if later < earlier { later } else { earlier }
    }
}

impl<T: PartialOrd> Reducer<T> for Max {
    fn reduce(earlier: T, later: T) -> T {
        if later > earlier { later } else { earlier }
    }
}

/// State of one value a key that many are reduced to: [`Sum`], [`Min`], [`Max`], or a [`Reducer`] of
/// your own.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::state::Max;
///
/// /// Says when a reading is the highest so far.
/// #[transform]
/// #[input(readings, key = i32)]
/// struct Records {
///     highest: Reducing<f64, Max>,
///     records: Output<f64>,
/// }
///
/// impl Process<f64> for Records {
///     fn process(&mut self, reading: f64, _: &mut Context<'_>) -> Result<()> {
///         if self.highest.add(reading)? == reading {
///             self.records.emit(reading)?;
///         }
///         Ok(())
///     }
/// }
///
/// let mut harness = TestHarness::new::<Records>();
/// harness.send_all([1.0, 3.0, 2.0, 4.0].map(|reading| TestRecord::new(reading).key(7)));
/// assert_eq!(harness.values::<f64>("records"), [1.0, 3.0, 4.0]);
/// ```
pub struct Reducing<T: StoredOwned, R: Reducer<T>> {
    single: Single,
    types: PhantomData<fn() -> (T, R)>,
}

state_field!(Reducing<T: StoredOwned, R: Reducer<T>>, single: Single, types, stores T, scan = false);

impl<T: StoredOwned, R: Reducer<T>> Reducing<T, R> {
    /// Adds a value and gives what it makes with those before it. Its time to live begins anew.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get) and [`Value::set`](crate::Value::set).
    pub fn add(&mut self, value: T) -> Result<T> {
        let reduced = match self.get()? {
            Some(earlier) => R::reduce(earlier, value),
            None => value,
        };
        self.single.set(|out| reduced.encode(Form::PLAIN, out))?;
        Ok(reduced)
    }

    /// What the values so far make; none before the first.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get).
    pub fn get(&mut self) -> Result<Option<T>> {
        let name = self.single.name();
        self.single.get()?.map(|bytes| value::decode::<T>(bytes, name)).transpose()
    }

    /// Begins anew.
    ///
    /// # Errors
    /// As [`Value::clear`](crate::Value::clear).
    pub fn clear(&mut self) -> Result<()> {
        self.single.delete()
    }
}

/// How inputs become a result, by way of what is kept between them.
pub trait Aggregator {
    /// What is added.
    type Input<'a>;
    /// What is kept.
    type State: StoredOwned + Default;
    /// What is made of it.
    type Output;

    /// Adds an input.
    fn add(state: &mut Self::State, input: Self::Input<'_>);

    /// The result of what was added.
    fn result(state: &Self::State) -> Self::Output;
}

/// State of one aggregate a key.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// enum Average {}
///
/// #[derive(Record, Default)]
/// struct Sums { sum: f64, count: i64 }
///
/// impl Aggregator for Average {
///     type Input<'a> = f64;
///     type State = Sums;
///     type Output = f64;
///
///     fn add(sums: &mut Sums, reading: f64) {
///         sums.sum += reading;
///         sums.count += 1;
///     }
///
///     fn result(sums: &Sums) -> f64 {
///         sums.sum / sums.count as f64
///     }
/// }
///
/// #[transform]
/// #[input(readings, key = i32)]
/// struct Averages {
///     average: Aggregate<Average>,
///     averages: Output<f64>,
/// }
///
/// impl Process<f64> for Averages {
///     fn process(&mut self, reading: f64, _: &mut Context<'_>) -> Result<()> {
///         let average = self.average.add(reading)?;
///         self.averages.emit(average)
///     }
/// }
///
/// let mut harness = TestHarness::new::<Averages>();
/// harness.send_all([1.0, 3.0, 5.0].map(|reading| TestRecord::new(reading).key(7)));
/// assert_eq!(harness.values::<f64>("averages"), [1.0, 2.0, 3.0]);
/// ```
pub struct Aggregate<A: Aggregator> {
    single: Single,
    aggregator: PhantomData<fn() -> A>,
}

state_field!(Aggregate<A: Aggregator>, single: Single, aggregator, stores A::State, scan = false);

impl<A: Aggregator> Aggregate<A> {
    /// Adds an input and gives the result. Its time to live begins anew.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get) and [`Value::set`](crate::Value::set).
    pub fn add(&mut self, input: A::Input<'_>) -> Result<A::Output> {
        let mut state = self.state()?.unwrap_or_default();
        A::add(&mut state, input);
        self.single.set(|out| state.encode(Form::PLAIN, out))?;
        Ok(A::result(&state))
    }

    /// The result so far; none before the first input.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get).
    pub fn get(&mut self) -> Result<Option<A::Output>> {
        Ok(self.state()?.as_ref().map(A::result))
    }

    fn state(&mut self) -> Result<Option<A::State>> {
        let name = self.single.name();
        self.single.get()?.map(|bytes| value::decode::<A::State>(bytes, name)).transpose()
    }

    /// Begins anew.
    ///
    /// # Errors
    /// As [`Value::clear`](crate::Value::clear).
    pub fn clear(&mut self) -> Result<()> {
        self.single.delete()
    }
}
