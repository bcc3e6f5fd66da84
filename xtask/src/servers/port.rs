//! Ports that no other test and no outgoing connection takes.

use std::fs::File;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::time::SystemTime;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// A loopback TCP port that is free, and reserved among processes that use this type until it is dropped.
///
/// Binding port 0 and letting go of it is not enough for a server that is killed and started again: the
/// system hands such ports out to outgoing connections, so meanwhile somebody else has it. These ports
/// lie below the ephemeral range.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

const FIRST: u64 = 20_000;
const COUNT: u64 = 12_000;
const ATTEMPTS: u64 = 500;

impl PortLease {
    /// # Errors
    /// No port is free, or the folder of the reservations cannot be written.
    pub fn take() -> Result<Self> {
        let dir = crate::cache::dir()?.join("ports");
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut seed = u64::from(now.subsec_nanos()) ^ (u64::from(std::process::id()) << 32);
        for _ in 0..ATTEMPTS {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let Ok(port) = u16::try_from(FIRST + (seed >> 33) % COUNT) else {
                continue;
            };
            let path = dir.join(port.to_string());
            let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(Self { port, _lock: lock });
            }
        }
        bail!("no free port found on 127.0.0.1 between {FIRST} and {} in {ATTEMPTS} attempts", FIRST + COUNT)
    }

    /// The port's number.
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::PortLease;

    #[test]
    fn two_leases_never_share_a_port() {
        let leases: Vec<_> = (0..50).map(|_| PortLease::take().expect("a free port")).collect();
        let mut ports: Vec<_> = leases.iter().map(PortLease::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), leases.len());
    }
}
