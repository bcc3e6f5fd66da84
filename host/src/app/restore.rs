//! One restore: what the disk has, brought up to date by the changelogs. Runs on a thread of its own.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::app::changelogs::TOMBSTONES_KEPT;
use crate::app::contract_state::Changelog;
use crate::app::state_note;
use crate::app::state_root::StateRoot;
use crate::kafka::error::KafkaError;
use crate::model::failure::Outage;
use crate::model::failure::Stop;
use crate::model::ids::PipelineId;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::Delivery;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::TaskState;
use crate::pipeline::state_ports::ValueSchemas;
use crate::source::changelog_reader;
use crate::source::changelog_reader::ChangelogFailure;
use crate::source::changelog_reader::ChangelogReader;
use crate::source::changelog_reader::ChangelogRun;
use crate::source::changelog_reader::ChangelogSpan;
use crate::state::directory::ChangelogBounds;
use crate::state::host::TaskSpec;
use crate::state::restore::ChangelogRecord;
use crate::state::restore::RestoreTarget;
use crate::state::restore_meter::RestoreMeter;

/// How often a restore that waits for records looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whose states are restored.
pub struct Restores {
    pub root: Arc<StateRoot>,
    pub pipeline: PipelineId,
    pub manifest: Arc<Manifest>,
    pub delivery: Delivery,
    pub checkpoint_interval: Duration,
    pub schemas: Arc<dyn ValueSchemas>,
    pub changelogs: Vec<Changelog>,
}

impl Restores {
    /// The state of a partition; none when it is no longer wanted. The group's stable offsets were read
    /// before: so whatever belongs to them lies before the ends that are taken here.
    ///
    /// # Errors
    /// See [`StateFailure`]. Outages of the broker count as those of the disk: both pass by themselves.
    pub fn restore(
        &self,
        partition: Partition,
        meter: &Arc<RestoreMeter>,
    ) -> Result<Option<Box<dyn TaskState>>, StateFailure> {
        let began = Instant::now();
        let bounds = self.bounds(partition).map_err(|failure| failed(partition, failure))?;
        let task = TaskSpec {
            pipeline: self.pipeline.clone(),
            partition,
            manifest: Arc::clone(&self.manifest),
            delivery: self.delivery,
            checkpoint_interval: self.checkpoint_interval,
            schemas: Arc::clone(&self.schemas),
        };
        let mut target = RestoreTarget::open(&self.root.host, task, bounds.clone(), Arc::clone(meter))?;
        if !self.replay(partition, &bounds, &mut target, meter)? {
            target.close()?;
            return Ok(None);
        }
        let source = target.source();
        let state = target.finish()?;
        let progress = meter.progress();
        tracing::info!(
            pipeline = %self.pipeline, %partition, ?source, records = progress.records, bytes = progress.bytes,
            took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), "state restored"
        );
        Ok(Some(state))
    }

    /// Reads the changelogs to their ends. False when the restore was called off.
    fn replay(
        &self,
        partition: Partition,
        bounds: &[ChangelogBounds],
        target: &mut RestoreTarget,
        meter: &RestoreMeter,
    ) -> Result<bool, StateFailure> {
        let span = |(changelog, bounds): (&Changelog, &ChangelogBounds)| {
            let next = target.next(changelog.index).unwrap_or(bounds.start).max(bounds.start);
            let partition = TopicPartition { topic: Arc::clone(&changelog.topic), partition };
            ChangelogSpan { changelog: changelog.index, partition, from: next, until: bounds.end }
        };
        let spans: Vec<ChangelogSpan> = self.changelogs.iter().zip(bounds).map(span).collect();
        let name = format!("{}.restore.{partition}", self.pipeline.group());
        let reader = ChangelogReader::start(&self.root.kafka, name, spans);
        let mut reader = reader.map_err(|failure| failed(partition, failure))?;
        let mut runs = Vec::new();
        loop {
            meter.set_records_left(reader.left());
            if meter.is_cancelled() {
                return Ok(false);
            }
            let read = reader.read(LOOK_EVERY, &mut runs);
            for run in runs.drain(..) {
                apply(target, &run)?;
            }
            if read.map_err(|failure| failed(partition, failure))? {
                break;
            }
        }
        // Level with every log, also with those of which there was nothing to read.
        for (changelog, bounds) in self.changelogs.iter().zip(bounds) {
            target.apply(changelog.index, [], bounds.end)?;
        }
        meter.set_records_left(0);
        Ok(true)
    }

    fn bounds(&self, partition: Partition) -> Result<Vec<ChangelogBounds>, ChangelogFailure> {
        let root = &*self.root;
        let partitions: Vec<TopicPartition> = self
            .changelogs
            .iter()
            .map(|changelog| TopicPartition { topic: Arc::clone(&changelog.topic), partition })
            .collect();
        let ends = changelog_reader::bounds(&root.admin, &partitions)?;
        let mut bounds = Vec::with_capacity(ends.len());
        for (changelog, ends) in self.changelogs.iter().zip(ends) {
            bounds.push(ChangelogBounds {
                changelog: changelog.index,
                topic_id: self.topic_id(changelog)?,
                start: ends.start,
                end: ends.end,
                delete_retention: self.tombstones_kept(changelog)?,
            });
        }
        Ok(bounds)
    }

    fn topic_id(&self, changelog: &Changelog) -> Result<String, ChangelogFailure> {
        if self.root.in_process {
            return Ok("in-process".to_owned());
        }
        let id = self.root.admin.topic_id(&changelog.topic).map_err(|error| asked(&error))?;
        Ok(id.map_or_else(String::new, |id| id.to_string()))
    }

    fn tombstones_kept(&self, changelog: &Changelog) -> Result<Duration, ChangelogFailure> {
        if self.root.in_process {
            return Ok(TOMBSTONES_KEPT);
        }
        match self.root.admin.topic_config(&changelog.topic, "delete.retention.ms") {
            Ok(value) => {
                let millis = value.and_then(|value| value.parse().ok()).map(Duration::from_millis);
                Ok(millis.unwrap_or(TOMBSTONES_KEPT))
            }
            Err(error) if error.code.is_outage() => Err(asked(&error)),
            // Without the right to look: what the topic was made with.
            Err(error) => {
                tracing::warn!(topic = %changelog.topic, %error, "how long the changelog keeps tombstones is not known");
                Ok(TOMBSTONES_KEPT)
            }
        }
    }
}

fn apply(target: &mut RestoreTarget, run: &ChangelogRun) -> Result<(), StateFailure> {
    let Some(records) = &run.records else {
        return target.apply(run.changelog, [], run.next);
    };
    let changed = (0..records.len()).filter_map(|index| {
        let key = records.key(index)?;
        (!state_note::is_note(key)).then(|| ChangelogRecord { key, value: records.value(index) })
    });
    target.apply(run.changelog, changed, run.next)
}

fn asked(error: &KafkaError) -> ChangelogFailure {
    if error.code.is_outage() {
        return error.outage().into();
    }
    Outage::new("changelog-unreadable", error.to_string()).into()
}

fn failed(partition: Partition, failure: ChangelogFailure) -> StateFailure {
    match failure {
        ChangelogFailure::Outage(outage) => StateFailure::Storage { partition, outage },
        // The next attempt sees that what the disk has cannot be brought up to date, and begins anew.
        ChangelogFailure::OffsetGone { .. } => {
            let outage = Outage::new("changelog-unreadable", failure.to_string());
            StateFailure::Storage { partition, outage }
        }
        ChangelogFailure::Stop(stop) => StateFailure::Stop(stop),
    }
}

/// What is told of a restore that ended without a word.
#[must_use]
pub fn panicked() -> StateFailure {
    let remedy = "This is a mistake in Wasmill: please report it with the log";
    Stop::new("internal-panic", "the restore of a task's state panicked", remedy).into()
}
