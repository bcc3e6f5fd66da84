//! The object store of the settings.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::app::clouds;
use crate::config::settings::ObjectStoreKind;
use crate::config::settings::ObjectStoreSettings;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Makes the client. Nothing is asked yet: an object store that is away stops no host.
///
/// # Errors
/// When the settings cannot be used: a folder that cannot be made, a key that is none.
pub fn object_store(settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, Refusal> {
    match settings.kind {
        ObjectStoreKind::Folder => folder(Path::new(&settings.bucket)),
        ObjectStoreKind::S3 => clouds::s3(settings),
        ObjectStoreKind::Google => clouds::google(settings),
        ObjectStoreKind::Azure => clouds::azure(settings),
    }
}

fn folder(path: &Path) -> Result<Arc<dyn ObjectStore>, Refusal> {
    let unusable = |error: &dyn std::fmt::Display| Refusal {
        code: Code("object-store-unusable"),
        field: "state.object_store.url".to_owned(),
        message: "the folder for checkpoints cannot be used".to_owned(),
        found: format!("{}: {error}", path.display()),
        expected: "a folder that this host may write to".to_owned(),
        remedy: "Give this host's user the right to it, or name another folder.".to_owned(),
    };
    std::fs::create_dir_all(path).map_err(|error| unusable(&error))?;
    let folder = LocalFileSystem::new_with_prefix(path).map_err(|error| unusable(&error))?;
    Ok(Arc::new(folder.with_fsync(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &Path) -> ObjectStoreSettings {
        ObjectStoreSettings {
            kind: ObjectStoreKind::Folder,
            bucket: folder.display().to_string(),
            prefix: String::new(),
            endpoint: None,
            region: None,
            account: None,
            secret: None,
        }
    }

    #[test]
    fn a_folder_is_made_where_there_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/below");
        object_store(&settings(&path)).expect("a folder");
        assert!(path.is_dir());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let refusal = object_store(&settings(&file.path().join("below"))).expect_err("no folder");
        assert_eq!((refusal.code.0, &*refusal.field), ("object-store-unusable", "state.object_store.url"));
    }
}
