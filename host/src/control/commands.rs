//! What changes the catalog.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at upload, deploy or start")]

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::control::error::Conflict;
use crate::control::error::ControlError;
use crate::control::lifecycle::Phase;
use crate::control::limits::DELETE_WAIT;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::PinnedTransform;
use crate::control::pipeline_record::PipelineRecord;
use crate::control::pipeline_record::Precondition;
use crate::control::reconcile_task::off_async;
use crate::control::runner::ComponentRef;
use crate::control::runner::Inspected;
use crate::control::runner::StateFate;
use crate::control::service::Control;
use crate::control::service::Inner;
use crate::control::version_record::VersionRecord;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineName;
use crate::model::ids::TransformName;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::TransformRef;
use crate::model::pipeline_state::PipelineState;

/// What became of a thing that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Changed,
    /// It was there already, exactly so.
    Unchanged,
}

/// What became of a pipeline that was put, or would become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    pub outcome: Outcome,
    pub record: PipelineRecord,
    /// What its owner should know.
    pub notices: Vec<String>,
}

/// Whether a change is made, or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Apply,
    /// Every check, no change.
    DryRun,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    Done,
    /// It goes on by itself, also over a restart of the host.
    UnderWay,
}

impl Control {
    /// Every upload check; nothing is kept.
    ///
    /// # Errors
    /// The reason to refuse the component.
    pub async fn check_component(&self, upload: Bytes) -> Result<Inspected, ControlError> {
        let runner = Arc::clone(&self.inner.runner);
        let inspected = self.off_async(move || runner.inspect(&upload)).await?;
        inspected.map_err(|refusal| ControlError::Refused(vec![refusal]))
    }

    /// Checks and keeps a component under a name. The same component again is the same version. The bytes
    /// of the upload are held to the end, so that whoever counts what is held counts all of it.
    ///
    /// # Errors
    /// When the component is refused, there are too many, or storage fails. Nothing is kept then.
    pub async fn upload(
        &self,
        name: TransformName,
        upload: Bytes,
    ) -> Result<(Outcome, VersionRecord), ControlError> {
        let inspected = self.check_component(upload.clone()).await?;
        self.to_the_end(|inner| async move {
            let _upload = upload;
            let _writing = inner.catalog.writing.lock().await;
            if let Some(version) = inner.catalog.uploaded(&name, &inspected.digest) {
                // The component itself may have been damaged since.
                inner.artifacts.put(&inspected.digest, &inspected.component).await?;
                return Ok((Outcome::Unchanged, version));
            }
            let record = VersionRecord::proposed(name, &inspected, now_ms());
            inner.catalog.room_for_version(&record)?;
            // The component first: a version whose component is missing must not be seen.
            inner.artifacts.put(&inspected.digest, &inspected.component).await?;
            let record = inner.catalog.add_version(record).await?;
            tracing::info!(transform = %record.label(), digest = %record.digest, "component uploaded");
            Ok((Outcome::Created, record))
        })
        .await
    }

    /// Creates or changes a pipeline. A new one runs; a paused one stays paused.
    ///
    /// # Errors
    /// When a check refuses it, or the precondition does not hold. Nothing changes then.
    pub async fn put_pipeline(
        &self,
        name: PipelineName,
        document: serde_json::Value,
        precondition: Precondition,
        mode: Mode,
    ) -> Result<Put, ControlError> {
        self.inner.expect(&name, &precondition)?;
        let spec = self.read_spec_of(&name, &document).await?;
        let version = match self.inner.resolve(&spec) {
            Ok(version) => version,
            Err(ControlError::Refused(refusals)) => return Err(self.refused_with(refusals, spec).await?),
            Err(error) => return Err(error),
        };
        let transform = PinnedTransform { label: version.label(), digest: version.digest.clone() };
        let notices = self.check(spec, version).await?;
        let proposed = move |inner: &Inner| {
            let before = inner.expect(&name, &precondition)?;
            let outcome = match &before {
                None => Outcome::Created,
                Some(before) if before.spec == document && before.transform == transform => {
                    Outcome::Unchanged
                }
                Some(_) => Outcome::Changed,
            };
            let record = match (outcome, before) {
                (Outcome::Unchanged, Some(before)) => before,
                (_, before) => PipelineRecord {
                    name,
                    revision: before.as_ref().map_or(0, |before| before.revision),
                    desired: before.map_or(Desired::Running, |before| before.desired),
                    transform,
                    changed_at_ms: now_ms(),
                    state: StateFate::default(),
                    spec: document,
                },
            };
            Ok::<_, ControlError>((outcome, record))
        };
        if mode == Mode::DryRun {
            let (outcome, record) = proposed(&self.inner)?;
            return Ok(Put { outcome, record, notices });
        }
        self.to_the_end(|inner| async move {
            let _writing = inner.catalog.writing.lock().await;
            let (outcome, mut record) = proposed(&inner)?;
            if outcome != Outcome::Unchanged {
                record = inner.catalog.put_pipeline(record).await?;
                inner.direct(&record);
            }
            Ok(Put { outcome, record, notices })
        })
        .await
    }

    /// The document of a pipeline, read.
    pub(crate) async fn read_spec_of(
        &self,
        name: &PipelineName,
        document: &serde_json::Value,
    ) -> Result<PipelineSpec, ControlError> {
        let (read, document) = (Arc::clone(&self.inner.read_spec), document.clone());
        let spec = self.off_async(move || read(&document)).await?.map_err(ControlError::Refused)?;
        if spec.name == *name {
            return Ok(spec);
        }
        Err(ControlError::Refused(vec![Refusal {
            code: Code("name-mismatch"),
            field: "name".to_owned(),
            message: "the document names another pipeline than the path".to_owned(),
            found: format!("`{}`", spec.name),
            expected: format!("`{name}`"),
            remedy: "Send it to the path of its own name.".to_owned(),
        }]))
    }

    /// The refusals of a pipeline whose transform is not there, with those of the checks that need none.
    async fn refused_with(
        &self,
        mut refusals: Vec<Refusal>,
        spec: PipelineSpec,
    ) -> Result<ControlError, ControlError> {
        let (runner, id) = (Arc::clone(&self.inner.runner), self.id(&spec.name));
        refusals.extend(self.off_async(move || runner.check(&id, &spec, None)).await?.refusals);
        Ok(ControlError::Refused(refusals))
    }

    /// Every check that a start would make; returns the notices.
    async fn check(&self, spec: PipelineSpec, version: VersionRecord) -> Result<Vec<String>, ControlError> {
        let component = self.inner.artifacts.get(&version.digest).await?;
        let (runner, id) = (Arc::clone(&self.inner.runner), self.id(&spec.name));
        let report = self
            .off_async(move || {
                let label = version.label();
                let VersionRecord { digest, manifest, .. } = version;
                runner.check(&id, &spec, Some(&ComponentRef { label, digest, manifest, component }))
            })
            .await?;
        if report.refusals.is_empty() {
            Ok(report.notices)
        } else {
            Err(ControlError::Refused(report.refusals))
        }
    }

    /// Drains a pipeline and keeps it so, also over a restart of the host.
    ///
    /// # Errors
    /// When there is no such pipeline, it is being deleted, or the precondition does not hold.
    pub async fn pause(
        &self,
        name: PipelineName,
        precondition: Precondition,
    ) -> Result<PipelineRecord, ControlError> {
        self.to_the_end(|inner| async move {
            let _writing = inner.catalog.writing.lock().await;
            let record = inner.existing(&name, &precondition)?;
            if record.desired == Desired::Paused {
                return Ok(record);
            }
            inner.desire(record, Desired::Paused).await
        })
        .await
    }

    /// Lets a pipeline run again: one that is paused, or one that stopped by itself.
    ///
    /// # Errors
    /// When there is no such pipeline, it is being deleted, or the precondition does not hold.
    pub async fn resume(
        &self,
        name: PipelineName,
        precondition: Precondition,
    ) -> Result<PipelineRecord, ControlError> {
        self.to_the_end(|inner| async move {
            let _writing = inner.catalog.writing.lock().await;
            let record = inner.existing(&name, &precondition)?;
            if record.desired == Desired::Running {
                let (seen, looked_at) = (Arc::clone(&inner), record.clone());
                let status = off_async(move || seen.status(looked_at)).await;
                let state = status.map_err(|stop| ControlError::Internal(stop.message))?.state;
                let delayed =
                    matches!(inner.reconciler.phase(&name), Phase::Delayed(..) | Phase::Starting(Some(_)));
                if delayed || state == PipelineState::Stopped {
                    inner.direct(&record);
                }
                return Ok(record);
            }
            inner.desire(record, Desired::Running).await
        })
        .await
    }

    /// Drains a pipeline and starts it anew.
    ///
    /// # Errors
    /// When there is no such pipeline, it is paused or being deleted, or the precondition does not hold.
    pub async fn restart(
        &self,
        name: PipelineName,
        precondition: Precondition,
    ) -> Result<PipelineRecord, ControlError> {
        self.to_the_end(|inner| async move {
            let _writing = inner.catalog.writing.lock().await;
            let record = inner.existing(&name, &precondition)?;
            if record.desired == Desired::Paused {
                return Err(ControlError::Conflict(Conflict {
                    code: Code("pipeline-paused"),
                    message: format!("pipeline `{name}` is paused"),
                    remedy: "Resume it instead".into(),
                }));
            }
            inner.direct(&record);
            Ok(record)
        })
        .await
    }

    /// Drains a pipeline, forgets it at the broker and removes it. Waits for that for a while. What was
    /// said of its state when it began to be deleted stays.
    ///
    /// # Errors
    /// When there is no such pipeline, or the precondition does not hold.
    pub async fn delete(
        &self,
        name: PipelineName,
        precondition: Precondition,
        state: StateFate,
    ) -> Result<Deletion, ControlError> {
        let wait = name.clone();
        self.to_the_end(|inner| async move {
            let _writing = inner.catalog.writing.lock().await;
            let Some(record) = inner.expect_any(&name, &precondition)? else {
                return Err(ControlError::no_pipeline(&name));
            };
            if record.desired == Desired::Deleted {
                return Ok(record);
            }
            inner.desire(PipelineRecord { state, ..record }, Desired::Deleted).await
        })
        .await?;
        let gone = self.inner.reconciler.gone(&wait, DELETE_WAIT).await;
        let gone = gone || self.inner.catalog.find_pipeline(&wait)?.is_none();
        Ok(if gone { Deletion::Done } else { Deletion::UnderWay })
    }

    /// A change goes on to its end even if the caller goes away: the files and their copy in memory
    /// never differ. It holds the lock on the catalog, by which `shutdown` waits for it.
    async fn to_the_end<T, F>(&self, change: impl FnOnce(Arc<Inner>) -> F) -> Result<T, ControlError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ControlError>> + Send + 'static,
    {
        let change = tokio::spawn(change(Arc::clone(&self.inner)));
        change.await.unwrap_or_else(|error| Err(ControlError::Internal(error.to_string())))
    }
}

impl Inner {
    /// The version that a pipeline means.
    fn resolve(&self, spec: &PipelineSpec) -> Result<VersionRecord, ControlError> {
        let refused = |code, found, expected: &str, remedy: &str| {
            ControlError::Refused(vec![Refusal {
                code: Code(code),
                field: "transform".to_owned(),
                message: "the transform cannot be run".to_owned(),
                found,
                expected: expected.to_owned(),
                remedy: remedy.to_owned(),
            }])
        };
        let unknown = |found| {
            let remedy = "Upload the component first: POST /v1/tenants/default/transforms/{name}/versions.";
            refused("unknown-transform", found, "a transform and version that was uploaded", remedy)
        };
        match &spec.transform {
            TransformRef::Named { name, version } => {
                self.catalog.version(name, *version).map_err(|error| match error {
                    ControlError::NotFound(missing) => unknown(format!("`{}`", missing.name)),
                    other => other,
                })
            }
            TransformRef::Digest(digest) => {
                self.catalog.version_by_digest(digest).ok_or_else(|| unknown(format!("`{digest}`")))
            }
            TransformRef::File(file) => {
                let remedy = "Upload the component and name it, or use `wasmill apply`, which does both.";
                let expected = "`{ name: ..., version: ... }` or `{ digest: ... }`";
                Err(refused("local-file", format!("the local file `{}`", file.display()), expected, remedy))
            }
        }
    }

    /// The pipeline, if the precondition holds and it is not being deleted.
    pub(crate) fn expect(
        &self,
        name: &PipelineName,
        precondition: &Precondition,
    ) -> Result<Option<PipelineRecord>, ControlError> {
        let record = self.expect_any(name, precondition)?;
        match &record {
            Some(found) if found.desired == Desired::Deleted => Err(ControlError::Conflict(Conflict {
                code: Code("pipeline-deleting"),
                message: format!("pipeline `{name}` is being deleted"),
                remedy: "Try again when it is gone".into(),
            })),
            _ => Ok(record),
        }
    }

    fn expect_any(
        &self,
        name: &PipelineName,
        precondition: &Precondition,
    ) -> Result<Option<PipelineRecord>, ControlError> {
        let record = self.catalog.find_pipeline(name)?;
        let found = record.as_ref().map(|record| record.revision);
        precondition.check(found).map_err(|expected| ControlError::RevisionMismatch { expected, found })?;
        Ok(record)
    }

    pub(crate) fn existing(
        &self,
        name: &PipelineName,
        precondition: &Precondition,
    ) -> Result<PipelineRecord, ControlError> {
        self.expect(name, precondition)?.ok_or_else(|| ControlError::no_pipeline(name))
    }

    async fn desire(
        &self,
        mut record: PipelineRecord,
        desired: Desired,
    ) -> Result<PipelineRecord, ControlError> {
        record.desired = desired;
        record.changed_at_ms = now_ms();
        let record = self.catalog.put_pipeline(record).await?;
        self.direct(&record);
        Ok(record)
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
