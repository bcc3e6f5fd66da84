//! Compiled components on disk.

use std::fs;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::wasm::compile::seal::SealKey;
use crate::wasm::digest::ComponentDigest;
use crate::wasm::digest::hex;

const MAGIC: &[u8; 8] = b"wasmill\x01";
const SEAL_BYTES: usize = 32;
const SUFFIX: &str = "native";

/// A folder of compiled components, each under the digest of the component and of the engine that
/// can run it. A file that this host did not write, or that was changed, counts as absent.
pub struct CompileCache {
    folder: PathBuf,
    key: SealKey,
    bytes_max: u64,
}

impl CompileCache {
    /// Default bound of the folder: 2 GiB.
    pub const BYTES_MAX: u64 = 2 << 30;

    /// Opens a folder, or makes it (mode 0700), with a key of its own.
    ///
    /// When the files take more than `bytes_max` bytes, the ones not used for longest are removed.
    ///
    /// # Errors
    /// When the folder or its key cannot be read or made.
    pub fn open(folder: impl Into<PathBuf>, bytes_max: u64) -> io::Result<Self> {
        let folder = folder.into();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let key = SealKey::load_or_create(&folder.join("host.key"))?;
        Ok(Self { folder, key, bytes_max })
    }

    /// The native code of a component; none when it is not there or cannot be trusted.
    pub(in crate::wasm) fn get(&self, component: &ComponentDigest, engine: &[u8; 32]) -> Option<Vec<u8>> {
        let path = self.path(component, engine);
        let mut bytes = fs::read(&path).ok()?;
        let head = bytes.get(..MAGIC.len() + SEAL_BYTES)?;
        let (magic, seal) = head.split_at_checked(MAGIC.len())?;
        let seal = <&[u8; SEAL_BYTES]>::try_from(seal).ok()?;
        let native = bytes.get(MAGIC.len() + SEAL_BYTES..)?;
        if magic != MAGIC || !self.key.is_sealed(&[MAGIC, component.as_bytes(), engine, native], seal) {
            tracing::warn!(path = %path.display(), "a compiled component is not sealed by this host; it is compiled again");
            return None;
        }
        // The time of the last use decides what is removed first; not to know it does no harm.
        if let Ok(file) = fs::File::open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        bytes.drain(..MAGIC.len() + SEAL_BYTES);
        Some(bytes)
    }

    /// Keeps the native code of a component.
    ///
    /// # Errors
    /// When it cannot be written. Nothing depends on it but time.
    pub(in crate::wasm) fn put(
        &self,
        component: &ComponentDigest,
        engine: &[u8; 32],
        native: &[u8],
    ) -> io::Result<()> {
        let seal = self.key.seal(&[MAGIC, component.as_bytes(), engine, native]);
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&seal)?;
        file.write_all(native)?;
        file.persist(self.path(component, engine)).map_err(|error| error.error)?;
        self.trim()
    }

    fn path(&self, component: &ComponentDigest, engine: &[u8; 32]) -> PathBuf {
        let engine = hex(engine.get(..8).unwrap_or_default());
        self.folder.join(format!("{}-{engine}.{SUFFIX}", component.hex()))
    }

    fn trim(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if Path::new(&entry.file_name()).extension().is_some_and(|extension| extension == SUFFIX) {
                let metadata = entry.metadata()?;
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        // The newest stays, whatever its size: it is in use.
        files.pop();
        for (_, bytes, path) in files {
            if total <= self.bytes_max {
                break;
            }
            fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }
}

impl std::fmt::Debug for CompileCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompileCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_kept_comes_back_for_the_same_component_and_engine_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = CompileCache::open(folder.path(), 1000).expect("opened");
        let (component, engine) = (ComponentDigest::of(b"a"), [7; 32]);
        assert_eq!(cache.get(&component, &engine), None);
        cache.put(&component, &engine, b"native").expect("kept");
        assert_eq!(cache.get(&component, &engine).as_deref(), Some(b"native".as_slice()));
        assert_eq!(cache.get(&ComponentDigest::of(b"b"), &engine), None);
        assert_eq!(cache.get(&component, &[8; 32]), None);
        let again = CompileCache::open(folder.path(), 1000).expect("opened");
        assert!(again.get(&component, &engine).is_some(), "after a restart too");
    }

    #[test]
    fn a_changed_or_foreign_file_is_not_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = CompileCache::open(folder.path(), 1000).expect("opened");
        let (component, engine) = (ComponentDigest::of(b"a"), [7; 32]);
        cache.put(&component, &engine, b"native").expect("kept");
        let path = cache.path(&component, &engine);
        let good = fs::read(&path).expect("there");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).expect("written");
            assert_eq!(cache.get(&component, &engine), None, "byte {at} changed");
        }
        fs::write(&path, &good[..20]).expect("written");
        assert_eq!(cache.get(&component, &engine), None, "cut");
        // Another component's file under this name: sealed by this host, but for something else.
        let other = ComponentDigest::of(b"b");
        cache.put(&other, &engine, b"other").expect("kept");
        fs::copy(cache.path(&other, &engine), &path).expect("copied");
        assert_eq!(cache.get(&component, &engine), None, "swapped");
    }

    #[test]
    fn the_folder_is_bounded_and_keeps_what_was_used_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = CompileCache::open(folder.path(), 300).expect("opened");
        let digests: Vec<ComponentDigest> = (0..4_u8).map(|n| ComponentDigest::of(&[n])).collect();
        for (age, digest) in (1..).zip(digests.iter().take(3).rev()) {
            cache.put(digest, &[0; 32], &[0; 60]).expect("kept");
            let file = fs::File::open(cache.path(digest, &[0; 32])).expect("there");
            file.set_modified(SystemTime::now() - Duration::from_secs(10 * (4 - age))).expect("set");
        }
        cache.put(&digests[3], &[0; 32], &[0; 60]).expect("kept");
        let there: Vec<bool> = digests.iter().map(|d| cache.get(d, &[0; 32]).is_some()).collect();
        assert_eq!(there, [true, true, false, true]);
    }
}
