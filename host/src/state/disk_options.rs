//! How RocksDB is set up for state: many small databases in one process, one budget, no log.

use rocksdb::BlockBasedIndexType;
use rocksdb::BlockBasedOptions;
use rocksdb::DBCompressionType;
use rocksdb::LogLevel;
use rocksdb::MemtableFactory;
use rocksdb::Options;

use crate::state::memory::Memory;
use crate::state::ttl::SweptUntil;

/// Largest memtable of one family. The budget of the process usually ends it earlier.
const MEMTABLE_BYTES: usize = 16 << 20;
/// A memtable takes memory in blocks of this: small, since each family of each task has one.
const ARENA_BLOCK_BYTES: usize = 64 << 10;
/// Files that one task keeps open.
const OPEN_FILES_MAX: i32 = 256;
/// About one lookup in a hundred of an absent key reads a block in vain.
const FILTER_BITS_PER_KEY: f64 = 10.0;

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Reads and writes.
    Work,
    /// Writes alone, many of them: memtables are not kept in order, but sorted when they go to disk.
    Fill,
}

impl Use {
    fn apply(self, options: &mut Options) {
        if self == Self::Fill {
            options.set_memtable_factory(MemtableFactory::Vector);
            options.set_allow_concurrent_memtable_write(false);
        }
    }
}

/// Options of a database.
pub(super) fn database(memory: &Memory, purpose: Use) -> Options {
    let mut options = Options::default();
    purpose.apply(&mut options);
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_atomic_flush(true);
    options.set_write_buffer_manager(&memory.write_buffers);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    // Its own log is for when a folder cannot be opened; a few lines are enough.
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options
}

/// Options of the files, shared by all families of a task.
pub(super) fn table(memory: &Memory) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&memory.block_cache);
    table.set_block_size(8 << 10);
    table.set_format_version(6);
    table.set_ribbon_filter(FILTER_BITS_PER_KEY);
    // Indexes and filters count against the budget too, in parts, so that they can be let go.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_pin_top_level_index_and_filter(true);
    table
}

/// Options of a family. `swept` where its values expire.
pub(super) fn family(table: &BlockBasedOptions, swept: Option<&SweptUntil>, purpose: Use) -> Options {
    let mut options = Options::default();
    purpose.apply(&mut options);
    options.set_block_based_table_factory(table);
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_arena_block_size(ARENA_BLOCK_BYTES);
    options.set_max_write_buffer_number(4);
    options.set_target_file_size_base(32 << 20);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    if let Some(swept) = swept {
        let swept = swept.clone();
        options.set_compaction_filter(c"swept", move |_level, _key, value| swept.decide(value));
    }
    options
}
