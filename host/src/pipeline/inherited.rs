//! What emitted rows take over from their sources, in bytes.
//!
//! A guest pays for the columns that it emits, and for a row of them 8 bytes. But a key and headers
//! that it leaves out are copied from the row's source: a million rows of one record with large
//! headers would make a transaction that no broker takes.

use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::record_batch::Emission;
use crate::pipeline::sending::Sources;

/// Refuses emissions that would take over more than `bytes_max` bytes in all.
///
/// # Errors
/// What is wrong with the only row of a batch; of several nobody can say which.
pub(crate) fn check<S: Sources>(
    emissions: &[Emission],
    sources: &S,
    bytes_max: u64,
) -> Result<(), Box<BadRecord>> {
    let heirs = || {
        let inherits = |emission: &&Emission| {
            !emission.sources.is_empty() && (emission.rows.key.is_none() || emission.rows.headers.is_none())
        };
        emissions.iter().filter(inherits)
    };
    let rows = heirs().fold(0_u64, |rows, emission| rows.saturating_add(emission.sources.len() as u64));
    if rows == 0 {
        return Ok(());
    }
    let bytes_of = |source: usize| {
        let key = sources.key(source).map_or(0, <[u8]>::len) as u64;
        (key, sources.header_bytes(source))
    };
    // Nearly always the largest source, taken over by every row, is small enough.
    let largest = (0..sources.count()).map(bytes_of).map(|(key, headers)| key.saturating_add(headers)).max();
    if rows.saturating_mul(largest.unwrap_or_default()) <= bytes_max {
        return Ok(());
    }
    let bytes: Vec<(u64, u64)> = (0..sources.count()).map(bytes_of).collect();
    let mut found = 0_u64;
    for emission in heirs() {
        for source in &emission.sources {
            let (key, headers) = bytes.get(*source as usize).copied().unwrap_or_default();
            let key = if emission.rows.key.is_none() { key } else { 0 };
            let headers = if emission.rows.headers.is_none() { headers } else { 0 };
            found = found.saturating_add(key).saturating_add(headers);
        }
    }
    if found <= bytes_max {
        return Ok(());
    }
    Err(Box::new(BadRecord {
        code: Code("guest-output-limit"),
        stage: sources.stage(),
        message: format!(
            "what the transform emitted would take over {found} bytes of keys and headers from its sources; expected at most {bytes_max}"
        ),
        trace: String::new(),
    }))
}
