//! The host's identity, kept in the data folder and held by a lock while the host lives.

use std::fs::File;
use std::fs::TryLockError;
use std::path::Path;

use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::failure::Stop;
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
/// A [`Refusal`] when the folder cannot be used, a [`Stop`] while another process holds it.
pub fn hold(data_dir: &Path, wanted: Option<&HostId>) -> anyhow::Result<HeldHostId> {
    let lock_path = data_dir.join("lock");
    let lock = std::fs::create_dir_all(data_dir)
        .and_then(|()| File::options().create(true).truncate(false).write(true).open(&lock_path))
        .map_err(|error| unusable(data_dir, &error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Stop::new(
                "data-dir-in-use",
                format!("another host uses the data folder {}", data_dir.display()),
                "Give each host its own with --data-dir or WASMILL_DATA_DIR, or wait until the other has ended.",
            )
            .into());
        }
        Err(TryLockError::Error(error)) => return Err(unusable(&lock_path, &error).into()),
    }
    let id = match wanted {
        Some(id) => id.clone(),
        None => kept(&data_dir.join("host-id"))?,
    };
    Ok(HeldHostId { id, _lock: lock })
}

fn kept(path: &Path) -> anyhow::Result<HostId> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(HostId::new(text.trim()).map_err(|error| Refusal {
            code: Code("host-id-invalid"),
            field: path.display().to_string(),
            message: "the file of the host's identity holds none".to_owned(),
            found: error.to_string(),
            expected: "a name, as the host wrote it".to_owned(),
            remedy: "Restore the file, or delete it to get a new identity.".to_owned(),
        })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = HostId::new(uuid::Uuid::new_v4().to_string())?;
            std::fs::write(path, id.as_str()).map_err(|error| unusable(path, &error))?;
            Ok(id)
        }
        Err(error) => Err(unusable(path, &error).into()),
    }
}

/// The refusal of a data folder.
pub(super) fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Refusal {
    Refusal {
        code: Code("data-dir-unusable"),
        field: "data_dir".to_owned(),
        message: "the data folder cannot be used".to_owned(),
        found: format!("{}: {error}", path.display()),
        expected: "a folder that this process may make, read and write".to_owned(),
        remedy: "Correct the folder's owner and rights, or name another with --data-dir.".to_owned(),
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
        assert_eq!(error.downcast_ref::<Stop>().expect("it may end").code.0, "data-dir-in-use");
        let id = first.id.clone();
        drop(first);
        assert_eq!(hold(folder.path(), None).expect("held again").id, id);
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let code =
            |dir: &Path| hold(dir, None).expect_err("refused").downcast::<Refusal>().expect("one").code.0;
        let file = folder.path().join("file");
        std::fs::write(&file, b"").expect("written");
        assert_eq!(code(&file), "data-dir-unusable");
        assert_eq!(code(&file.join("below")), "data-dir-unusable");
        std::fs::write(folder.path().join("host-id"), b"No Name\n").expect("written");
        assert_eq!(code(folder.path()), "host-id-invalid");
    }
}
