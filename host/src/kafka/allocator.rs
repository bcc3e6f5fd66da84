//! The C library's allocator, from which librdkafka and RocksDB take their memory.

/// Buffers up to this many bytes come from the heap. A fetch brings a few MiB at most.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES_MIN: libc::c_int = 16 << 20;
/// Free bytes at the end of a heap that are kept for later.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES_MAX: libc::c_int = 128 << 20;
/// A heap grows by this many bytes more than it must.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const GROWTH_BYTES: libc::c_int = 1 << 20;

/// Heaps per core, a quarter of what glibc makes. Memory that is free in one of them is of no use to
/// threads that have another.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS_PER_CORE: usize = 2;

/// Lets glibc keep the memory that librdkafka frees. By default it gives fetch buffers back and
/// takes them anew a thousand times a second, and the kernel clears every page of them each time:
/// 3 to 6 % of the CPU time of a busy consumer. Elsewhere nothing is done.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            let heaps = libc::c_int::try_from(cores * HEAPS_PER_CORE).unwrap_or(libc::c_int::MAX);
            // SAFETY: sets numbers that later allocations go by, under the allocator's own lock.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
                libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX);
                libc::mallopt(libc::M_TOP_PAD, GROWTH_BYTES);
                libc::mallopt(libc::M_ARENA_MAX, heaps);
            }
        });
    }
}
