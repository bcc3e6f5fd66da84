//! The object store, as far as checkpoints need it.

use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use object_store::GetResultPayload;
use object_store::ObjectStore;
use object_store::ObjectStoreExt;
use object_store::PutMode;
use object_store::path::Path as Key;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::model::ids::PipelineId;
use crate::model::position::Partition;
use crate::state::checkpoint::CheckpointName;
use crate::state::checkpoint::Document;
use crate::state::directory::UntrustedError;
use crate::state::disk::DiskError;

/// How long one request may take, its repetitions included.
const CALL_MAX: Duration = Duration::from_secs(120);
/// Files are sent and read in parts of this size.
const PART_BYTES: usize = 8 << 20;
/// Largest document. One with a million files has 150 MiB.
const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

const CHECKPOINTS: &str = "checkpoints";
const FILES: &str = "files";

/// Why a checkpoint was not written or is not used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckpointError {
    /// The object store is away, or refuses.
    #[error("the object store failed: {0}")]
    Store(String),
    #[error("`{0}` is missing in the object store")]
    Missing(String),
    #[error("{0}")]
    Damaged(String),
    #[error("checkpoint {name} has format {found}, which this version does not read")]
    Format { name: String, found: u32 },
    /// Another task of the same identity has written since; see the module above.
    #[error("generation {newer} of the task's checkpoints has begun elsewhere, this is {own}")]
    Superseded { own: u64, newer: u64 },
    #[error("checkpoint {name}: {why}")]
    Untrusted { name: String, why: UntrustedError },
    #[error("it was called off")]
    Cancelled,
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl CheckpointError {
    fn of(key: &Key, error: &object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing(key.to_string()),
            error => Self::Store(format!("`{key}`: {error}")),
        }
    }
}

/// Where all checkpoints of a host go. Its calls wait, so that they belong on threads of their own,
/// which are no threads of the runtime.
pub struct CheckpointStore {
    objects: Arc<dyn ObjectStore>,
    prefix: Key,
    runtime: Handle,
}

impl CheckpointStore {
    /// `prefix` is put before every name. Nothing is asked yet. The runtime must have threads of its own.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: &str, runtime: Handle) -> Self {
        Self { objects, prefix: Key::from(prefix), runtime }
    }

    /// Of a pipeline; `incarnation` is the id of its meta changelog, so that a pipeline of the same name
    /// made anew, or one of another cluster, has a place of its own.
    fn pipeline(&self, pipeline: &PipelineId, incarnation: &str) -> Key {
        let incarnation = if incarnation.is_empty() { "unknown" } else { incarnation };
        [pipeline.tenant.as_str(), pipeline.pipeline.as_str(), incarnation]
            .into_iter()
            .fold(self.prefix.clone(), Key::join)
    }

    /// The place of a task.
    pub(in crate::state) fn task(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        incarnation: &str,
        partition: Partition,
    ) -> TaskPlace {
        let root = self.pipeline(pipeline, incarnation).join(partition.to_string());
        TaskPlace { store: Arc::clone(self), root }
    }

    /// Deletes all checkpoints of a pipeline that was deleted.
    ///
    /// # Errors
    /// When the object store is away or refuses: what is left can be deleted by hand.
    pub fn forget(&self, pipeline: &PipelineId, incarnation: &str) -> Result<(), CheckpointError> {
        let root = self.pipeline(pipeline, incarnation);
        self.wait(&CancellationToken::new(), async {
            let keys = self.list(&root).await?;
            self.delete(keys.into_iter().map(|(key, _)| key).collect()).await
        })
    }

    /// Waits for a call, until it is called off.
    fn wait<T>(
        &self,
        cancel: &CancellationToken,
        call: impl Future<Output = Result<T, CheckpointError>>,
    ) -> Result<T, CheckpointError> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(CheckpointError::Cancelled),
                result = call => result,
            }
        })
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<(Key, u64)>, CheckpointError> {
        let all = self.objects.list(Some(prefix)).map_ok(|found| (found.location, found.size));
        within(prefix, all.try_collect()).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<(), CheckpointError> {
        // One request for up to a thousand where the store can do that.
        let keys = futures_util::stream::iter(keys.into_iter().map(Ok)).boxed();
        let mut deleted = self.objects.delete_stream(keys);
        loop {
            let next = tokio::time::timeout(CALL_MAX, deleted.next()).await;
            match next.map_err(|_| too_slow(&self.prefix))? {
                None => return Ok(()),
                // Gone is gone.
                Some(Ok(_) | Err(object_store::Error::NotFound { .. })) => {}
                Some(Err(error)) => return Err(CheckpointError::Store(error.to_string())),
            }
        }
    }
}

async fn within<T>(
    key: &Key,
    call: impl Future<Output = object_store::Result<T>>,
) -> Result<T, CheckpointError> {
    match tokio::time::timeout(CALL_MAX, call).await {
        Ok(result) => result.map_err(|error| CheckpointError::of(key, &error)),
        Err(_) => Err(too_slow(key)),
    }
}

fn too_slow(key: &Key) -> CheckpointError {
    CheckpointError::Store(format!("`{key}`: no answer within {} s", CALL_MAX.as_secs()))
}

/// What there is of a task.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Oldest first.
    pub(super) documents: Vec<CheckpointName>,
    /// Generations that were claimed.
    pub(super) claims: Vec<u64>,
}

impl Listing {
    /// The last generation; 0 when there is none.
    pub(super) fn generation_max(&self) -> u64 {
        let documents = self.documents.iter().map(|name| name.generation);
        documents.chain(self.claims.iter().copied()).max().unwrap_or(0)
    }
}

/// The place of one task in the object store.
#[derive(Clone)]
pub(in crate::state) struct TaskPlace {
    store: Arc<CheckpointStore>,
    root: Key,
}

impl TaskPlace {
    fn document_key(&self, name: CheckpointName) -> Key {
        self.root.clone().join(CHECKPOINTS).join(format!("{name}.json"))
    }

    fn claim_key(&self, generation: u64) -> Key {
        let name = CheckpointName { generation, sequence: 0 };
        self.root.clone().join(CHECKPOINTS).join(format!("{name}.claim"))
    }

    fn file_key(&self, sha256: &str) -> Key {
        self.root.clone().join(FILES).join(sha256)
    }

    pub(super) fn look(&self, cancel: &CancellationToken) -> Result<Listing, CheckpointError> {
        let folder = self.root.clone().join(CHECKPOINTS);
        let keys = self.store.wait(cancel, self.store.list(&folder))?;
        let mut listing = Listing::default();
        for (key, _) in keys {
            let Some(name) = key.filename() else { continue };
            if let Some(name) = name.strip_suffix(".json").and_then(CheckpointName::parse) {
                listing.documents.push(name);
            } else if let Some(name) = name.strip_suffix(".claim").and_then(CheckpointName::parse) {
                listing.claims.push(name.generation);
            }
        }
        listing.documents.sort_unstable();
        Ok(listing)
    }

    /// Names of all checkpoints, newest first.
    pub(in crate::state) fn newest_first(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<CheckpointName>, CheckpointError> {
        let mut names = self.look(cancel)?.documents;
        names.reverse();
        Ok(names)
    }

    pub(in crate::state) fn document(
        &self,
        name: CheckpointName,
        cancel: &CancellationToken,
    ) -> Result<Document, CheckpointError> {
        let key = self.document_key(name);
        let bytes = self.store.wait(cancel, async {
            let found = within(&key, self.store.objects.get(&key)).await?;
            if found.meta.size > DOCUMENT_BYTES_MAX {
                let what = format!("checkpoint {name} has {} bytes, expected a document", found.meta.size);
                return Err(CheckpointError::Damaged(what));
            }
            within(&key, found.bytes()).await
        })?;
        Document::parse(name, &bytes)
    }

    /// Whether the generation was nobody's.
    pub(super) fn claim(&self, generation: u64, cancel: &CancellationToken) -> Result<bool, CheckpointError> {
        self.create(&self.claim_key(generation), Bytes::new(), cancel)
    }

    /// Writes a document that there is none of yet. False when there is another of that name.
    pub(super) fn write(
        &self,
        name: CheckpointName,
        document: &Document,
        cancel: &CancellationToken,
    ) -> Result<bool, CheckpointError> {
        if self.create(&self.document_key(name), document.to_bytes()?.into(), cancel)? {
            return Ok(true);
        }
        // The answer to a first attempt may have been lost.
        Ok(self.document(name, cancel)? == *document)
    }

    fn create(&self, key: &Key, bytes: Bytes, cancel: &CancellationToken) -> Result<bool, CheckpointError> {
        self.store.wait(cancel, async {
            let put = self.store.objects.put_opts(key, bytes.into(), PutMode::Create.into());
            match tokio::time::timeout(CALL_MAX, put).await {
                Ok(Ok(_)) => Ok(true),
                Ok(Err(object_store::Error::AlreadyExists { .. })) => Ok(false),
                Ok(Err(error)) => Err(CheckpointError::of(key, &error)),
                Err(_) => Err(too_slow(key)),
            }
        })
    }

    /// Sends a file. One that is already there is written again, which changes nothing.
    pub(super) fn put(
        &self,
        sha256: &str,
        path: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), CheckpointError> {
        let key = self.file_key(sha256);
        let mut file = File::open(path).map_err(|error| DiskError::io("open", path, &error))?;
        let mut part = || -> Result<Vec<u8>, CheckpointError> {
            let mut part = Vec::new();
            let read = (&mut file).take(PART_BYTES as u64).read_to_end(&mut part);
            read.map_err(|error| DiskError::io("read", path, &error))?;
            Ok(part)
        };
        let objects = &*self.store.objects;
        self.store.wait(cancel, async {
            let first = part()?;
            if first.len() < PART_BYTES {
                return within(&key, objects.put(&key, first.into())).await.map(drop);
            }
            let mut upload = within(&key, objects.put_multipart(&key)).await?;
            let mut next = first;
            while !next.is_empty() {
                if let Err(error) = within(&key, upload.put_part(next.into())).await {
                    // What was sent so far costs space until then; if this fails too, its owner's rules
                    // for unfinished uploads remove it.
                    let _ = within(&key, upload.abort()).await;
                    return Err(error);
                }
                next = part()?;
            }
            within(&key, upload.complete()).await.map(drop)
        })
    }

    /// Gives a file to `take`, part by part.
    pub(super) fn get(
        &self,
        sha256: &str,
        cancel: &CancellationToken,
        mut take: impl FnMut(&[u8]) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let key = self.file_key(sha256);
        // Runs on this thread: `take` and the reads of a local folder may wait for disks.
        self.store.wait(cancel, async {
            match within(&key, self.store.objects.get(&key)).await?.payload {
                GetResultPayload::File(mut file, path) => {
                    let mut part = vec![0; 1 << 20];
                    while !cancel.is_cancelled() {
                        let read = file.read(&mut part).map_err(|error| DiskError::io("read", &path, &error));
                        match read.map_err(|error| CheckpointError::Store(error.to_string()))? {
                            0 => return Ok(()),
                            read => take(part.get(..read).unwrap_or_default())?,
                        }
                    }
                    Err(CheckpointError::Cancelled)
                }
                GetResultPayload::Stream(mut parts) => {
                    while let Some(part) = within(&key, parts.next().map(Option::transpose)).await? {
                        take(&part)?;
                    }
                    Ok(())
                }
            }
        })
    }

    /// Digests of all files.
    pub(super) fn files(&self, cancel: &CancellationToken) -> Result<Vec<String>, CheckpointError> {
        let keys = self.store.wait(cancel, self.store.list(&self.root.clone().join(FILES)))?;
        Ok(keys.iter().filter_map(|(key, _)| key.filename().map(str::to_owned)).collect())
    }

    pub(super) fn delete_files(
        &self,
        digests: &[String],
        cancel: &CancellationToken,
    ) -> Result<(), CheckpointError> {
        let keys = digests.iter().map(|digest| self.file_key(digest)).collect();
        self.store.wait(cancel, self.store.delete(keys))
    }

    pub(super) fn delete_documents(
        &self,
        names: &[CheckpointName],
        claims: &[u64],
        cancel: &CancellationToken,
    ) -> Result<(), CheckpointError> {
        let names = names.iter().map(|name| self.document_key(*name));
        let keys = names.chain(claims.iter().map(|generation| self.claim_key(*generation))).collect();
        self.store.wait(cancel, self.store.delete(keys))
    }
}
