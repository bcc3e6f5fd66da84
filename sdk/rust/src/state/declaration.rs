//! What a transform declares of its state.

use std::rc::Rc;

use crate::avro_type::AvroType;
use crate::error::Result;
use crate::schema_writer;
use crate::schema_writer::SchemaWriter;
use crate::state::scope::Scope;
use crate::timers::TimeDomain;
use crate::timers::Timer;
use crate::timers::TimerKeys;

/// A store, as the manifest lists it.
#[derive(Debug, Clone, Copy)]
pub struct StateStore {
    /// Its name.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// The Avro schema of its values.
    pub value: fn() -> String,
    /// Whether its entries belong to the partition as a whole, not to the record's key.
    pub partition: bool,
    /// Whether it is scanned.
    pub scan: bool,
    /// How long its entries live.
    pub ttl: Option<TimeToLive>,
}

/// How long the entries of a store live after they were last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeToLive {
    /// Milliseconds.
    pub ms: u64,
    /// Which clock counts.
    pub time: TimeDomain,
}

/// What a transform declares beside its ports: with a function that writes it, so that a transform
/// without state does not carry the code.
#[derive(Debug, Clone)]
pub struct StateDeclaration {
    /// The stores, in the order of their indexes.
    pub stores: &'static [&'static StateStore],
    /// What its timers go by.
    pub timers: &'static [TimeDomain],
    /// What the keys of its timers are; none where they belong to the partition.
    pub timer_keys: Option<TimerKeys>,
    /// Appends both to a manifest.
    pub json: fn(&Self, &mut String),
}

impl StateDeclaration {
    /// Appends the manifest's keys `state` and `timers`, each after a comma.
    pub fn write_json(&self, out: &mut String) {
        if !self.stores.is_empty() {
            out.push_str(",\"state\":[");
            for (index, store) in self.stores.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                store.write_json(out);
            }
            out.push(']');
        }
        if !self.timers.is_empty() {
            out.push_str(",\"timers\":[");
            for (index, domain) in self.timers.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                schema_writer::string(out, domain.name());
            }
            out.push(']');
        }
    }
}

impl StateStore {
    fn write_json(&self, out: &mut String) {
        out.push_str("{\"name\":");
        schema_writer::string(out, self.name);
        if !self.description.is_empty() {
            out.push_str(",\"description\":");
            schema_writer::string(out, self.description);
        }
        out.push_str(",\"value\":");
        out.push_str(&(self.value)());
        if self.partition {
            out.push_str(",\"scope\":\"partition\"");
        }
        if self.scan {
            out.push_str(",\"scan\":true");
        }
        if let Some(ttl) = &self.ttl {
            out.push_str(&format!(",\"ttl\":{{\"ms\":{},\"time\":\"{}\"}}", ttl.ms, ttl.time.name()));
        }
        out.push('}');
    }
}

/// A field of a transform that holds state: a [`Value`](crate::Value), [`Map`](crate::Map),
/// [`List`](crate::List), [`Set`](crate::Set), [`Reducing`](crate::Reducing),
/// [`Aggregate`](crate::Aggregate) or [`Deduplicate`](crate::Deduplicate).
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no state",
    note = "use Value, Map, List, Set, Reducing, Aggregate or Deduplicate"
)]
pub trait StateField: Keep + Sized {
    /// The type of the values in the store.
    #[doc(hidden)]
    type Stored: AvroType;
    /// Whether the store can be scanned.
    #[doc(hidden)]
    const SCAN: bool;

    /// Makes it for a store of this index.
    #[doc(hidden)]
    fn new(index: u32, store: &'static StateStore, scope: &Rc<Scope>) -> Self;

    /// The scope that it was made with.
    #[doc(hidden)]
    fn scope(&self) -> &Scope;
}

/// State or timers, as the runtime sees them.
pub trait Keep {
    /// Forgets what an earlier invocation left behind.
    #[doc(hidden)]
    fn begin(&mut self);

    /// Undoes what the row at hand has written.
    #[doc(hidden)]
    fn undo(&mut self);

    /// Whether the invocation has changed this timer of the key at hand.
    ///
    /// # Errors
    /// When there is no key.
    #[doc(hidden)]
    fn has_changed(&self, timer: Timer<'_>) -> Result<bool> {
        let _ = timer;
        Ok(false)
    }

    /// Hands everything that was written over to the host.
    ///
    /// # Errors
    /// When the host refuses it.
    #[doc(hidden)]
    fn finish(&mut self) -> Result<()>;
}

/// The schema of what a field stores.
#[must_use]
pub fn stored_schema<F: StateField>() -> String {
    SchemaWriter::schema_of::<F::Stored>()
}

/// Makes a type that wraps a store a field of a transform.
macro_rules! state_field {
    (
        $name:ident<$($generic:ident: $bound:path),+>, $inner:ident: $store:ty, $marker:ident,
        stores $stored:ty, scan = $scan:literal
    ) => {
        impl<$($generic: $bound),+> $crate::state::declaration::StateField for $name<$($generic),+> {
            type Stored = $stored;
            const SCAN: bool = $scan;

            fn new(
                index: u32,
                store: &'static $crate::state::declaration::StateStore,
                scope: &std::rc::Rc<$crate::state::scope::Scope>,
            ) -> Self {
                Self { $inner: <$store>::new(index, store, scope), $marker: std::marker::PhantomData }
            }

            #[inline(always)]
            fn scope(&self) -> &$crate::state::scope::Scope {
                self.$inner.scope()
            }
        }

        impl<$($generic: $bound),+> $crate::state::declaration::Keep for $name<$($generic),+> {
            fn begin(&mut self) {
                self.$inner.begin();
            }

            fn undo(&mut self) {
                self.$inner.undo();
            }

            fn finish(&mut self) -> $crate::Result<()> {
                self.$inner.finish()
            }
        }

        impl<$($generic: $bound),+> std::fmt::Debug for $name<$($generic),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("name", &self.$inner.name()).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use state_field;
