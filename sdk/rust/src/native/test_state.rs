//! What tests see of state and timers.

#![allow(clippy::panic, reason = "the test kit tells a test what is wrong by panicking")]

use crate::body;
use crate::body::Encode;
use crate::body::StoredOwned;
use crate::native::test_harness::TestHarness;
use crate::schema_writer::SchemaWriter;
use crate::state::List;
use crate::state::OwnedEntryKey;
use crate::state::declaration::stored_schema;
use crate::state::key_bytes;
use crate::timers::TimeDomain;

/// A timer that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTimer {
    /// What it goes by.
    pub domain: TimeDomain,
    /// The bytes of its key: UTF-8, big-endian, or an Avro body.
    pub key: Vec<u8>,
    /// Its tag.
    pub tag: String,
    /// Its time, in milliseconds since the Unix epoch.
    pub time: i64,
}

impl TestHarness {
    /// The value that a [`Value`](crate::Value), a [`Reducing`](crate::Reducing) or the state of an
    /// [`Aggregate`](crate::Aggregate) has for a key: `"acct-7"`, `7_i64`, or a record. State of the
    /// partition has the key `()`.
    ///
    /// # Panics
    /// When there is no such store, or it has values of another type.
    #[must_use]
    pub fn state<T: StoredOwned>(&self, store: &str, key: impl Encode) -> Option<T> {
        let index = self.store(store, &SchemaWriter::schema_of::<T>());
        let key = bytes(&key);
        let mut entries = self.runner.state().entries(index);
        let (_, entry) = entries.find(|((of, suffix), _)| *of == key && suffix.is_empty())?;
        Some(decode::<T>(store, &entry.body))
    }

    /// The entries that a [`Map`](crate::Map) has for a key, in the order of their keys. Those of a
    /// [`Set`](crate::Set) or [`Deduplicate`](crate::Deduplicate) have values `()`.
    ///
    /// # Panics
    /// When there is no such store, or it has keys or values of another type.
    #[must_use]
    pub fn entries<K: OwnedEntryKey, V: StoredOwned>(&self, store: &str, key: impl Encode) -> Vec<(K, V)> {
        let index = self.store(store, &SchemaWriter::schema_of::<V>());
        let key = bytes(&key);
        let entries = self.runner.state().entries(index).filter(|((of, _), _)| *of == key);
        let entry = |suffix: &[u8]| {
            K::take(suffix).unwrap_or_else(|| panic!("state `{store}` has entries with keys of another type"))
        };
        entries.map(|((_, suffix), value)| (entry(suffix), decode::<V>(store, &value.body))).collect()
    }

    /// The elements that a [`List`] has for a key.
    ///
    /// # Panics
    /// When there is no such store, or it has elements of another type.
    #[must_use]
    pub fn list<T: StoredOwned>(&self, store: &str, key: impl Encode) -> Vec<T> {
        let index = self.store(store, &stored_schema::<List<T>>());
        let key = bytes(&key);
        let elements =
            self.runner.state().entries(index).filter(|((of, suffix), _)| *of == key && !suffix.is_empty());
        let element =
            |body: &[u8]| List::<T>::element(body, "list").unwrap_or_else(|error| panic!("{error}"));
        elements.filter_map(|(_, entry)| element(&entry.body)).collect()
    }

    /// Every timer that is registered, ordered by domain, key and tag.
    #[must_use]
    pub fn timers(&self) -> Vec<PendingTimer> {
        let timer = |((domain, key, tag), time): (&(TimeDomain, Vec<u8>, Vec<u8>), &i64)| PendingTimer {
            domain: *domain,
            key: key.clone(),
            tag: String::from_utf8_lossy(tag).into_owned(),
            time: *time,
        };
        self.runner.state().timers().map(timer).collect()
    }

    /// The index of a store, whose values have this schema.
    fn store(&self, name: &str, schema: &str) -> usize {
        let Some((index, store)) = self.runner.state().find(name) else {
            panic!("`{}` has no state `{name}`", self.declaration.name);
        };
        let declared = (store.value)();
        assert!(
            declared == schema,
            "the values of state `{name}` have the schema\n  {declared}\nbut the test has\n  {schema}"
        );
        index
    }
}

fn bytes<K: Encode>(key: &K) -> Vec<u8> {
    let mut out = Vec::new();
    key_bytes::put(key, &mut out).unwrap_or_else(|error| panic!("the key cannot be written: {error}"));
    out
}

fn decode<T: StoredOwned>(store: &str, body: &[u8]) -> T {
    body::decode_all::<T>(body).unwrap_or_else(|error| panic!("state `{store}`: {error}"))
}
