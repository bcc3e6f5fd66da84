//! See the module above.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use object_store::ObjectStore;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::model::binaries::BinariesBuf;
use crate::model::ids::PipelineId;
use crate::model::ids::PipelineName;
use crate::model::ids::TenantName;
use crate::model::manifest::Manifest;
use crate::model::pipeline_spec::Delivery;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::state::FiredTimers;
use crate::model::state::Scan;
use crate::model::state::ScanPage;
use crate::model::state::StateTimes;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::status::CheckpointFigures;
use crate::model::status::RestoreSource;
use crate::pipeline::state_ports::ChangelogIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::TaskState;
use crate::state::checkpoint::CheckpointStore;
use crate::state::directory::ChangelogBounds;
use crate::state::host::StateHost;
use crate::state::host::StateSettings;
use crate::state::host::TaskSpec;
use crate::state::restore::ChangelogRecord;
use crate::state::restore::RestoreTarget;
use crate::state::restore_meter::RestoreMeter;
use crate::state::task_store::TaskStore;
use crate::state::testing::TestClock;
use crate::state::testing::TestSchemas;
use crate::state::testing::binaries;

/// A stored key and its value, none to delete.
type Record = (Vec<u8>, Option<Vec<u8>>);

/// A changelog: a record an offset, or a transaction marker.
pub(in crate::state) type Log = Vec<Option<Record>>;

pub(in crate::state) struct Rig {
    pub(in crate::state) host: Arc<StateHost>,
    pub(in crate::state) clock: Arc<TestClock>,
    pub(in crate::state) manifest: Manifest,
    pub(in crate::state) logs: Vec<Log>,
    pub(in crate::state) topic_id: String,
    pub(in crate::state) delete_retention: Duration,
    pub(in crate::state) state: Option<Box<TaskStore>>,
    pub(in crate::state) folder: TempDir,
    pub(in crate::state) meter: Arc<RestoreMeter>,
}

/// How long a test waits for background work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Checkpoints of rigs are due this often.
pub(in crate::state) const CHECKPOINT_MS: u64 = 60_000;

/// A folder, in memory where the machine offers that: the tests flush thousands of times.
pub(in crate::state) fn temporary() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

/// Does the work of object stores.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});

impl Rig {
    /// A task without any state yet, opened.
    pub(in crate::state) fn new(manifest: Manifest, memory_bytes: u64) -> Self {
        let clock = Arc::new(TestClock::new());
        let mut rig = Self::closed(manifest, memory_bytes, clock, None);
        rig.open();
        rig
    }

    /// A host without the task, with checkpoints in an object store if there is one.
    pub(in crate::state) fn closed(
        manifest: Manifest,
        memory_bytes: u64,
        clock: Arc<TestClock>,
        objects: Option<Arc<dyn ObjectStore>>,
    ) -> Self {
        let folder = temporary();
        let settings = StateSettings { memory_bytes, ..StateSettings::new(folder.path().to_owned()) };
        let store = objects
            .map(|objects| Arc::new(CheckpointStore::new(objects, "some/prefix", RUNTIME.handle().clone())));
        let host = StateHost::start(settings, clock.clone(), store).expect("threads");
        let logs = vec![Log::new(); manifest.state.len() + 2];
        Self {
            host,
            clock,
            manifest,
            logs,
            topic_id: "1".to_owned(),
            delete_retention: Duration::from_secs(86_400),
            state: None,
            folder,
            meter: Arc::default(),
        }
    }

    pub(in crate::state) fn spec(&self) -> TaskSpec {
        TaskSpec {
            pipeline: PipelineId {
                tenant: TenantName::default_tenant(),
                pipeline: PipelineName::new("p").expect("a name"),
            },
            partition: Partition(3),
            manifest: Arc::new(self.manifest.clone()),
            delivery: Delivery::ExactlyOnce,
            checkpoint_interval: Duration::from_millis(CHECKPOINT_MS),
            schemas: Arc::new(TestSchemas),
        }
    }

    pub(in crate::state) fn bounds(&self) -> Vec<ChangelogBounds> {
        let bounds = self.logs.iter().enumerate().map(|(index, log)| ChangelogBounds {
            changelog: ChangelogIndex(index as u32),
            topic_id: self.topic_id.clone(),
            start: Offset(0),
            end: Offset(log.len() as i64),
            delete_retention: self.delete_retention,
        });
        bounds.collect()
    }

    pub(in crate::state) fn target(&self) -> Result<RestoreTarget, StateFailure> {
        RestoreTarget::open(&self.host, self.spec(), self.bounds(), Arc::clone(&self.meter))
    }

    /// Restores the state; gives from what, and how many records were read.
    pub(in crate::state) fn open(&mut self) -> (RestoreSource, usize) {
        self.meter = Arc::default();
        let mut target = self.target().expect("a folder that can be opened");
        let source = target.source();
        let mut read = 0;
        for (index, log) in self.logs.iter().enumerate() {
            let changelog = ChangelogIndex(index as u32);
            let from = target.next(changelog).map_or(0, |next| next.0 as usize);
            let records: Vec<&Record> = log[from..].iter().flatten().collect();
            read += records.len();
            let records = records.iter().map(|(key, value)| ChangelogRecord { key, value: value.as_deref() });
            target.apply(changelog, records, Offset(log.len() as i64)).expect("applied");
        }
        self.state = Some(Box::new(target.finish_store().expect("a state")));
        (source, read)
    }

    pub(in crate::state) fn close(&mut self) {
        self.state.take().expect("open").close().expect("closed");
    }

    pub(in crate::state) fn state(&mut self) -> &mut TaskStore {
        self.state.as_mut().expect("open")
    }

    pub(in crate::state) fn begin(&mut self, event_watermark: Option<i64>) {
        use crate::state::host::StateClock;
        let times = StateTimes { event_watermark, processing_time: self.clock.unix_ms() };
        self.state().begin(times, 16 << 20);
    }

    pub(in crate::state) fn put(&mut self, store: u32, key: &[u8], value: &[u8]) {
        let (keys, values) = (binaries([key]), binaries([value]));
        self.state().put_many(StoreIndex(store), keys.as_ref(), values.as_ref()).expect("written");
    }

    pub(in crate::state) fn get(&mut self, store: u32, key: &[u8]) -> Option<Vec<u8>> {
        let mut values = BinariesBuf::default();
        self.state().get_many(StoreIndex(store), binaries([key]).as_ref(), &mut values).expect("read");
        values.as_ref().get(0).map(<[u8]>::to_vec)
    }

    pub(in crate::state) fn delete(&mut self, store: u32, key: &[u8]) {
        self.state().delete_many(StoreIndex(store), binaries([key]).as_ref()).expect("deleted");
    }

    /// Suffixes and values of a scan, page by page.
    pub(in crate::state) fn scan(&mut self, store: u32, scan: Scan<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        let mut cursor: Option<Vec<u8>> = None;
        loop {
            let mut page = ScanPage::default();
            let scan = Scan { cursor: cursor.as_deref(), ..scan };
            self.state().scan(StoreIndex(store), &scan, &mut page).expect("scanned");
            assert!(page.suffixes.len() <= scan.limit as usize);
            let entries = page.suffixes.as_ref().iter().zip(page.values.as_ref().iter());
            found.extend(entries.map(|(suffix, value)| {
                (suffix.expect("present").to_vec(), value.expect("present").to_vec())
            }));
            let Some(next) = page.cursor else { return found };
            cursor = Some(next);
        }
    }

    pub(in crate::state) fn register(&mut self, domain: TimeDomain, key: &[u8], tag: &[u8], time: i64) {
        let (keys, tags) = (binaries([key]), binaries([tag]));
        self.state().register_timers(domain, keys.as_ref(), tags.as_ref(), &[time]).expect("registered");
    }

    pub(in crate::state) fn cancel(&mut self, domain: TimeDomain, key: &[u8], tag: &[u8]) {
        let (keys, tags) = (binaries([key]), binaries([tag]));
        self.state().cancel_timers(domain, keys.as_ref(), tags.as_ref()).expect("cancelled");
    }

    /// Time, key and tag of the timers of one call.
    pub(in crate::state) fn take_due(
        &mut self,
        domain: TimeDomain,
        until: i64,
    ) -> Vec<(i64, Vec<u8>, Vec<u8>)> {
        let mut fired = FiredTimers {
            partition: Partition(0),
            event_watermark: None,
            domain,
            keys: BinariesBuf::default(),
            tags: BinariesBuf::default(),
            times: Vec::new(),
        };
        self.state()
            .take_due(domain, until, crate::model::state::TIMERS_PER_CALL_MAX, &mut fired)
            .expect("taken");
        let timers = fired.times.iter().zip(fired.keys.as_ref().iter()).zip(fired.tags.as_ref().iter());
        let timers = timers.map(|((time, key), tag)| {
            (*time, key.expect("present").to_vec(), tag.expect("present").to_vec())
        });
        timers.collect()
    }

    /// The changes of the open cycle, by changelog.
    pub(in crate::state) fn changes(&mut self) -> Vec<Vec<Record>> {
        let mut changes = vec![Vec::new(); self.logs.len()];
        self.state().changes(&mut |change| {
            changes[change.changelog.0 as usize]
                .push((change.key.to_vec(), change.value.map(<[u8]>::to_vec)));
            ControlFlow::Continue(())
        });
        changes
    }

    /// Commits the open cycle: its changes are in the changelogs.
    pub(in crate::state) fn commit(&mut self) {
        let changes = self.changes();
        for (log, changes) in self.logs.iter_mut().zip(changes) {
            if !changes.is_empty() {
                log.extend(changes.into_iter().map(Some));
                log.push(None);
            }
        }
        self.state().committed(&[]);
    }

    /// Flushes what is committed, through ticks alone.
    pub(in crate::state) fn flush(&mut self) {
        let flushes = self.state().flushes();
        self.clock.pass(600_000);
        while self.state().flushes() == flushes {
            self.state().tick().expect("flushed");
            std::thread::yield_now();
        }
    }

    /// Lets time pass and the task tick until a checkpoint was tried; whether it was written.
    pub(in crate::state) fn checkpoint(&mut self) -> bool {
        self.clock.pass(CHECKPOINT_MS);
        let tried = |figures: CheckpointFigures| figures.written + figures.failed;
        let before = tried(self.checkpoints());
        let until = Instant::now() + PATIENCE;
        while tried(self.checkpoints()) == before {
            self.state().tick().expect("the disk is fine");
            assert!(Instant::now() < until, "no checkpoint was tried");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.checkpoints().failure.is_none()
    }

    pub(in crate::state) fn checkpoints(&mut self) -> CheckpointFigures {
        self.state().figures().checkpoint.expect("there is an object store")
    }
}
