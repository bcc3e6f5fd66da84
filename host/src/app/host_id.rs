//! The host's identity, kept in the data folder and held by a lock while the host lives.

use std::fs::File;
use std::fs::TryLockError;
use std::path::Path;

use anyhow::Context;

use crate::model::ids::HostId;

/// The identity of a running host. Its data folder is locked until this is dropped.
#[derive(Debug)]
pub struct HeldHostId {
    pub id: HostId,
    _lock: File,
}

/// Locks the data folder and gives the host's identity: the one asked for, or the one kept in the
/// folder, or a new one that is kept from now on.
///
/// # Errors
/// When another process holds the folder, or it cannot be written.
pub fn hold(data_dir: &Path, wanted: Option<&HostId>) -> anyhow::Result<HeldHostId> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("the data folder {} cannot be created", data_dir.display()))?;
    let lock_path = data_dir.join("lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .with_context(|| format!("{} cannot be written", lock_path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another host uses the data folder {}; give each host its own with --data-dir or WASMILL_DATA_DIR",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("{} cannot be locked", lock_path.display()));
        }
    }
    let id = match wanted {
        Some(id) => id.clone(),
        None => kept(&data_dir.join("host-id"))?,
    };
    Ok(HeldHostId { id, _lock: lock })
}

fn kept(path: &Path) -> anyhow::Result<HostId> {
    match std::fs::read_to_string(path) {
        Ok(text) => HostId::new(text.trim())
            .with_context(|| format!("{} holds no host id; delete it to get a new one", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = HostId::new(uuid::Uuid::new_v4().to_string())?;
            std::fs::write(path, id.as_str())
                .with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(id)
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_kept_and_the_folder_is_locked() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = hold(folder.path(), None).expect("held");
        let error = hold(folder.path(), None).expect_err("locked");
        assert!(error.to_string().contains("another host uses"), "{error}");
        let id = first.id.clone();
        drop(first);
        assert_eq!(hold(folder.path(), None).expect("held again").id, id);
    }
}
