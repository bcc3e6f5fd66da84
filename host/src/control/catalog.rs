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
use crate::control::limits::PIPELINES_MAX;
use crate::control::limits::RECORD_BYTES_MAX;
use crate::control::limits::TRANSFORMS_MAX;
use crate::control::limits::VERSIONS_MAX;
use crate::control::page::Page;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::PipelineRecord;
use crate::control::version_record::TransformSummary;
use crate::control::version_record::VersionRecord;
use crate::model::failure::Code;
use crate::model::ids::PipelineName;
use crate::model::ids::TenantName;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;

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
    transforms: BTreeMap<TransformName, BTreeMap<u32, VersionRecord>>,
    pipelines: BTreeMap<PipelineName, PipelineRecord>,
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

    pub(crate) fn transforms(
        &self,
        after: Option<&TransformName>,
        limit: usize,
    ) -> Page<TransformName, TransformSummary> {
        let entries = self.entries.read();
        let page = Page::of(&entries.transforms, after, limit, |name, versions| {
            let newest = versions.values().next_back()?.clone();
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
        Ok(Page::of(versions, after.as_ref(), limit, |_, version| version.clone()))
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
        found.cloned().ok_or_else(|| {
            let version = version.map_or(0, |version| version.0);
            NotFound { kind: "version", name: format!("{name}@{version}") }.into()
        })
    }

    /// Some version with this digest, under any name.
    pub(crate) fn version_by_digest(&self, digest: &str) -> Option<VersionRecord> {
        let entries = self.entries.read();
        let mut versions = entries.transforms.values().flat_map(BTreeMap::values);
        versions.find(|version| version.digest == digest).cloned()
    }

    /// The version of a transform with this digest, if it was uploaded before.
    pub(crate) fn uploaded(&self, name: &TransformName, digest: &str) -> Option<VersionRecord> {
        let entries = self.entries.read();
        entries.transforms.get(name)?.values().find(|version| version.digest == digest).cloned()
    }

    /// The number that the next version of a transform gets.
    pub(crate) fn next_version(&self, name: &TransformName) -> TransformVersion {
        TransformVersion(self.last_number(name) + 1)
    }

    /// # Errors
    /// When another version of this transform would be one too many.
    pub(crate) fn room_for_version(&self, name: &TransformName) -> Result<(), ControlError> {
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
        Ok(())
    }

    /// Writes a version under the next free number. The caller holds `writing`.
    pub(crate) async fn add_version(&self, mut record: VersionRecord) -> Result<VersionRecord, ControlError> {
        let mut number = self.last_number(&record.name) + 1;
        loop {
            record.version = TransformVersion(number);
            let key = version_key(&self.tenant, &record.name, number);
            if self.folder.create(&key, self.encode(&key, &record)?).await? {
                break;
            }
            number += 1;
        }
        let mut entries = self.entries.write();
        entries.transforms.entry(record.name.clone()).or_default().insert(number, record.clone());
        Ok(record)
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
        Page::of(&self.entries.read().pipelines, after, limit, |_, record| record.clone())
    }

    pub(crate) fn all_pipelines(&self) -> Vec<PipelineRecord> {
        self.entries.read().pipelines.values().cloned().collect()
    }

    /// What is wanted of each pipeline.
    pub(crate) fn desired(&self) -> Vec<(PipelineName, Desired)> {
        let entries = self.entries.read();
        entries.pipelines.iter().map(|(name, record)| (name.clone(), record.desired)).collect()
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
        Ok(entries.pipelines.get(name).cloned())
    }

    pub(crate) fn pipeline(&self, name: &PipelineName) -> Result<PipelineRecord, ControlError> {
        self.find_pipeline(name)?.ok_or_else(|| ControlError::no_pipeline(name))
    }

    /// Writes a pipeline under the next revision. The caller holds `writing`.
    pub(crate) async fn put_pipeline(
        &self,
        mut record: PipelineRecord,
    ) -> Result<PipelineRecord, ControlError> {
        {
            let entries = self.entries.read();
            if !entries.pipelines.contains_key(&record.name) && entries.pipelines.len() >= PIPELINES_MAX {
                return Err(full(
                    "too-many-pipelines",
                    format!("there are {PIPELINES_MAX} pipelines, the most that a host keeps"),
                    "Delete one that is not needed",
                ));
            }
            record.revision = entries.revision + 1;
        }
        let key = pipeline_key(&self.tenant, &record.name);
        self.folder.replace(&key, self.encode(&key, &record)?).await?;
        let mut entries = self.entries.write();
        entries.revision = record.revision;
        entries.pipelines.insert(record.name.clone(), record.clone());
        Ok(record)
    }

    /// The caller holds `writing`.
    pub(crate) async fn remove_pipeline(&self, name: &PipelineName) -> Result<(), StorageError> {
        // First: the file to be removed may be the only one that holds the last revision.
        let key = revision_key(&self.tenant);
        let last = LastRevision { last: self.entries.read().revision };
        self.folder.replace(&key, self.encode(&key, &last)?).await?;
        self.folder.remove(&pipeline_key(&self.tenant, name)).await?;
        self.entries.write().pipelines.remove(name);
        Ok(())
    }

    fn encode<T: Serialize>(&self, key: &Key, record: &T) -> Result<Bytes, StorageError> {
        let encoded = serde_json::to_vec_pretty(record);
        encoded.map(Bytes::from).map_err(|error| self.folder.error(key, error.to_string()))
    }
}

impl Entries {
    async fn read(&mut self, folder: &Folder, key: &Key) -> Result<(), StorageError> {
        let misplaced = || folder.error(key, "it holds another thing than its path says");
        match place(key.as_ref()) {
            Some(Place::Version(name, number)) => {
                let record: VersionRecord = decode(folder, key).await?;
                if record.name.as_str() != name || record.version.0 != number {
                    return Err(misplaced());
                }
                self.transforms.entry(record.name.clone()).or_default().insert(number, record);
            }
            Some(Place::Pipeline(name)) => {
                let record: PipelineRecord = decode(folder, key).await?;
                if record.name.as_str() != name {
                    return Err(misplaced());
                }
                self.revision = self.revision.max(record.revision);
                self.pipelines.insert(record.name.clone(), record);
            }
            Some(Place::Revision) => {
                let LastRevision { last } = decode(folder, key).await?;
                self.revision = self.revision.max(last);
            }
            None => tracing::warn!(file = %key, "a file in the catalog's folder is not ours and is ignored"),
        }
        Ok(())
    }
}

async fn decode<T: DeserializeOwned>(folder: &Folder, key: &Key) -> Result<T, StorageError> {
    let Some(bytes) = folder.read(key, RECORD_BYTES_MAX).await? else {
        return Err(folder.error(key, "it vanished while it was read"));
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let advice = "restore it from a copy, or remove it and upload or apply again";
        folder.error(key, format!("it is damaged, or of a newer Wasmill: {error}; {advice}"))
    })
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
