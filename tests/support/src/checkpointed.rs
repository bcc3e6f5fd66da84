//! Running totals on a host that makes checkpoints, and the lives of that host.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::payments::Payment;
use crate::running_totals::RunningTotals;
use crate::sidecar::Sidecar;
use crate::watch::metric;
use crate::watch::wait_for;

const PARTITIONS: u32 = 2;

/// A pipeline with a checkpoint a second.
#[derive(Debug)]
pub struct Checkpointed {
    pub totals: RunningTotals,
    /// `state.object_store` of the settings.
    object_store: String,
}

/// What the log of a life says.
#[derive(Debug)]
pub struct Life {
    pub log: String,
    /// The lines about restores that have ended, one a partition.
    pub restored: Vec<String>,
}

impl Checkpointed {
    /// `object_store` is the YAML of that section of the settings.
    ///
    /// # Errors
    /// When a server or the guest is missing.
    pub fn new(object_store: impl Into<String>) -> Result<Self> {
        let totals = RunningTotals::new(PARTITIONS.cast_signed())?;
        let totals = totals.with("checkpoint: { interval_ms: 1000 }");
        Ok(Self { totals, object_store: object_store.into() })
    }

    /// With checkpoints in a folder.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn in_folder(folder: &Path) -> Result<Self> {
        Self::new(format!("{{ url: {:?} }}", folder.display().to_string()))
    }

    /// Starts a host.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self) -> Result<Sidecar> {
        let plan = self.totals.pipeline.plan("host-1");
        let settings = format!("state:\n  flush_interval_ms: 300\n  object_store: {}\n", self.object_store);
        plan.write_settings(&settings)?;
        let mut host = plan.start()?;
        host.wait_until_alive()?;
        Ok(host)
    }

    /// Feeds payments and lets a new host deal with them and save all that it has.
    ///
    /// # Errors
    /// When it ends by itself or takes too long.
    pub fn life_with_checkpoints(&self, payments: &[Payment]) -> Result<()> {
        self.totals.feed(payments)?;
        let mut host = self.start()?;
        self.totals.pipeline.wait_until_done(&mut host)?;
        // One of each partition may have been under way already.
        let wanted = metric(&host, "wasmill_checkpoints_total")? + f64::from(2 * PARTITIONS + 1);
        wait_for(&mut host, "saved everything", |host| {
            Ok(metric(host, "wasmill_checkpoints_total")? >= wanted)
        })?;
        self.totals.pipeline.drain(&mut host)
    }

    /// Feeds payments and lets a new host deal with them.
    ///
    /// # Errors
    /// As of [`Self::life_with_checkpoints`].
    pub fn life(&self, payments: &[Payment]) -> Result<Life> {
        let log = self.totals.pipeline.plan("host-1").dir.join("host-1.log");
        std::fs::remove_file(log).context("the log of the life before")?;
        self.totals.feed(payments)?;
        let mut host = self.start()?;
        self.totals.pipeline.wait_until_done(&mut host)?;
        wait_for(&mut host, "restored everything", |host| {
            Ok(host.log().matches("state restored").count() >= PARTITIONS as usize)
        })?;
        let log = host.log();
        self.totals.pipeline.drain(&mut host)?;
        let restored =
            log.lines().filter(|line| line.contains("state restored")).map(str::to_owned).collect();
        Ok(Life { log, restored })
    }

    /// Removes what the host has of the state on its disk. It does not run.
    ///
    /// # Errors
    /// When there is nothing.
    pub fn lose_disk(&self) -> Result<()> {
        let folder: PathBuf = self.totals.pipeline.plan("host-1").data_dir().join("state/default");
        std::fs::remove_dir_all(folder.join(&self.totals.pipeline.name)).context("state on the disk")
    }
}

impl Life {
    /// Whether every restore began there: `Folder`, `Checkpoint` or `Empty`.
    #[must_use]
    pub fn began_with(&self, source: &str) -> bool {
        self.restored.len() == PARTITIONS as usize && self.restored.iter().all(|line| line.contains(source))
    }

    /// Records of changelogs that all restores have read.
    ///
    /// # Errors
    /// When a line does not say.
    pub fn records(&self) -> Result<u64> {
        let records = |line: &String| -> Result<u64> {
            let (_, rest) = line.split_once("records=").with_context(|| format!("no records in {line}"))?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Ok(digits.parse()?)
        };
        self.restored.iter().map(records).sum()
    }
}
