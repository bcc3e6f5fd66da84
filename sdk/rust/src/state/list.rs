//! A list a key.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::binaries::Binaries;
use crate::body;
use crate::body::Body;
use crate::body::BodyError;
use crate::body::Decode;
use crate::body::Encode;
use crate::body::Form;
use crate::body::Stored;
use crate::body::StoredOwned;
use crate::error::Result;
use crate::schema_writer::FieldSchema;
use crate::schema_writer::SchemaWriter;
use crate::schema_writer::TypeName;
use crate::state::declaration::Keep;
use crate::state::declaration::StateField;
use crate::state::declaration::StateStore;
use crate::state::entries::Entries;
use crate::state::entry_key::EntryKey;
use crate::state::scope::Scope;
use crate::state::single::Single;
use crate::state::value;

/// State of a list for the key of the record at hand, to which elements are appended at its end and
/// taken away at its beginning.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// /// Says the sum of a sensor's last three readings.
/// #[transform]
/// #[input(readings, key = String)]
/// struct LastThree {
///     readings: List<i64>,
///     sums: Output<i64>,
/// }
///
/// impl Process<i64> for LastThree {
///     fn process(&mut self, reading: i64, _: &mut Context<'_>) -> Result<()> {
///         self.readings.push(reading)?;
///         if self.readings.len()? > 3 {
///             self.readings.pop_front()?;
///         }
///         let sum = self.readings.iter()?.sum::<Result<i64>>()?;
///         self.sums.emit(sum)
///     }
/// }
///
/// let mut harness = TestHarness::new::<LastThree>();
/// harness.send_all([1_i64, 2, 3, 4].map(|reading| TestRecord::new(reading).key("s-1")));
/// assert_eq!(harness.values::<i64>("sums"), [1, 3, 6, 9]);
/// assert_eq!(harness.list::<i64>("readings", "s-1"), [2, 3, 4]);
/// ```
///
/// Each element is an entry of its own, so that to append costs the same however long the list is. With
/// a time to live, each element has its own; one whose time has passed is skipped by
/// [`iter`](Self::iter), and counted by [`len`](Self::len) until it is taken away.
pub struct List<T: Stored> {
    /// Where the list begins and ends.
    ends: Single,
    elements: Entries,
    element: PhantomData<fn() -> T>,
}

/// The numbers of a list's first element, and of the one that comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ends {
    first: i64,
    next: i64,
}

impl<T: Stored> List<T> {
    fn ends(&mut self) -> Result<Ends> {
        let name = self.ends.name();
        let Some(bytes) = self.ends.get()? else {
            return Ok(Ends::default());
        };
        let mut body = Body::new(bytes);
        let mut read = || Ok(Ends { first: body.long()?, next: body.long()? });
        read().map_err(|error| value::undecodable(name, error))
    }

    /// The element in the value of an entry.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn element<'s>(bytes: &'s [u8], name: &'static str) -> Result<Option<T::Of<'s>>> {
        element::<T>(Some(bytes), name)
    }

    fn set_ends(&mut self, ends: Ends) -> Result<()> {
        if ends.first == ends.next {
            return self.ends.delete();
        }
        self.ends.set(|out| put_slot::<T>(ends, None, out))
    }

    fn entry(&mut self, number: i64) -> Result<u32> {
        self.elements.entry(|state_key| number.put(state_key))
    }

    /// Appends an element.
    ///
    /// # Errors
    /// As [`Value::set`](crate::Value::set).
    pub fn push(&mut self, element: T::Of<'_>) -> Result<()> {
        let ends = self.ends()?;
        let entry = self.entry(ends.next)?;
        self.elements.set(entry, |out| put_slot::<T>(Ends::default(), Some(&element), out))?;
        self.set_ends(Ends { next: ends.next + 1, ..ends })
    }

    /// How many elements there are, with those whose time to live has passed and which nobody has
    /// taken away yet.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get).
    pub fn len(&mut self) -> Result<usize> {
        let ends = self.ends()?;
        Ok(usize::try_from(ends.next - ends.first).unwrap_or_default())
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get).
    pub fn is_empty(&mut self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// An element by its place, counted from 0; none if there are fewer, or its time to live has
    /// passed.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get).
    pub fn get(&mut self, place: usize) -> Result<Option<T::Of<'_>>> {
        let ends = self.ends()?;
        let name = self.elements.name();
        match i64::try_from(place).ok().and_then(|place| ends.first.checked_add(place)) {
            Some(number) if number < ends.next => {
                let entry = self.entry(number)?;
                element::<T>(self.elements.get(entry)?, name)
            }
            _ => Ok(None),
        }
    }

    /// Takes the first element away. Says whether there was one.
    ///
    /// # Errors
    /// As [`Value::set`](crate::Value::set).
    pub fn pop_front(&mut self) -> Result<bool> {
        let ends = self.ends()?;
        if ends.first == ends.next {
            return Ok(false);
        }
        let entry = self.entry(ends.first)?;
        self.elements.delete(entry);
        self.set_ends(Ends { first: ends.first + 1, ..ends })?;
        Ok(true)
    }

    /// Takes every element away.
    ///
    /// # Errors
    /// As [`Value::set`](crate::Value::set).
    pub fn clear(&mut self) -> Result<()> {
        let ends = self.ends()?;
        for number in ends.first..ends.next {
            let entry = self.entry(number)?;
            self.elements.delete(entry);
        }
        self.set_ends(Ends::default())
    }

    /// The elements in order, as they are now: what is written afterwards does not change what is
    /// listed. They are fetched in one call of the host.
    ///
    /// # Errors
    /// As [`Value::get`](crate::Value::get).
    pub fn iter(&mut self) -> Result<ListIter<T>> {
        let ends = self.ends()?;
        for number in ends.first..ends.next {
            self.entry(number)?;
        }
        let mut elements = Binaries::default();
        for number in ends.first..ends.next {
            let entry = self.entry(number)?;
            if let Some(bytes) = self.elements.get(entry)? {
                elements.push(Some(bytes));
            }
        }
        Ok(ListIter { name: self.elements.name(), elements, next: 0, element: PhantomData })
    }
}

/// Elements of a [`List`], as they were when it was asked for them.
#[derive(Debug)]
pub struct ListIter<T> {
    name: &'static str,
    elements: Binaries,
    next: usize,
    element: PhantomData<fn() -> T>,
}

impl<T: Stored> ListIter<T> {
    /// The next element, borrowed from the iterator.
    ///
    /// # Errors
    /// When the host has an element of another type than was declared.
    pub fn next_element(&mut self) -> Result<Option<T::Of<'_>>> {
        let bytes = self.elements.get(self.next);
        self.next += 1;
        element::<T>(bytes, self.name)
    }
}

impl<T: StoredOwned> Iterator for ListIter<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_element().transpose()
    }
}

/// What a list stores under the key alone, and with the number of each element behind it: a record of
/// its ends and of at most one element, of which the one has only those and the other only this.
#[allow(missing_debug_implementations, reason = "there is never one")]
pub struct Slot<T>(PhantomData<T>);

impl<T: Stored> AvroType for Slot<T> {
    const KIND: Kind = Kind::Record;

    fn schema(writer: &mut SchemaWriter) {
        let name = TypeName {
            name: "ListSlot",
            namespace: Some("wasmill"),
            aliases: &[],
            rust: std::any::type_name::<Slot<()>>(),
        };
        writer.record(name, |writer| {
            let field = |name| FieldSchema { name, aliases: &[], default: None, logical: None, fixed: None };
            writer.field::<i64>(field("first"));
            writer.field::<i64>(field("next"));
            writer.field::<Vec<T>>(field("element"));
        });
    }
}

fn put_slot<T: Stored>(ends: Ends, element: Option<&T::Of<'_>>, out: &mut Vec<u8>) -> Result<(), BodyError> {
    body::put_long(ends.first, out);
    body::put_long(ends.next, out);
    body::put_items(element.into_iter(), out, |element, out| element.encode(Form::PLAIN, out))
}

/// The element of a slot.
fn element<'s, T: Stored>(bytes: Option<&'s [u8]>, name: &'static str) -> Result<Option<T::Of<'s>>> {
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let mut body = Body::new(bytes);
    let mut read = || {
        body.long()?;
        body.long()?;
        let mut element = None;
        body.items(|body| {
            element = Some(T::Of::decode(Form::PLAIN, body)?);
            Ok(())
        })?;
        Ok(element)
    };
    read().map_err(|error| value::undecodable(name, error))
}

impl<T: Stored> StateField for List<T> {
    type Stored = Slot<T>;
    const SCAN: bool = false;

    fn new(index: u32, store: &'static StateStore, scope: &Rc<Scope>) -> Self {
        let (ends, elements) = (Single::new(index, store, scope), Entries::new(index, store, scope));
        Self { ends, elements, element: PhantomData }
    }

    fn scope(&self) -> &Scope {
        self.ends.scope()
    }
}

impl<T: Stored> Keep for List<T> {
    fn begin(&mut self) {
        self.ends.begin();
        self.elements.begin();
    }

    fn undo(&mut self) {
        self.ends.undo();
        self.elements.undo();
    }

    fn finish(&mut self) -> Result<()> {
        self.ends.finish()?;
        self.elements.finish()
    }
}

impl<T: Stored> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("name", &self.ends.name()).finish_non_exhaustive()
    }
}
