//! Control as the API sees it.

use std::path::Path;
use std::sync::Arc;

use crate::control::artifacts::Artifacts;
use crate::control::catalog::Catalog;
use crate::control::deployment::Deployment;
use crate::control::deployment::Ready;
use crate::control::error::ControlError;
use crate::control::error::StorageError;
use crate::control::folder::Folder;
use crate::control::limits::Pace;
use crate::control::page::Page;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::PipelineRecord;
use crate::control::reconcile::Reconciler;
use crate::control::reconcile_task::Shared;
use crate::control::reconcile_task::off_async;
use crate::control::runner::Runner;
use crate::control::status::Judgement;
use crate::control::status::PipelineStatus;
use crate::control::version_record::TransformSummary;
use crate::control::version_record::VersionRecord;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineId;
use crate::model::ids::PipelineName;
use crate::model::ids::TenantName;
use crate::model::ids::TransformName;
use crate::model::ids::TransformVersion;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_state::PipelineState;
use crate::telemetry::guest_logs::GuestLogs;

/// Reads the document of a pipeline, with every check that needs no broker.
pub type ReadSpec = dyn Fn(&serde_json::Value) -> Result<PipelineSpec, Vec<Refusal>> + Send + Sync;

/// Uploads, desired state, and the tasks that bring it about. Cheap to clone.
///
/// Changes are on the disk before they are acknowledged, and go on to their end if the caller goes
/// away. Call [`Control::shutdown`] before the host ends.
#[derive(Clone)]
pub struct Control {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) read_spec: Arc<ReadSpec>,
    pub(crate) artifacts: Artifacts,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) reconciler: Reconciler,
}

impl Control {
    /// Opens the catalog in a folder, and starts what should run. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the folder cannot be opened or listed. Single files that are damaged are left out and told
    /// by [`Control::broken_files`].
    pub async fn open(
        folder: &Path,
        runner: Arc<dyn Runner>,
        read_spec: Arc<ReadSpec>,
        pace: Pace,
    ) -> Result<Self, ControlError> {
        let folder = folder.to_owned();
        let opened = off_async(move || Folder::open(folder)).await;
        let folder = Arc::new(opened.map_err(|stop| ControlError::Internal(stop.message))??);
        let tenant = TenantName::default_tenant();
        let catalog = Arc::new(Catalog::load(Arc::clone(&folder), tenant.clone()).await?);
        let artifacts = Artifacts::new(folder);
        let shared = Shared {
            runner: Arc::clone(&runner),
            artifacts: artifacts.clone(),
            catalog: Arc::clone(&catalog),
            pace,
            left_behind: std::sync::atomic::AtomicUsize::new(0),
        };
        let reconciler = Reconciler::new(shared, tenant);
        let control = Self { inner: Arc::new(Inner { runner, read_spec, artifacts, catalog, reconciler }) };
        for record in control.inner.catalog.all_pipelines() {
            control.inner.direct(&record);
        }
        Ok(control)
    }

    /// Files of the catalog that could not be read at the start. What they hold is missing.
    #[must_use]
    pub fn broken_files(&self) -> Vec<StorageError> {
        self.inner.catalog.broken()
    }

    /// Those of [`Control::broken_files`] without which the host does not know what to run: it is not ready.
    #[must_use]
    pub fn broken_wishes(&self) -> Vec<StorageError> {
        self.inner.catalog.broken_wishes()
    }

    #[must_use]
    pub fn transforms(
        &self,
        after: Option<&TransformName>,
        limit: usize,
    ) -> Page<TransformName, TransformSummary> {
        self.inner.catalog.transforms(after, limit)
    }

    /// # Errors
    /// When there is no such transform.
    pub fn versions(
        &self,
        name: &TransformName,
        after: Option<TransformVersion>,
        limit: usize,
    ) -> Result<Page<u32, VersionRecord>, ControlError> {
        self.inner.catalog.versions(name, after.map(|version| version.0), limit)
    }

    /// A version of a transform; the newest when none is named.
    ///
    /// # Errors
    /// When there is none, or its file is damaged.
    pub fn version(
        &self,
        name: &TransformName,
        version: Option<TransformVersion>,
    ) -> Result<VersionRecord, ControlError> {
        self.inner.catalog.version(name, version)
    }

    /// # Errors
    /// When there is no such pipeline, or its file is damaged.
    pub fn pipeline(&self, name: &PipelineName) -> Result<PipelineRecord, ControlError> {
        self.inner.catalog.pipeline(name)
    }

    /// # Errors
    /// On a defect of ours only.
    pub async fn pipelines(
        &self,
        after: Option<&PipelineName>,
        limit: usize,
    ) -> Result<Page<PipelineName, PipelineStatus>, ControlError> {
        let page = self.inner.catalog.pipelines(after, limit);
        let inner = Arc::clone(&self.inner);
        self.off_async(move || page.map(|record| inner.status(record))).await
    }

    /// # Errors
    /// When there is no such pipeline, or its file is damaged.
    pub async fn status(&self, name: &PipelineName) -> Result<PipelineStatus, ControlError> {
        let record = self.inner.catalog.pipeline(name)?;
        let inner = Arc::clone(&self.inner);
        self.off_async(move || inner.status(record)).await
    }

    /// Every pipeline with its state, for metrics. May block.
    #[must_use]
    pub fn states(&self) -> Vec<(PipelineId, PipelineState)> {
        let state = |(name, desired)| {
            let (phase, id) = (self.inner.reconciler.phase(&name), self.id(&name));
            let run = self.inner.runner.status(&id);
            (id, Judgement::of(desired, phase, run.state).state)
        };
        self.inner.catalog.desired().into_iter().map(state).collect()
    }

    /// The log of a pipeline's guests since the host started; none if it never ran.
    ///
    /// # Errors
    /// When there is no such pipeline, or its file is damaged.
    pub async fn logs(&self, name: &PipelineName) -> Result<Option<Arc<GuestLogs>>, ControlError> {
        self.inner.catalog.pipeline(name)?;
        let (runner, id) = (Arc::clone(&self.inner.runner), self.id(name));
        self.off_async(move || runner.logs(&id)).await
    }

    /// The identity of a pipeline in logs, metrics and at the broker.
    #[must_use]
    pub fn id(&self, name: &PipelineName) -> PipelineId {
        self.inner.reconciler.id(name)
    }

    /// Drains every pipeline and ends the tasks; changes that are under way are finished first. What
    /// should run stays as it is, and runs again when the host starts again. Returns how many pipelines did
    /// not end within the deadline.
    pub async fn shutdown(&self) -> usize {
        drop(self.inner.catalog.writing.lock().await);
        self.inner.reconciler.close().await
    }

    pub(crate) async fn off_async<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ControlError> {
        off_async(call).await.map_err(|stop| ControlError::Internal(stop.message))
    }
}

impl Inner {
    /// Tells the pipeline's task what is wanted of it.
    pub(crate) fn direct(&self, record: &PipelineRecord) {
        match record.desired {
            Desired::Running => self.reconciler.run(&record.name, Arc::new(self.deployment(record))),
            Desired::Paused => self.reconciler.rest(&record.name),
            Desired::Deleted => self.reconciler.remove(&record.name),
        }
    }

    fn deployment(&self, record: &PipelineRecord) -> Deployment {
        let spec = match (self.read_spec)(&record.spec) {
            Ok(spec) => spec,
            Err(refusals) => return Deployment::Refused(refusals),
        };
        match self.catalog.version_by_digest(&record.transform.digest) {
            Some(version) => Deployment::Ready(Box::new(Ready {
                spec,
                transform: record.transform.clone(),
                manifest: version.manifest,
            })),
            None => Deployment::Refused(vec![Refusal {
                code: crate::model::failure::Code("unknown-transform"),
                field: "transform".to_owned(),
                message: "the transform that the pipeline runs is no longer in the catalog".to_owned(),
                found: format!("`{}` ({})", record.transform.label, record.transform.digest),
                expected: "a version that was uploaded".to_owned(),
                remedy: "Upload the component again, then restart the pipeline.".to_owned(),
            }]),
        }
    }

    /// May block.
    pub(crate) fn status(&self, record: PipelineRecord) -> PipelineStatus {
        let phase = self.reconciler.phase(&record.name);
        let run = self.runner.status(&self.reconciler.id(&record.name));
        PipelineStatus::new(record, phase, run)
    }
}
