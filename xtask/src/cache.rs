//! What is downloaded or built once per machine: test servers, the guests' standard library.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

/// `WASMILL_CACHE`, else `~/.cache/wasmill`. Created on first use.
///
/// # Errors
/// Neither variable nor home folder is known, or the folder cannot be created.
pub fn dir() -> Result<PathBuf> {
    let dir = match std::env::var_os("WASMILL_CACHE") {
        Some(dir) => PathBuf::from(dir),
        None => std::env::home_dir()
            .context("no home folder is known: set HOME, or WASMILL_CACHE to a folder for downloads")?
            .join(".cache/wasmill"),
    };
    fs::create_dir_all(&dir).with_context(|| format!("create the cache folder {}", dir.display()))?;
    Ok(dir)
}

/// Waits for the lock file at `path` and holds it until the result is dropped or the process ends.
///
/// # Errors
/// The file cannot be created or locked.
pub fn lock(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    let file = File::create(path).with_context(|| format!("create the lock file {}", path.display()))?;
    file.lock().with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// The cache entry `name`, filled by `fill` if it is not there yet.
///
/// `fill` writes into a fresh folder that is renamed when it is complete: an entry is whole or absent,
/// also after a kill. Two processes that want the same entry fill it once.
///
/// # Errors
/// Those of `fill`, or the folder cannot be created or renamed.
pub fn entry(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = dir()?;
    let done = cache.join(name);
    if done.is_dir() {
        return Ok(done);
    }
    let _lock = lock(&cache.join(format!("{name}.lock")))?;
    if done.is_dir() {
        return Ok(done);
    }
    let partial = cache.join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("remove {}", partial.display()))?;
    }
    fs::create_dir_all(&partial).with_context(|| format!("create {}", partial.display()))?;
    fill(&partial)?;
    fs::rename(&partial, &done)
        .with_context(|| format!("rename {} to {}", partial.display(), done.display()))?;
    Ok(done)
}

/// FNV-1a, for cache names: stable between compilers, unlike the standard library's hasher.
pub fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn fingerprints_are_fnv_1a() {
        assert_eq!(fingerprint(b""), "cbf29ce484222325");
        assert_eq!(fingerprint(b"foobar"), "85944171f73967e8");
    }
}
