//! The host's keyed state in this process, beside no Kafka: its changelogs are taken to be empty, and
//! what it would write to them is copied and dropped.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
use wasmill::pipeline::state_ports::ChangelogIndex;
use wasmill::pipeline::state_ports::StateSlot;
use wasmill::pipeline::state_ports::TaskState;
use wasmill::state::directory::ChangelogBounds;
use wasmill::state::host::StateHost;
use wasmill::state::host::StateSettings;
use wasmill::state::host::SystemStateClock;
use wasmill::state::host::TaskSpec;
use wasmill::state::restore::RestoreTarget;
use wasmill::state::restore_meter::RestoreMeter;

/// State of one task.
pub struct BenchState {
    /// Where a guest finds it.
    pub slot: StateSlot,
    bytes_max: u64,
    position: i64,
    /// Where changelog records are copied to, as a producer would.
    records: Vec<u8>,
}

impl BenchState {
    /// An empty one in an empty folder, with the settings that a host has by default.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(manifest: &Arc<Manifest>, folder: &Path) -> anyhow::Result<Self> {
        let host = StateHost::start(StateSettings::new(folder.to_owned()), Arc::new(SystemStateClock), None)?;
        let task = TaskSpec {
            pipeline: PipelineId {
                tenant: TenantName::new("default")?,
                pipeline: PipelineName::new("bench")?,
            },
            partition: Partition(0),
            manifest: Arc::clone(manifest),
            delivery: Delivery::ExactlyOnce,
            schemas: Arc::new(StateValues),
            checkpoint_interval: Duration::from_secs(600),
        };
        // The stores, timers, meta.
        let changelogs = 0..manifest.state.len() as u32 + 2;
        let bounds = changelogs.map(|index| ChangelogBounds {
            changelog: ChangelogIndex(index),
            topic_id: "bench".to_owned(),
            start: Offset(0),
            end: Offset(0),
            delete_retention: Duration::MAX,
        });
        let target = RestoreTarget::open(&host, task, bounds.collect(), Arc::new(RestoreMeter::default()))?;
        Ok(Self {
            slot: Some(target.finish()?),
            bytes_max: Limits::default().state_bytes_per_batch_max,
            position: 0,
            records: Vec::new(),
        })
    }

    fn state(&mut self) -> anyhow::Result<&mut dyn TaskState> {
        match &mut self.slot {
            Some(state) => Ok(state.as_mut()),
            None => anyhow::bail!("the guest has not given the state back"),
        }
    }

    /// Before an invocation.
    ///
    /// # Errors
    /// When the guest has kept the state.
    pub fn begin(&mut self, times: StateTimes) -> anyhow::Result<()> {
        let bytes_max = self.bytes_max;
        self.state()?.begin(times, bytes_max);
        Ok(())
    }

    /// After an invocation that went well.
    ///
    /// # Errors
    /// As of [`Self::begin`].
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
        let mut copied = std::mem::take(&mut self.records);
        copied.clear();
        self.position += i64::try_from(records)?;
        let position = Offset(self.position);
        let state = self.state()?;
        let mut changed = 0;
        state.changes(&mut |change| {
            copied.extend_from_slice(change.key);
            copied.extend_from_slice(change.value.unwrap_or_default());
            changed += 1;
            ControlFlow::Continue(())
        });
        state.committed(&[(PortIndex(0), position)]);
        state.tick()?;
        self.records = copied;
        Ok(changed)
    }
}
