//! From a checkpoint in the object store to a database on the own disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use sha2::Digest;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::state::checkpoint::CheckpointError;
use crate::state::checkpoint::Document;
use crate::state::checkpoint::TaskPlace;
use crate::state::checkpoint::digest;
use crate::state::checkpoint::document::FileEntry;
use crate::state::checkpoint::parallel;
use crate::state::disk::DiskError;

/// Fetches all files of a checkpoint into a new folder, and makes them durable. `fetched` hears of the
/// bytes as they come. Whatever has another digest than the document says is an error.
pub(in crate::state) fn download(
    place: &TaskPlace,
    document: &Document,
    folder: &Path,
    cancel: &CancellationToken,
    fetched: impl Fn(u64) + Sync,
) -> Result<(), CheckpointError> {
    std::fs::create_dir_all(folder).map_err(|error| DiskError::io("make the folder", folder, &error))?;
    parallel::each(&document.files, |file| {
        let path = folder.join(&file.name);
        let mut receiver = Receiver::create(&path)?;
        place.get(&file.sha256, cancel, |part| {
            receiver.take(part)?;
            fetched(part.len() as u64);
            Ok(())
        })?;
        receiver.finish(file)
    })?;
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(synced.map_err(|error| DiskError::io("sync", folder, &error))?)
}

/// A file that comes in.
struct Receiver<'a> {
    path: &'a Path,
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl<'a> Receiver<'a> {
    fn create(path: &'a Path) -> Result<Self, CheckpointError> {
        let file = File::create(path).map_err(|error| DiskError::io("make", path, &error))?;
        Ok(Self { path, file, hasher: Sha256::new(), bytes: 0 })
    }

    fn take(&mut self, part: &[u8]) -> Result<(), CheckpointError> {
        self.file.write_all(part).map_err(|error| DiskError::io("write", self.path, &error))?;
        self.hasher.update(part);
        self.bytes += part.len() as u64;
        Ok(())
    }

    fn finish(self, expected: &FileEntry) -> Result<(), CheckpointError> {
        let found = digest::hex(self.hasher);
        if found != expected.sha256 || self.bytes != expected.bytes {
            return Err(CheckpointError::Damaged(format!(
                "`{}` has {} bytes with digest {found}, expected {} with {}",
                expected.name, self.bytes, expected.bytes, expected.sha256
            )));
        }
        self.file.sync_all().map_err(|error| DiskError::io("sync", self.path, &error))?;
        Ok(())
    }
}
