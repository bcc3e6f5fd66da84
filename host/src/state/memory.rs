//! One byte budget for the state of all tasks of the process.
//!
//! Half of it holds entries: overlays and the write-back caches. The other half is RocksDB's block
//! cache, which also pays for its memtables.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use rocksdb::Cache;
use rocksdb::WriteBufferManager;

/// Least memory for entries that a task gets, however many there are.
const SHARE_BYTES_MIN: u64 = 1 << 20;

/// The budget, and what of it is used.
pub(super) struct Memory {
    pub(super) block_cache: Cache,
    pub(super) write_buffers: WriteBufferManager,
    entries_bytes_max: u64,
    entries_bytes: AtomicU64,
    tasks: AtomicUsize,
}

impl Memory {
    pub(super) fn new(budget_bytes: u64) -> Self {
        let blocks = usize::try_from(budget_bytes / 2).unwrap_or(usize::MAX);
        let block_cache = Cache::new_lru_cache(blocks);
        // Never stalls a writer: flushes are started early enough, and a stall would hold the data path.
        let write_buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(blocks / 2, false, block_cache.clone());
        Self {
            block_cache,
            write_buffers,
            entries_bytes_max: budget_bytes / 2,
            entries_bytes: AtomicU64::new(0),
            tasks: AtomicUsize::new(0),
        }
    }

    /// Bytes of entries of all tasks.
    #[cfg(test)]
    pub(super) fn entries_bytes(&self) -> u64 {
        self.entries_bytes.load(Ordering::Relaxed)
    }
}

/// A task's part of the budget.
pub(super) struct Share {
    memory: std::sync::Arc<Memory>,
    bytes: u64,
}

impl Share {
    pub(super) fn new(memory: &std::sync::Arc<Memory>) -> Self {
        memory.tasks.fetch_add(1, Ordering::Relaxed);
        Self { memory: memory.clone(), bytes: 0 }
    }

    /// What this task may hold when all want as much.
    pub(super) fn fair_bytes(&self) -> u64 {
        let tasks = self.memory.tasks.load(Ordering::Relaxed).max(1) as u64;
        (self.memory.entries_bytes_max / tasks).max(SHARE_BYTES_MIN)
    }

    /// Says what this task holds now. The bytes that it should give back: none while others leave
    /// theirs unused.
    pub(super) fn holds(&mut self, bytes: u64) -> u64 {
        let all = &self.memory.entries_bytes;
        let total = if bytes >= self.bytes {
            all.fetch_add(bytes - self.bytes, Ordering::Relaxed) + (bytes - self.bytes)
        } else {
            all.fetch_sub(self.bytes - bytes, Ordering::Relaxed).saturating_sub(self.bytes - bytes)
        };
        self.bytes = bytes;
        let over = total.saturating_sub(self.memory.entries_bytes_max);
        over.min(bytes.saturating_sub(self.fair_bytes()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.entries_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.memory.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_task_gives_back_what_is_over_its_share_once_the_whole_is_full() {
        let memory = Arc::new(Memory::new(64 << 20));
        let (mut a, mut b) = (Share::new(&memory), Share::new(&memory));
        assert_eq!(a.fair_bytes(), 16 << 20);
        assert_eq!(a.holds(30 << 20), 0, "the other leaves its share unused");
        assert_eq!(b.holds(6 << 20), 0, "4 MiB over in all, but this task is within its share");
        assert_eq!(a.holds(30 << 20), 4 << 20);
        assert_eq!(memory.entries_bytes(), 36 << 20);
        drop(a);
        assert_eq!(memory.entries_bytes(), 6 << 20);
        assert_eq!(b.fair_bytes(), 32 << 20);
    }
}
