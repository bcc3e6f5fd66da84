//! Components, by digest.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as Key;
use sha2::Digest;
use sha2::Sha256;

use crate::control::error::ControlError;
use crate::control::error::StorageError;
use crate::control::folder::Folder;
use crate::model::limits::COMPONENT_BYTES_MAX;

/// Twice the largest upload: wrapping a core module adds to it.
const ARTIFACT_BYTES_MAX: u64 = 2 * COMPONENT_BYTES_MAX as u64;

#[derive(Debug, Clone)]
pub(crate) struct Artifacts(Arc<Folder>);

impl Artifacts {
    pub(crate) fn new(folder: Arc<Folder>) -> Self {
        Self(folder)
    }

    fn key(digest: &str) -> Key {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        Key::from_iter(["artifacts", "sha256", &format!("{hex}.wasm")])
    }

    /// Keeps a component. One that is kept already stays, unless it was damaged.
    pub(crate) async fn put(&self, digest: &str, component: &Arc<[u8]>) -> Result<(), ControlError> {
        let bytes = Bytes::from_owner(Arc::clone(component));
        let found = digest_of(bytes.clone()).await?;
        if found != digest {
            return Err(ControlError::Internal(format!("a component named {digest} has the digest {found}")));
        }
        let key = Self::key(digest);
        if self.0.create(&key, bytes.clone()).await? {
            return Ok(());
        }
        if let Err(error) = self.get(digest).await {
            tracing::warn!(%error, "a damaged component is replaced by its new upload");
            self.0.replace(&key, bytes).await?;
        }
        Ok(())
    }

    /// The component; its digest is verified.
    pub(crate) async fn get(&self, digest: &str) -> Result<Arc<[u8]>, StorageError> {
        let key = Self::key(digest);
        let Some(bytes) = self.0.read(&key, ARTIFACT_BYTES_MAX).await? else {
            return Err(self.0.error(&key, "the component is not there"));
        };
        let found = digest_of(bytes.clone()).await.map_err(|error| self.0.error(&key, error.to_string()))?;
        if found != digest {
            return Err(self
                .0
                .error(&key, format!("the component is damaged: its digest is {found}, expected {digest}")));
        }
        Ok(Arc::from(bytes.as_ref()))
    }
}

/// `sha256:` and 64 hex digits. Off the async threads: a component takes a tenth of a second.
async fn digest_of(bytes: Bytes) -> Result<String, ControlError> {
    let hashed = tokio::task::spawn_blocking(move || {
        let mut text = "sha256:".to_owned();
        for byte in Sha256::digest(&bytes) {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    });
    hashed.await.map_err(|error| ControlError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn artifacts(dir: &tempfile::TempDir) -> Artifacts {
        Artifacts::new(Arc::new(Folder::open(dir.path().to_owned()).expect("a folder")))
    }

    #[tokio::test]
    async fn a_damaged_component_is_told_and_mended_by_its_upload() {
        let dir = tempfile::tempdir().expect("a folder");
        let artifacts = artifacts(&dir);
        let component: Arc<[u8]> = Arc::from(&b"abc"[..]);
        artifacts.put(DIGEST, &component).await.expect("kept");
        artifacts.put(DIGEST, &component).await.expect("kept already");
        assert_eq!(artifacts.get(DIGEST).await.expect("there"), component);

        let hex = DIGEST.trim_start_matches("sha256:");
        let file = dir.path().join("artifacts/sha256").join(format!("{hex}.wasm"));
        std::fs::write(&file, b"abd").expect("written");
        let error = artifacts.get(DIGEST).await.expect_err("damaged").to_string();
        assert!(error.contains("damaged") && error.contains(hex), "{error}");
        artifacts.put(DIGEST, &component).await.expect("mended");
        assert_eq!(artifacts.get(DIGEST).await.expect("there"), component);
    }

    #[tokio::test]
    async fn a_wrong_or_missing_digest_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let artifacts = artifacts(&dir);
        let error = artifacts.get(DIGEST).await.expect_err("missing").to_string();
        assert!(error.contains("not there"), "{error}");
        artifacts.put(DIGEST, &Arc::from(&b"x"[..])).await.expect_err("another digest");
        artifacts.get(DIGEST).await.expect_err("nothing was kept");
    }
}
