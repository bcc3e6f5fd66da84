//! The host's keyed state in this process, beside no Kafka: what it would write to its changelogs is
//! copied and dropped.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use wasmill::codec::state_values::StateValues;
use wasmill::model::ids::PipelineId;
use wasmill::model::ids::PipelineName;
use wasmill::model::ids::PortIndex;
use wasmill::model::ids::TenantName;
use wasmill::model::limits::Limits;
use wasmill::model::manifest::Manifest;
use wasmill::model::pipeline_spec::Delivery;
use wasmill::model::position::Offset;
use wasmill::model::position::Partition;
use wasmill::model::state::StateTimes;
use wasmill::model::status::RestoreSource;
use wasmill::pipeline::state_ports::ChangelogIndex;
use wasmill::pipeline::state_ports::StateSlot;
use wasmill::pipeline::state_ports::TaskState;
use wasmill::state::checkpoint::CheckpointStore;
use wasmill::state::directory::ChangelogBounds;
use wasmill::state::host::StateHost;
use wasmill::state::host::StateSettings;
use wasmill::state::host::SystemStateClock;
use wasmill::state::host::TaskSpec;
use wasmill::state::restore::RestoreTarget;
use wasmill::state::restore_meter::RestoreMeter;

/// Where checkpoints go, and how often.
#[derive(Clone)]
pub struct Checkpoints {
    pub store: Arc<CheckpointStore>,
    pub interval: Duration,
}

/// State of one task.
pub struct BenchState {
    /// Where a guest finds it.
    pub slot: StateSlot,
    bytes_max: u64,
    position: i64,
    ends: Ends,
    /// Where changelog records are copied to, as a producer would.
    records: Vec<u8>,
}

/// Where the changelogs end that there would be.
#[derive(Debug, Clone)]
pub struct Ends(Vec<i64>);

impl Ends {
    /// Of empty ones.
    #[must_use]
    pub fn new(manifest: &Manifest) -> Self {
        // The stores, timers, meta.
        Self(vec![0; manifest.state.len() + 2])
    }
}

impl BenchState {
    /// Restores it from a folder, or a checkpoint, with the settings that a host has by default.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        manifest: &Arc<Manifest>,
        folder: &Path,
        ends: Ends,
        checkpoints: Option<Checkpoints>,
    ) -> anyhow::Result<(Self, RestoreSource)> {
        let interval = checkpoints.as_ref().map_or(Duration::MAX, |checkpoints| checkpoints.interval);
        let store = checkpoints.map(|checkpoints| checkpoints.store);
        let settings = StateSettings::new(folder.to_owned());
        let host = StateHost::start(settings, Arc::new(SystemStateClock), store)?;
        let task = TaskSpec {
            pipeline: PipelineId {
                tenant: TenantName::new("default")?,
                pipeline: PipelineName::new("bench")?,
            },
            partition: Partition(0),
            manifest: Arc::clone(manifest),
            delivery: Delivery::ExactlyOnce,
            schemas: Arc::new(StateValues),
            checkpoint_interval: interval,
        };
        let bounds = (0..).map(ChangelogIndex).zip(&ends.0).map(|(changelog, end)| ChangelogBounds {
            changelog,
            topic_id: "bench".to_owned(),
            start: Offset(0),
            end: Offset(*end),
            delete_retention: Duration::MAX,
        });
        let target = RestoreTarget::open(&host, task, bounds.collect(), Arc::new(RestoreMeter::default()))?;
        let source = target.source();
        let state = Self {
            slot: Some(target.finish()?),
            bytes_max: Limits::default().state_bytes_per_batch_max,
            position: 0,
            ends,
            records: Vec::new(),
        };
        Ok((state, source))
    }

    /// The state, while no guest has it.
    ///
    /// # Errors
    /// When the guest has kept it.
    pub fn state(&mut self) -> anyhow::Result<&mut dyn TaskState> {
        match &mut self.slot {
            Some(state) => Ok(state.as_mut()),
            None => anyhow::bail!("the guest has not given the state back"),
        }
    }

    /// Before an invocation.
    ///
    /// # Errors
    /// As of [`Self::state`].
    pub fn begin(&mut self, times: StateTimes) -> anyhow::Result<()> {
        let bytes_max = self.bytes_max;
        self.state()?.begin(times, bytes_max);
        Ok(())
    }

    /// After an invocation that went well.
    ///
    /// # Errors
    /// As of [`Self::state`].
    pub fn keep(&mut self) -> anyhow::Result<()> {
        self.state()?.keep();
        Ok(())
    }

    /// The end of a cycle of so many records: every changed key is copied out, then the cycle counts
    /// as committed, and a flush begins if one is due. Gives how many keys have changed.
    ///
    /// # Errors
    /// When the disk has failed.
    pub fn commit(&mut self, records: usize) -> anyhow::Result<usize> {
        self.records.clear();
        self.position += i64::try_from(records)?;
        let Self { slot, position, ends, records, .. } = self;
        let state = slot.as_mut().context("the guest has not given the state back")?;
        let mut changed = 0;
        let mut last = None;
        state.changes(&mut |change| {
            records.extend_from_slice(change.key);
            records.extend_from_slice(change.value.unwrap_or_default());
            changed += 1;
            // With the marker of the transaction in each log that it wrote to.
            let more = 1 + i64::from(last != Some(change.changelog));
            last = Some(change.changelog);
            if let Some(end) = ends.0.get_mut(change.changelog.0 as usize) {
                *end += more;
            }
            ControlFlow::Continue(())
        });
        state.committed(&[(PortIndex(0), Offset(*position))]);
        state.tick()?;
        Ok(changed)
    }

    /// Brings everything to disk; gives where the changelogs end.
    ///
    /// # Errors
    /// When the disk did not take it.
    pub fn close(self) -> anyhow::Result<Ends> {
        if let Some(state) = self.slot {
            state.close()?;
        }
        Ok(self.ends)
    }
}
