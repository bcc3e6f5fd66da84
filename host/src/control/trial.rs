//! A pipeline checked with a component that was not uploaded. Nothing is kept.

#![allow(clippy::result_large_err, reason = "a refusal is made once, at upload, deploy or start")]

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;

use crate::control::commands::Outcome;
use crate::control::commands::Put;
use crate::control::error::ControlError;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::PinnedTransform;
use crate::control::pipeline_record::PipelineRecord;
use crate::control::pipeline_record::Precondition;
use crate::control::runner::ComponentRef;
use crate::control::runner::Inspected;
use crate::control::runner::StateFate;
use crate::control::service::Control;
use crate::control::version_record::VersionRecord;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineName;
use crate::model::ids::TransformName;
use crate::model::pipeline_spec::TransformRef;

impl Control {
    /// Every check of an upload of the component under the name that the document gives its transform,
    /// and of the pipeline with it. Tells what would become of the pipeline.
    ///
    /// # Errors
    /// Every reason to refuse the component and the pipeline; or the precondition does not hold, or
    /// there is no room for another version.
    pub async fn try_pipeline(
        &self,
        name: PipelineName,
        document: Json,
        precondition: Precondition,
        component: Bytes,
    ) -> Result<Put, ControlError> {
        let before = self.inner.expect(&name, &precondition)?;
        let spec = self.read_spec_of(&name, &document).await?;
        let transform = match &spec.transform {
            TransformRef::Named { name, version: None } => name.clone(),
            _ => return Err(ControlError::Refused(vec![not_by_name()])),
        };
        let (inspected, mut refusals) = match self.check_component(component.clone()).await {
            Ok(inspected) => (Some(inspected), Vec::new()),
            Err(ControlError::Refused(refusals)) => (None, refusals),
            Err(error) => return Err(error),
        };
        let pinned = match &inspected {
            Some(inspected) => Some(self.inner.pinned_if_uploaded(&transform, inspected)?),
            None => None,
        };
        let (runner, id) = (Arc::clone(&self.inner.runner), self.id(&name));
        let candidate = inspected.zip(pinned).map(|(inspected, pinned)| {
            let Inspected { manifest, component, digest, warnings } = inspected;
            (ComponentRef { label: pinned.label.clone(), digest, manifest, component }, pinned, warnings)
        });
        let (report, candidate) = self
            .off_async(move || {
                // Held as long as what was made of it, also when nobody waits for the answer any more.
                let _upload = component;
                let component = candidate.as_ref().map(|(component, ..)| component);
                (runner.check(&id, &spec, component), candidate)
            })
            .await?;
        refusals.extend(report.refusals);
        let Some((_, transform, mut notices)) = candidate.filter(|_| refusals.is_empty()) else {
            return Err(ControlError::Refused(refusals));
        };
        notices.extend(report.notices);
        let outcome = match &before {
            None => Outcome::Created,
            Some(before) if before.transform == transform && agree(&before.spec, &document) => {
                Outcome::Unchanged
            }
            Some(_) => Outcome::Changed,
        };
        let record = PipelineRecord {
            name,
            revision: before.as_ref().map_or(0, |before| before.revision),
            changed_at_ms: before.as_ref().map_or(0, |before| before.changed_at_ms),
            desired: before.map_or(Desired::Running, |before| before.desired),
            transform,
            spec: document,
            state: StateFate::default(),
        };
        Ok(Put { outcome, record, notices })
    }
}

impl crate::control::service::Inner {
    /// The version that a component would be, or already is.
    fn pinned_if_uploaded(
        &self,
        name: &TransformName,
        inspected: &Inspected,
    ) -> Result<PinnedTransform, ControlError> {
        let label = match self.catalog.uploaded(name, &inspected.digest) {
            Some(version) => version.label(),
            None => {
                self.catalog.room_for_version(&VersionRecord::proposed(name.clone(), inspected, 0))?;
                format!("{name}@{}", self.catalog.next_version(name))
            }
        };
        Ok(PinnedTransform { label, digest: inspected.digest.clone() })
    }
}

/// Whether two documents say the same of everything but the transform: the one that was applied names
/// the version that the upload became.
fn agree(one: &Json, other: &Json) -> bool {
    let (Json::Object(one), Json::Object(other)) = (one, other) else { return false };
    let rest = |document: &serde_json::Map<String, Json>| {
        let mut document = document.clone();
        document.remove("transform");
        document
    };
    rest(one) == rest(other)
}

fn not_by_name() -> Refusal {
    Refusal {
        code: Code("conflicting-keys"),
        field: "transform".to_owned(),
        message: "a component comes with the pipeline, which names another".to_owned(),
        found: "a version, a digest or a file".to_owned(),
        expected: "`{ name: ... }`, under which the component would be uploaded".to_owned(),
        remedy: "Name the transform without a version, or send the document alone.".to_owned(),
    }
}
