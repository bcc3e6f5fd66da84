//! The local folder in which the catalog and the components are kept.

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::ObjectStoreExt;
use object_store::PutMode;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;

use crate::control::error::StorageError;

/// Files appear whole or not at all, and are on the disk when a call returns.
#[derive(Debug)]
pub(crate) struct Folder {
    store: LocalFileSystem,
    root: PathBuf,
}

impl Folder {
    /// Opens a folder, and makes it where it is missing. Blocks shortly.
    pub(crate) fn open(root: PathBuf) -> Result<Self, StorageError> {
        let failed = |message: String| StorageError { file: root.display().to_string(), message };
        std::fs::create_dir_all(&root)
            .map_err(|error| failed(format!("the folder cannot be made: {error}")))?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| failed(format!("the folder cannot be opened: {error}")))?;
        Ok(Self { store: store.with_fsync(true), root })
    }

    pub(crate) fn error(&self, key: &Key, message: impl Into<String>) -> StorageError {
        StorageError { file: self.root.join(key.as_ref()).display().to_string(), message: message.into() }
    }

    /// None when there is no such file.
    pub(crate) async fn read(&self, key: &Key, bytes_max: u64) -> Result<Option<Bytes>, StorageError> {
        let failed = |error| self.error(key, format!("it cannot be read: {error}"));
        let found = match self.store.get(key).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if found.meta.size > bytes_max {
            let size = found.meta.size;
            return Err(self.error(key, format!("it has {size} bytes, expected at most {bytes_max}")));
        }
        found.bytes().await.map(Some).map_err(failed)
    }

    pub(crate) async fn replace(&self, key: &Key, bytes: Bytes) -> Result<(), StorageError> {
        let written = self.store.put(key, bytes.into()).await;
        written.map(drop).map_err(|error| self.error(key, format!("it cannot be written: {error}")))
    }

    /// Writes a file that does not exist. Returns whether it did not.
    pub(crate) async fn create(&self, key: &Key, bytes: Bytes) -> Result<bool, StorageError> {
        match self.store.put_opts(key, bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.error(key, format!("it cannot be written: {error}"))),
        }
    }

    /// Nothing when there is no such file.
    pub(crate) async fn remove(&self, key: &Key) -> Result<(), StorageError> {
        match self.store.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(key, format!("it cannot be removed: {error}"))),
        }
    }

    /// Every file below a prefix, in no order.
    pub(crate) async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StorageError> {
        let files = self.store.list(Some(prefix)).map_ok(|meta| meta.location);
        files.try_collect().await.map_err(|error| self.error(prefix, format!("it cannot be listed: {error}")))
    }
}
