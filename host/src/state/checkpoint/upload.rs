//! From a snapshot on disk to a checkpoint in the object store: what is new of its files, then the
//! document.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::model::fail_point::FailPoint;
use crate::model::position::Partition;
use crate::state::checkpoint::CheckpointError;
use crate::state::checkpoint::CheckpointName;
use crate::state::checkpoint::Document;
use crate::state::checkpoint::TaskPlace;
use crate::state::checkpoint::digest;
use crate::state::checkpoint::document::FileEntry;
use crate::state::checkpoint::document::Heading;
use crate::state::checkpoint::parallel;
use crate::state::checkpoint::prune::Pruner;
use crate::state::disk::DiskError;
use crate::state::local_record::LocalRecord;

/// How often a generation is claimed that another has claimed meanwhile.
const CLAIMS_MAX: usize = 16;

/// A copy of the database on the own disk, by hard links.
#[derive(Debug)]
pub(in crate::state) struct Snapshot {
    pub(in crate::state) folder: PathBuf,
    /// What it says of itself. The files may hold newer values, which the changelogs repeat.
    pub(in crate::state) record: LocalRecord,
    pub(in crate::state) schemas: BTreeMap<String, BTreeMap<u32, String>>,
    /// Milliseconds since the Unix epoch.
    pub(in crate::state) taken_at: i64,
}

/// A checkpoint that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::state) struct Written {
    pub(in crate::state) name: CheckpointName,
    /// Of all its files.
    pub(in crate::state) bytes: u64,
    /// Of those that were sent for it.
    pub(in crate::state) bytes_sent: u64,
    pub(in crate::state) taken_at: i64,
}

/// Writes the checkpoints of one task, from when it is opened to when it is closed.
pub(in crate::state) struct Uploader {
    place: TaskPlace,
    group: String,
    partition: Partition,
    /// None until the first checkpoint.
    generation: Option<u64>,
    /// The last one that was tried.
    sequence: u64,
    /// Digests in the object store that nobody deletes: the last checkpoint has them, or they were sent
    /// since.
    there: HashSet<String>,
    /// Digests of files on disk, which never change once written.
    known: HashMap<String, (Stamp, String)>,
    pruner: Pruner,
}

/// Tells a file from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Uploader {
    pub(in crate::state) fn new(place: TaskPlace, group: String, partition: Partition) -> Self {
        Self {
            place,
            group,
            partition,
            generation: None,
            sequence: 0,
            there: HashSet::new(),
            known: HashMap::new(),
            pruner: Pruner::default(),
        }
    }

    /// Writes a checkpoint and deletes what is surplus then. What was sent stays sent when it fails: the
    /// next attempt goes on from there.
    pub(in crate::state) fn upload(
        &mut self,
        snapshot: &Snapshot,
        cancel: &CancellationToken,
    ) -> Result<Written, CheckpointError> {
        let generation = match self.generation {
            Some(generation) => self.still_owns(generation, cancel)?,
            None => self.claim(cancel)?,
        };
        let files = self.digests(&snapshot.folder, cancel)?;
        FailPoint::CheckpointTaken.reach();
        let bytes_sent = self.send(&snapshot.folder, &files, cancel)?;
        FailPoint::CheckpointSent.reach();
        // Sending may have taken long enough for another to have begun.
        self.still_owns(generation, cancel)?;
        // A name is tried once: what became of an attempt that failed is not known.
        self.sequence += 1;
        let name = CheckpointName { generation, sequence: self.sequence };
        let heading = Heading {
            group: &self.group,
            partition: self.partition.0,
            name,
            written_at: snapshot.taken_at,
            record: &snapshot.record,
            schemas: &snapshot.schemas,
        };
        let document = Document::new(&heading, files);
        if !self.place.write(name, &document, cancel)? {
            return Err(CheckpointError::Superseded { own: generation, newer: generation });
        }
        FailPoint::CheckpointWritten.reach();
        self.there = document.files.iter().map(|file| file.sha256.clone()).collect();
        let written = Written { name, bytes: document.bytes(), bytes_sent, taken_at: snapshot.taken_at };
        self.pruner.wrote(name, &document);
        match self.pruner.prune(&self.place, generation, cancel) {
            Ok(()) | Err(CheckpointError::Cancelled) => {}
            // The next one tries again.
            Err(error) => tracing::warn!(%error, "old checkpoints were not deleted"),
        }
        Ok(written)
    }

    /// Checks that no later generation was claimed.
    fn still_owns(&self, generation: u64, cancel: &CancellationToken) -> Result<u64, CheckpointError> {
        let newer = self.place.look(cancel)?.generation_max();
        if newer > generation {
            return Err(CheckpointError::Superseded { own: generation, newer });
        }
        Ok(generation)
    }

    /// Claims the next generation. Whatever the newest checkpoint has need not be sent again: only
    /// whoever owns the last generation deletes files.
    fn claim(&mut self, cancel: &CancellationToken) -> Result<u64, CheckpointError> {
        let mut newest = 0;
        for _ in 0..CLAIMS_MAX {
            newest = self.place.look(cancel)?.generation_max();
            let generation = newest.saturating_add(1);
            if !self.place.claim(generation, cancel)? {
                continue;
            }
            let last = self.place.look(cancel)?.documents.last().copied();
            match last.map(|last| self.place.document(last, cancel)) {
                Some(Ok(document)) if document.group == self.group => {
                    self.there = document.files.into_iter().map(|file| file.sha256).collect();
                }
                Some(Err(error @ (CheckpointError::Store(_) | CheckpointError::Cancelled))) => {
                    return Err(error);
                }
                // Damaged, or of another format: everything is sent.
                Some(_) | None => {}
            }
            self.generation = Some(generation);
            return Ok(generation);
        }
        Err(CheckpointError::Superseded { own: newest, newer: newest.saturating_add(1) })
    }

    /// The files of a folder with their digests.
    fn digests(
        &mut self,
        folder: &Path,
        cancel: &CancellationToken,
    ) -> Result<Vec<FileEntry>, CheckpointError> {
        let mut found = Vec::new();
        let listed = std::fs::read_dir(folder).map_err(|error| DiskError::io("list", folder, &error))?;
        for entry in listed {
            let entry = entry.map_err(|error| DiskError::io("list", folder, &error))?;
            let path = entry.path();
            let meta = entry.metadata().map_err(|error| DiskError::io("look at", &path, &error))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if meta.is_file() {
                found.push((name, path, Stamp { bytes: meta.len(), modified: meta.modified().ok() }));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let hashed = Mutex::new(HashMap::new());
        parallel::each(&found, |(name, path, stamp)| {
            let digest = match self.known.get(name) {
                // A file whose time is not known may be another one.
                Some((known, digest)) if known == stamp && stamp.modified.is_some() => digest.clone(),
                _ => digest::of_file(path, cancel)?,
            };
            hashed.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), (*stamp, digest));
            Ok(())
        })?;
        self.known = hashed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let entry = |(name, _, _): (String, PathBuf, Stamp)| {
            let (stamp, sha256) = self.known.get(&name)?;
            Some(FileEntry { name, sha256: sha256.clone(), bytes: stamp.bytes })
        };
        Ok(found.into_iter().filter_map(entry).collect())
    }

    /// Sends what is not there yet; the bytes of it.
    fn send(
        &mut self,
        folder: &Path,
        files: &[FileEntry],
        cancel: &CancellationToken,
    ) -> Result<u64, CheckpointError> {
        let missing: Vec<&FileEntry> =
            files.iter().filter(|file| !self.there.contains(&file.sha256)).collect();
        let sent = Mutex::new(Vec::new());
        let outcome = parallel::each(&missing, |file| {
            self.place.put(&file.sha256, &folder.join(&file.name), cancel)?;
            sent.lock().unwrap_or_else(PoisonError::into_inner).push(file.sha256.clone());
            Ok(())
        });
        self.there.extend(sent.into_inner().unwrap_or_else(PoisonError::into_inner));
        outcome?;
        Ok(missing.iter().map(|file| file.bytes).sum())
    }
}
