//! What a host takes at most. A record that would exceed one is rejected; the host would refuse the
//! whole batch.

/// Longest state key, in bytes.
pub(crate) const STATE_KEY_BYTES_MAX: usize = 4096;
/// Longest value, in bytes: with its key and framing it fits a Kafka record of 1 MiB.
pub(crate) const STATE_VALUE_BYTES_MAX: usize = (1 << 20) - STATE_KEY_BYTES_MAX - 1024;
/// Longest tag of a timer, in bytes.
pub(crate) const TIMER_TAG_BYTES_MAX: usize = 256;
/// Entries asked for at once, of a scan.
pub(crate) const SCAN_ENTRIES: u32 = 1000;
