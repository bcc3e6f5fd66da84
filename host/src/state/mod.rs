//! Keyed state and timers of a task: committed values in memory and in RocksDB, writes of the open
//! cycle over them.
//!
//! ```text
//! staged by the invocation -> kept in the overlay -> committed, dirty in the cache -> flushed to disk
//! ```
//!
//! The truth is the changelog: what lies on disk need only be consistent with the offsets that lie
//! beside it. The golden files show every byte.

mod background;
pub mod checkpoint;
pub mod directory;
pub mod disk;
mod disk_options;
mod entries;
pub mod format;
pub mod host;
mod layout;
pub mod local_record;
mod memory;
pub mod meta;
pub mod restore;
mod restore_checkpoint;
pub mod restore_meter;
mod store;
mod sweep;
mod task_store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timer_index;
mod timer_key;
mod ttl;
pub mod value_schema;
