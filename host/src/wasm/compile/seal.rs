//! Authentication of files that only this host may have written: HMAC-SHA-256 under a host key.

use std::fs;
use std::io;
use std::io::Read as _;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::Digest;
use sha2::Sha256;

const BLOCK: usize = 64;

/// The host key. Never shown.
pub(in crate::wasm) struct SealKey([u8; 32]);

impl SealKey {
    /// Reads the key, or makes one where there is none yet (mode 0600).
    ///
    /// # Errors
    /// When the file cannot be read or made, has another length, or others may read it.
    pub(in crate::wasm) fn load_or_create(path: &Path) -> io::Result<Self> {
        match Self::load(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        // Complete before it has its name, so that nobody ever reads half a key.
        let parent = path.parent().unwrap_or(Path::new("."));
        let mut file =
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o600)).tempfile_in(parent)?;
        file.write_all(&rand::random::<[u8; 32]>())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            // Another process was faster: its key it is.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.error),
        }
        Self::load(path)
    }

    fn load(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "the host key {} can be read by others: its mode is {:o}, expected 600",
                path.display(),
                mode & 0o777
            )));
        }
        let mut bytes = Vec::new();
        file.take(64).read_to_end(&mut bytes)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            io::Error::other(format!(
                "the host key {} has {} bytes; expected 32",
                path.display(),
                bytes.len()
            ))
        })?;
        Ok(Self(key))
    }

    /// The seal of some parts, one after another. Callers fix the lengths of all parts but the last.
    pub(in crate::wasm) fn seal(&self, parts: &[&[u8]]) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; BLOCK];
            for (byte, key) in block.iter_mut().zip(self.0) {
                *byte ^= key;
            }
            block
        };
        let mut inner = Sha256::new();
        inner.update(pad(0x36));
        for part in parts {
            inner.update(part);
        }
        let mut outer = Sha256::new();
        outer.update(pad(0x5c));
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    /// Compares in constant time.
    pub(in crate::wasm) fn is_sealed(&self, parts: &[&[u8]], seal: &[u8; 32]) -> bool {
        let expected = self.seal(parts);
        expected.iter().zip(seal).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::digest::hex;

    #[test]
    fn seals_are_hmac_sha_256() {
        // RFC 4231, test case 2, has the key "Jefe"; zeros after a short key change nothing.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let seal = SealKey(key).seal(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&seal), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(SealKey(key).is_sealed(&[b"what do ya want for nothing?"], &seal));
        assert!(!SealKey(key).is_sealed(&[b"what do ya want for nothing!"], &seal));
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let first = SealKey::load_or_create(&path).expect("made");
        let second = SealKey::load_or_create(&path).expect("read");
        assert_eq!(first.0, second.0);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let error = SealKey::load_or_create(&path).err().expect("refused").to_string();
        assert!(error.contains("can be read by others"), "{error}");
    }
}
