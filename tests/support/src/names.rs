//! Names and ports that no other test has.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use anyhow::Result;
use xtask::servers::PortLease;

/// `prefix-` and a suffix that is new on the shared servers: for topics, groups, transactional ids, subjects.
pub fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // The process id keeps test binaries apart, the random part keeps runs on a kept server apart.
    let random: u32 = rand::random();
    format!("{prefix}-{:x}-{random:08x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A loopback TCP port that is free, and that no other caller on this machine gets while this process lives.
///
/// # Errors
/// None is free.
pub fn free_port() -> Result<u16> {
    let lease = PortLease::take()?;
    let port = lease.port();
    // Kept for the life of the process: the caller's server may come and go on it.
    std::mem::forget(lease);
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::unique_name;

    #[test]
    fn names_differ_and_keep_their_prefix() {
        let (first, second) = (unique_name("orders"), unique_name("orders"));
        assert_ne!(first, second);
        assert!(first.starts_with("orders-") && second.starts_with("orders-"));
    }
}
