//! The `wasmill` binary.

use std::process::ExitCode;

// Batches are buffers beyond glibc's mmap threshold: with its allocator each would cost page faults.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    wasmill::cli::main()
}
