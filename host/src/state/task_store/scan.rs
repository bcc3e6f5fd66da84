//! Ranges of the suffixes under one key, in order: what memory holds over what disk holds.

use std::ops::Bound;

use crate::model::state::SCAN_BYTES_MAX;
use crate::model::state::SCAN_ENTRIES_MAX;
use crate::model::state::STATE_KEY_BYTES_MAX;
use crate::model::state::Scan;
use crate::model::state::ScanPage;
use crate::model::state::StoreIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::state::disk::Disk;
use crate::state::disk::DiskError;
use crate::state::format::write_stored_key;
use crate::state::store::LoadError;
use crate::state::store::Store;
use crate::state::store::admit;
use crate::state::task_store::TaskStore;

/// Most entries that one page looks at, those that are deleted or have expired included: a page may
/// have fewer than its limit, or none, and a cursor.
const LOOKS_MAX: usize = 100_000;

/// The stored keys of a scan.
struct Range {
    from: Vec<u8>,
    /// Excluded; none when no key is after them.
    until: Option<Vec<u8>>,
    /// Bytes before the suffix.
    head: usize,
}

impl TaskStore {
    pub(super) fn scan_page(
        &mut self,
        store: StoreIndex,
        scan: &Scan<'_>,
        page: &mut ScanPage,
    ) -> Result<(), StateFailure> {
        let index = self.user_store(store)?;
        let Some(store) = self.stores.get(index) else { return Ok(()) };
        let name = &store.layout.name;
        if !store.layout.scan {
            let why = format!("the store `{name}` is not declared with `scan`");
            return Err(StateFailure::Scan(why));
        }
        if !(1..=SCAN_ENTRIES_MAX).contains(&scan.limit) {
            let why = format!("found a limit of {}, expected 1 to {SCAN_ENTRIES_MAX}", scan.limit);
            return Err(StateFailure::Scan(why));
        }
        let range = range(scan).map_err(StateFailure::Scan)?;
        self.make_room();
        let disk = self.disk()?;
        let Some(store) = self.stores.get_mut(index) else { return Ok(()) };
        let read = read(store, &disk, &range, scan.limit as usize, page);
        read.map_err(|error| self.load_failed(error))
    }
}

fn range(scan: &Scan<'_>) -> Result<Range, String> {
    if scan.key.len() > STATE_KEY_BYTES_MAX {
        return Err(format!("the key has {} bytes, expected at most {STATE_KEY_BYTES_MAX}", scan.key.len()));
    }
    if let (Some(start), Some(end)) = (scan.start, scan.end)
        && start > end
    {
        return Err("the start is after the end".to_owned());
    }
    let mut head = Vec::new();
    write_stored_key(scan.key, &[], &mut head);
    let with = |suffix: &[u8]| [&head[..], suffix].concat();
    let mut from = with(scan.prefix.max(scan.start.unwrap_or_default()));
    if let Some(cursor) = scan.cursor {
        if cursor.len() > STATE_KEY_BYTES_MAX || !cursor.starts_with(scan.prefix) {
            return Err("the cursor is not of this scan".to_owned());
        }
        // The first key after the cursor's.
        let mut after = with(cursor);
        after.push(0);
        from = from.max(after);
    }
    let until = after_prefix(with(scan.prefix));
    let until = match scan.end {
        Some(end) => Some(until.map_or_else(|| with(end), |until| until.min(with(end)))),
        None => until,
    };
    Ok(Range { from, until, head: head.len() })
}

/// The first key after all that begin with a prefix.
fn after_prefix(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

fn read(
    store: &mut Store,
    disk: &Disk,
    range: &Range,
    limit: usize,
    page: &mut ScanPage,
) -> Result<(), LoadError> {
    if range.until.as_ref().is_some_and(|until| *until <= range.from) {
        return Ok(());
    }
    let mut on_disk = disk.iterate(store.family, &range.from, range.until.as_deref())?;
    let mut bytes = 0;
    let mut last: Option<Vec<u8>> = None;
    for looks in 0..=LOOKS_MAX {
        on_disk.status().map_err(DiskError::from)?;
        let after = last.as_deref().map_or(Bound::Included(&range.from[..]), Bound::Excluded);
        let in_memory =
            store.ordered.as_ref().and_then(|ordered| ordered.next(after, range.until.as_deref()));
        let stored = on_disk.item();
        let Some(key) = in_memory.into_iter().chain(stored.map(|(key, _)| key)).min() else {
            return Ok(());
        };
        let suffix = key.get(range.head..).unwrap_or_default();
        let on_disk_value = stored.filter(|(disk, _)| *disk == key).map(|(_, value)| value);
        let unflushed = if in_memory == Some(key) { store.unflushed(key) } else { None };
        let admitted;
        let value = match (unflushed, on_disk_value) {
            (Some(value), _) => value,
            (None, Some(value)) => {
                admitted = admit(&mut store.schema, &store.layout.name, value)?;
                admitted.bytes()
            }
            (None, None) => None,
        };
        let body = value.and_then(|value| store.expiry.living(value));
        let more = body.map_or(0, |body| suffix.len() + body.len());
        let is_full = page.suffixes.len() == limit || (bytes > 0 && bytes + more > SCAN_BYTES_MAX);
        if is_full || looks == LOOKS_MAX {
            page.cursor = last.map(|last| last.get(range.head..).unwrap_or_default().to_vec());
            return Ok(());
        }
        if let Some(body) = body {
            bytes += more;
            page.suffixes.push(Some(suffix));
            page.values.push(Some(body));
        }
        let is_on_disk = on_disk_value.is_some();
        last = Some(key.to_vec());
        if is_on_disk {
            on_disk.next();
        }
    }
    Ok(())
}
