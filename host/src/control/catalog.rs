//! Desired state: what was uploaded and what should run. In memory, and in one file a thing.
//!
//! ```text
//! tenants/default/transforms/<name>/<version>.json   written once
//! tenants/default/pipelines/<name>.json              replaced with every change
//! tenants/default/revision.json                      replaced with every removal of a pipeline
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as Key;
use parking_lot::RwLock;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::error::Conflict;
use crate::control::error::ControlError;
use crate::control::error::NotFound;
use crate::control::error::StorageError;
use crate::control::folder::Folder;
use crate::control::limits::COMPONENTS_BYTES_MAX;
use crate::control::limits::PIPELINE_RECORDS_BYTES_MAX;
use crate::control::limits::PIPELINES_MAX;
use crate::control::limits::RECORD_BYTES_MAX;
use crate::control::limits::TRANSFORMS_MAX;
use crate::control::limits::VERSION_RECORDS_BYTES_MAX;
use crate::control::limits::VERSIONS_MAX;
use crate::control::page::Page;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::PipelineRecord;
use crate::control::shelf::Kept;
use crate::control::shelf::Shelf;
use crate::control::version_record::TransformSummary;
use crate::control::version_record::VersionRecord;
use crate::model::failure::Code;
use crate::model::ids::PipelineName;
use crate::model::ids::TenantName;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;

/// What a record may grow by when only what is wanted of its pipeline changes.
const WISH_BYTES_MAX: usize = 256;

#[derive(Debug)]
pub(crate) struct Catalog {
    folder: Arc<Folder>,
    tenant: TenantName,
    entries: RwLock<Entries>,
    /// Held over every change: the files and their copy in memory change together.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Entries {
    transforms: BTreeMap<TransformName, BTreeMap<u32, Kept<Arc<VersionRecord>>>>,
    pipelines: BTreeMap<PipelineName, Kept<PipelineRecord>>,
    shelf: Shelf,
    /// Files that could not be read, by key.
    broken: BTreeMap<String, StorageError>,
    /// The last revision given to a pipeline.
    revision: u64,
}

/// The last revision given, kept over removals: a revision that was seen of a pipeline must never
/// be that of another one under the same name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastRevision {
    last: u64,
}

impl Catalog {
    /// Reads every file. One that cannot be read or understood is told by [`Catalog::broken`] and left
    /// alone; it keeps none of the others from being read.
    pub(crate) async fn load(folder: Arc<Folder>, tenant: TenantName) -> Result<Self, StorageError> {
        let mut entries = Entries::default();
        let root = Key::from_iter(["tenants", tenant.as_str()]);
        for key in folder.list(&root).await? {
            if let Err(error) = entries.read(&folder, &key).await {
                tracing::error!(%error, "a file of the catalog is left out");
                entries.broken.insert(key.to_string(), error);
            }
        }
        Ok(Self { folder, tenant, entries: RwLock::new(entries), writing: tokio::sync::Mutex::default() })
    }

    pub(crate) fn broken(&self) -> Vec<StorageError> {
        self.entries.read().broken.values().cloned().collect()
    }

    /// Those without which the host does not know what to run. A version that is missing stops the pipelines
    /// that run it, with the reason, and nothing else.
    pub(crate) fn broken_wishes(&self) -> Vec<StorageError> {
        let entries = self.entries.read();
        let wishes = entries.broken.iter().filter(|(key, _)| !matches!(place(key), Some(Place::Version(..))));
        wishes.map(|(_, error)| error.clone()).collect()
    }

    pub(crate) fn transforms(
        &self,
        after: Option<&TransformName>,
        limit: usize,
    ) -> Page<TransformName, TransformSummary> {
        let entries = self.entries.read();
        let newest_of =
            |versions: &BTreeMap<u32, Kept<Arc<VersionRecord>>>| versions.values().next_back().cloned();
        let bytes =
            |versions: &_| newest_of(versions).map_or(0, |newest| newest.record.manifest.description.len());
        let page = Page::of(&entries.transforms, after, limit, bytes, |name, versions| {
            let newest = newest_of(versions)?.record;
            Some(TransformSummary { name: name.clone(), versions: versions.len(), newest })
        });
        Page { items: page.items.into_iter().flatten().collect(), next: page.next }
    }

    pub(crate) fn versions(
        &self,
        name: &TransformName,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Page<u32, VersionRecord>, ControlError> {
        let entries = self.entries.read();
        let versions = entries.transforms.get(name).ok_or_else(|| ControlError::no_transform(name))?;
        let show = |_: &u32, version: &Kept<Arc<VersionRecord>>| VersionRecord::clone(&version.record);
        Ok(Page::of(versions, after.as_ref(), limit, |version| version.bytes, show))
    }

    /// A version; the newest when none is named.
    pub(crate) fn version(
        &self,
        name: &TransformName,
        version: Option<TransformVersion>,
    ) -> Result<VersionRecord, ControlError> {
        let entries = self.entries.read();
        if let Some(version) = version
            && let Some(error) = entries.broken.get(version_key(&self.tenant, name, version.0).as_ref())
        {
            return Err(error.clone().into());
        }
        let versions = entries.transforms.get(name).ok_or_else(|| ControlError::no_transform(name))?;
        let found = match version {
            Some(version) => versions.get(&version.0),
            None => versions.values().next_back(),
        };
        found.map(|found| VersionRecord::clone(&found.record)).ok_or_else(|| {
            let version = version.map_or(0, |version| version.0);
            NotFound { kind: "version", name: format!("{name}@{version}") }.into()
        })
    }

    /// Some version with this digest, under any name.
    pub(crate) fn version_by_digest(&self, digest: &str) -> Option<VersionRecord> {
        let entries = self.entries.read();
        let mut versions = entries.transforms.values().flat_map(BTreeMap::values).map(|kept| &kept.record);
        versions.find(|version| version.digest == digest).map(|version| VersionRecord::clone(version))
    }

    /// The version of a transform with this digest, if it was uploaded before.
    pub(crate) fn uploaded(&self, name: &TransformName, digest: &str) -> Option<VersionRecord> {
        let entries = self.entries.read();
        let mut versions = entries.transforms.get(name)?.values().map(|kept| &kept.record);
        versions.find(|version| version.digest == digest).map(|version| VersionRecord::clone(version))
    }

    /// The number that the next version of a transform gets.
    pub(crate) fn next_version(&self, name: &TransformName) -> TransformVersion {
        TransformVersion(self.last_number(name) + 1)
    }

    /// # Errors
    /// When this version would be one too many, or too large beside the others.
    pub(crate) fn room_for_version(&self, record: &VersionRecord) -> Result<(), ControlError> {
        let name = &record.name;
        let bytes = self.bounded(&version_key(&self.tenant, name, u32::MAX), record)?.len();
        let entries = self.entries.read();
        let versions = entries.transforms.get(name).map_or(0, BTreeMap::len);
        if versions >= VERSIONS_MAX {
            return Err(full(
                "too-many-versions",
                format!("transform `{name}` has {VERSIONS_MAX} versions, the most that a host keeps"),
                "Upload under another name",
            ));
        }
        if versions == 0 && entries.transforms.len() >= TRANSFORMS_MAX {
            return Err(full(
                "too-many-transforms",
                format!("there are {TRANSFORMS_MAX} transforms, the most that a host keeps"),
                "Upload as a version of a transform that exists",
            ));
        }
        if entries.shelf.version_bytes.saturating_add(bytes) > VERSION_RECORDS_BYTES_MAX {
            return Err(full(
                "too-many-manifest-bytes",
                format!(
                    "the manifests of all versions and this one of {bytes} bytes would have more than {VERSION_RECORDS_BYTES_MAX} bytes, the most that a host keeps"
                ),
                "Shorten the schemas and descriptions of the transform, or use another host",
            ));
        }
        let more = if entries.shelf.holds(&record.digest) { 0 } else { record.size };
        if entries.shelf.component_bytes.saturating_add(more) > COMPONENTS_BYTES_MAX {
            return Err(full(
                "too-many-component-bytes",
                format!(
                    "all components and this one of {more} bytes would have more than {COMPONENTS_BYTES_MAX} bytes, the most that a host keeps"
                ),
                "Make the component smaller (`wasm-opt -Oz`, no debug information), or use another host",
            ));
        }
        Ok(())
    }

    /// Writes a version under the next free number. The caller holds `writing`.
    pub(crate) async fn add_version(&self, mut record: VersionRecord) -> Result<VersionRecord, ControlError> {
        let mut number = self.last_number(&record.name) + 1;
        loop {
            record.version = TransformVersion(number);
            let key = version_key(&self.tenant, &record.name, number);
            let encoded = self.bounded(&key, &record)?;
            let bytes = encoded.len();
            if self.folder.create(&key, encoded).await? {
                self.entries.write().add_version(record.clone(), bytes);
                return Ok(record);
            }
            number += 1;
        }
    }

    /// Files that cannot be read keep their numbers.
    fn last_number(&self, name: &TransformName) -> u32 {
        let entries = self.entries.read();
        let known = entries.transforms.get(name).and_then(|versions| versions.keys().next_back().copied());
        let broken = entries.broken.keys().filter_map(|key| match place(key)? {
            Place::Version(of, number) if of == name.as_str() => Some(number),
            _ => None,
        });
        known.into_iter().chain(broken).max().unwrap_or(0)
    }

    pub(crate) fn pipelines(
        &self,
        after: Option<&PipelineName>,
        limit: usize,
    ) -> Page<PipelineName, PipelineRecord> {
        let entries = self.entries.read();
        Page::of(&entries.pipelines, after, limit, |kept| kept.bytes, |_, kept| kept.record.clone())
    }

    pub(crate) fn all_pipelines(&self) -> Vec<PipelineRecord> {
        self.entries.read().pipelines.values().map(|kept| kept.record.clone()).collect()
    }

    /// What is wanted of each pipeline.
    pub(crate) fn desired(&self) -> Vec<(PipelineName, Desired)> {
        let entries = self.entries.read();
        entries.pipelines.iter().map(|(name, kept)| (name.clone(), kept.record.desired)).collect()
    }

    /// None when there is none.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(crate) fn find_pipeline(&self, name: &PipelineName) -> Result<Option<PipelineRecord>, StorageError> {
        let entries = self.entries.read();
        if let Some(error) = entries.broken.get(pipeline_key(&self.tenant, name).as_ref()) {
            return Err(error.clone());
        }
        Ok(entries.pipelines.get(name).map(|kept| kept.record.clone()))
    }

    pub(crate) fn pipeline(&self, name: &PipelineName) -> Result<PipelineRecord, ControlError> {
        self.find_pipeline(name)?.ok_or_else(|| ControlError::no_pipeline(name))
    }

    /// Writes a pipeline under the next revision. The caller holds `writing`.
    pub(crate) async fn put_pipeline(
        &self,
        mut record: PipelineRecord,
    ) -> Result<PipelineRecord, ControlError> {
        let key = pipeline_key(&self.tenant, &record.name);
        let encoded = {
            let entries = self.entries.read();
            if !entries.pipelines.contains_key(&record.name) && entries.pipelines.len() >= PIPELINES_MAX {
                return Err(full(
                    "too-many-pipelines",
                    format!("there are {PIPELINES_MAX} pipelines, the most that a host keeps"),
                    "Delete one that is not needed",
                ));
            }
            record.revision = entries.revision + 1;
            let encoded = self.bounded(&key, &record)?;
            let before = entries.pipelines.get(&record.name).map_or(0, |kept| kept.bytes);
            let all = entries.shelf.pipeline_bytes.saturating_sub(before) + encoded.len();
            // A change of what is wanted must always be possible: pausing makes no record longer.
            if all > PIPELINE_RECORDS_BYTES_MAX && encoded.len() > before + WISH_BYTES_MAX {
                return Err(full(
                    "too-many-pipeline-bytes",
                    format!(
                        "the documents of all pipelines would have more than {PIPELINE_RECORDS_BYTES_MAX} bytes, the most that a host keeps"
                    ),
                    "Delete a pipeline that is not needed, or shorten the document",
                ));
            }
            encoded
        };
        let bytes = encoded.len();
        self.folder.replace(&key, encoded).await?;
        let mut entries = self.entries.write();
        entries.revision = record.revision;
        entries.add_pipeline(record.clone(), bytes);
        Ok(record)
    }

    /// The caller holds `writing`.
    pub(crate) async fn remove_pipeline(&self, name: &PipelineName) -> Result<(), StorageError> {
        // First: the file to be removed may be the only one that holds the last revision.
        let key = revision_key(&self.tenant);
        let last = LastRevision { last: self.entries.read().revision };
        self.folder.replace(&key, self.encode(&key, &last)?).await?;
        self.folder.remove(&pipeline_key(&self.tenant, name)).await?;
        let mut entries = self.entries.write();
        if let Some(kept) = entries.pipelines.remove(name) {
            entries.shelf.replace_pipeline(kept.bytes, 0);
        }
        Ok(())
    }

    fn encode<T: Serialize>(&self, key: &Key, record: &T) -> Result<Bytes, StorageError> {
        let encoded = serde_json::to_vec(record);
        encoded.map(Bytes::from).map_err(|error| self.folder.error(key, error.to_string()))
    }

    /// A record as it is written: not longer than it is read again.
    fn bounded<T: Serialize>(&self, key: &Key, record: &T) -> Result<Bytes, ControlError> {
        let encoded = self.encode(key, record)?;
        if encoded.len() as u64 > RECORD_BYTES_MAX {
            return Err(full(
                "record-too-large",
                format!("its record would have {} bytes, expected at most {RECORD_BYTES_MAX}", encoded.len()),
                "Shorten schemas, descriptions and values",
            ));
        }
        Ok(encoded)
    }
}

impl Entries {
    fn add_version(&mut self, record: VersionRecord, bytes: usize) {
        self.shelf.add_version(bytes, &record.digest, record.size);
        let versions = self.transforms.entry(record.name.clone()).or_default();
        versions.insert(record.version.0, Kept { record: Arc::new(record), bytes });
    }

    fn add_pipeline(&mut self, record: PipelineRecord, bytes: usize) {
        let before = self.pipelines.insert(record.name.clone(), Kept { record, bytes });
        self.shelf.replace_pipeline(before.map_or(0, |before| before.bytes), bytes);
    }

    async fn read(&mut self, folder: &Folder, key: &Key) -> Result<(), StorageError> {
        let misplaced = || folder.error(key, "it holds another thing than its path says");
        match place(key.as_ref()) {
            Some(Place::Version(name, number)) => {
                let (record, bytes) = decode::<VersionRecord>(folder, key).await?;
                if record.name.as_str() != name || record.version.0 != number {
                    return Err(misplaced());
                }
                self.add_version(record, bytes);
            }
            Some(Place::Pipeline(name)) => {
                let (record, bytes) = decode::<PipelineRecord>(folder, key).await?;
                if record.name.as_str() != name {
                    return Err(misplaced());
                }
                self.revision = self.revision.max(record.revision);
                self.add_pipeline(record, bytes);
            }
            Some(Place::Revision) => {
                let (LastRevision { last }, _) = decode(folder, key).await?;
                self.revision = self.revision.max(last);
            }
            None => tracing::warn!(file = %key, "a file in the catalog's folder is not ours and is ignored"),
        }
        Ok(())
    }
}

/// A record and its bytes.
async fn decode<T: DeserializeOwned>(folder: &Folder, key: &Key) -> Result<(T, usize), StorageError> {
    let Some(bytes) = folder.read(key, RECORD_BYTES_MAX).await? else {
        return Err(folder.error(key, "it vanished while it was read"));
    };
    let record = serde_json::from_slice(&bytes).map_err(|error| {
        let advice = "restore it from a copy, or remove it and upload or apply again";
        folder.error(key, format!("it is damaged, or of a newer Wasmill: {error}; {advice}"))
    })?;
    Ok((record, bytes.len()))
}

/// What a file is by its path.
enum Place<'a> {
    Version(&'a str, u32),
    Pipeline(&'a str),
    Revision,
}

fn place(key: &str) -> Option<Place<'_>> {
    let mut parts = key.strip_suffix(".json")?.split('/').skip(2);
    let place = match (parts.next()?, parts.next(), parts.next()) {
        ("transforms", Some(name), Some(number)) => Place::Version(name, number.parse().ok()?),
        ("pipelines", Some(name), None) => Place::Pipeline(name),
        ("revision", None, None) => Place::Revision,
        _ => return None,
    };
    parts.next().is_none().then_some(place)
}

fn version_key(tenant: &TenantName, name: &TransformName, number: u32) -> Key {
    Key::from_iter(["tenants", tenant.as_str(), "transforms", name.as_str(), &format!("{number}.json")])
}

fn pipeline_key(tenant: &TenantName, name: &PipelineName) -> Key {
    Key::from_iter(["tenants", tenant.as_str(), "pipelines", &format!("{name}.json")])
}

fn revision_key(tenant: &TenantName) -> Key {
    Key::from_iter(["tenants", tenant.as_str(), "revision.json"])
}

fn full(code: &'static str, message: String, remedy: &'static str) -> ControlError {
    Conflict { code: Code(code), message, remedy: remedy.into() }.into()
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
