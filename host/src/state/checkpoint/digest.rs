//! The digest of a file.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::Digest;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::state::checkpoint::CheckpointError;
use crate::state::disk::DiskError;

/// Read at once.
const PART_BYTES: usize = 1 << 20;

/// Hexadecimal.
pub(super) fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn of_file(path: &Path, cancel: &CancellationToken) -> Result<String, CheckpointError> {
    let mut file = File::open(path).map_err(|error| DiskError::io("open", path, &error))?;
    let mut hasher = Sha256::new();
    let mut part = vec![0; PART_BYTES];
    while !cancel.is_cancelled() {
        match file.read(&mut part).map_err(|error| DiskError::io("read", path, &error))? {
            0 => return Ok(hex(hasher)),
            read => hasher.update(part.get(..read).unwrap_or_default()),
        }
    }
    Err(CheckpointError::Cancelled)
}
