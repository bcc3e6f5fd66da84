//! The `count` work as a careful engineer would write it without a framework: totals in RocksDB, those
//! of the open transaction in a map over it, one changelog record a changed key and transaction.

use std::ops::Range;
use std::path::Path;

use ahash::RandomState;
use hashbrown::HashTable;
use rocksdb::BlockBasedOptions;
use rocksdb::Cache;
use rocksdb::DB;
use rocksdb::DBCompressionType;
use rocksdb::Options;
use rocksdb::WriteBatch;
use rocksdb::WriteOptions;

use crate::native_raw::Changes;
use crate::native_raw::Work;
use crate::native_workload::Payment;
use crate::native_workload::RunningTotal;

const MEMTABLE_BYTES: usize = 64 << 20;
const BLOCK_CACHE_BYTES: usize = 128 << 20;

/// What an account has paid so far.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    total: f64,
    count: i64,
}

impl Totals {
    const BYTES: usize = 16;

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.total.to_le_bytes());
        bytes[8..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (total, count) = bytes.split_first_chunk::<8>()?;
        Some(Self { total: f64::from_le_bytes(*total), count: i64::from_le_bytes(count.try_into().ok()?) })
    }
}

/// Totals that the open transaction has changed.
struct Entry {
    /// In the arena of keys.
    key: Range<usize>,
    partition: u32,
    totals: Totals,
}

/// See the module.
pub struct Count {
    schema: u32,
    database: DB,
    writing: WriteOptions,
    hasher: RandomState,
    /// Places in `entries`. Emptied by every commit, as the two below; their memory is used again.
    places: HashTable<u32>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    changes: Changes,
}

impl Count {
    /// With an empty database in an empty folder. `schema` is the id in front of every output.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path, schema: u32) -> anyhow::Result<Self> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
        table.set_bloom_filter(10.0, false);
        table.set_format_version(6);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(MEMTABLE_BYTES);
        // Absent keys, and those of older memtables, are not looked for in vain.
        options.set_memtable_prefix_bloom_ratio(0.02);
        options.set_memtable_whole_key_filtering(true);
        let mut writing = WriteOptions::default();
        // The changelog is one already.
        writing.disable_wal(true);
        Ok(Self {
            schema,
            database: DB::open(&options, folder)?,
            writing,
            hasher: RandomState::new(),
            places: HashTable::new(),
            entries: Vec::new(),
            keys: Vec::new(),
            changes: Changes::default(),
        })
    }

    /// The entry of a key, from the open transaction or else from the database.
    #[inline]
    fn entry(&mut self, key: &[u8], partition: u32) -> anyhow::Result<&mut Entry> {
        let hash = self.hasher.hash_one(key);
        let (entries, keys) = (&self.entries, &self.keys);
        let found = self.places.find(hash, |place| keys[entries[*place as usize].key.clone()] == *key);
        let place = match found {
            Some(place) => *place,
            None => {
                let stored = self.database.get_pinned(key)?;
                let totals = stored.and_then(|bytes| Totals::from_bytes(&bytes)).unwrap_or_default();
                let start = self.keys.len();
                self.keys.extend_from_slice(key);
                let place = self.entries.len() as u32;
                self.entries.push(Entry { key: start..self.keys.len(), partition, totals });
                let (hasher, entries, keys) = (&self.hasher, &self.entries, &self.keys);
                self.places.insert_unique(hash, place, |place| {
                    hasher.hash_one(&keys[entries[*place as usize].key.clone()])
                });
                place
            }
        };
        Ok(&mut self.entries[place as usize])
    }
}

impl Work for Count {
    #[inline]
    fn output(&mut self, payment: &Payment<'_>, partition: u32, out: &mut Vec<u8>) -> anyhow::Result<bool> {
        let schema = self.schema;
        let Totals { total, count } = &mut self.entry(payment.account, partition)?.totals;
        *total += payment.amount;
        *count += 1;
        RunningTotal { account: payment.account, total: *total, count: *count }.encode(schema, out);
        Ok(true)
    }

    fn changes(&mut self) -> &Changes {
        let Changes { bytes, records } = &mut self.changes;
        bytes.clear();
        records.clear();
        for entry in &self.entries {
            let start = bytes.len();
            bytes.extend_from_slice(&self.keys[entry.key.clone()]);
            let middle = bytes.len();
            bytes.extend_from_slice(&entry.totals.to_bytes());
            records.push((entry.partition, start..middle, middle..bytes.len()));
        }
        &self.changes
    }

    fn committed(&mut self) -> anyhow::Result<()> {
        let mut batch = WriteBatch::default();
        for entry in &self.entries {
            batch.put(&self.keys[entry.key.clone()], entry.totals.to_bytes());
        }
        self.database.write_opt(batch, &self.writing)?;
        self.places.clear();
        self.entries.clear();
        self.keys.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_go_on_after_a_commit() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut count = Count::open(folder.path(), 7).expect("an empty database");
        let mut pay = |account: &[u8], amount| {
            let mut out = Vec::new();
            let payment = Payment { account, amount, ts: 0 };
            assert!(count.output(&payment, 3, &mut out).expect("it is counted"));
            let RunningTotal { total, count: number, .. } = RunningTotal::decode(&out).expect("an output");
            let changes = count.changes().records.len();
            if changes == 2 {
                count.committed().expect("it is written");
            }
            (total, number, changes)
        };
        assert_eq!(pay(b"a", 1.5), (1.5, 1, 1));
        assert_eq!(pay(b"a", 2.5), (4.0, 2, 1));
        assert_eq!(pay(b"b", 10.0), (10.0, 1, 2));
        assert_eq!(pay(b"a", 1.0), (5.0, 3, 1));
    }
}
