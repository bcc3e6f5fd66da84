//! Checkpoints of large state: how long they hold the data path up, and how fast they bring it back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use object_store::local::LocalFileSystem;
use rand::Rng as _;
use rand::RngCore as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde_json::json;
use wasmill::model::binaries::BinariesBuf;
use wasmill::model::manifest::Manifest;
use wasmill::model::state::StateTimes;
use wasmill::model::state::StoreIndex;
use wasmill::model::status::RestoreSource;
use wasmill::state::checkpoint::CheckpointStore;
use wasmill::state::format::write_state_key;

use crate::bench_state::BenchState;
use crate::bench_state::Checkpoints;
use crate::bench_state::Ends;
use crate::figure::Figure;
use crate::figure::quantile;
use crate::guests;

/// What [`run`] gives.
pub const FIGURES: &[&str] = &["checkpoint_pause_ms", "restore_mib_per_s_checkpoint"];

/// Of random bytes, so that nothing makes them fewer.
const VALUE_BYTES: usize = 1024;
/// Keys of a batch, while the state is filled and while a checkpoint is taken.
const FILL_KEYS: u32 = 1000;
const STEP_KEYS: u32 = 50;
/// Between two batches while a checkpoint is taken.
const STEP_PAUSE: Duration = Duration::from_millis(10);
/// From the opening of the state to the beginning of the checkpoint.
const INTERVAL: Duration = Duration::from_secs(1);
const CHECKPOINT_MAX: Duration = Duration::from_secs(300);
/// Longer than anything here takes.
const NEVER: Duration = Duration::from_secs(86_400);

/// Fills a state of one task, has a checkpoint of it written to a folder, takes the state away, and
/// restores it.
///
/// # Errors
/// When the disk fails, no checkpoint is written, or the state is not restored from it.
pub fn run(keys: u32) -> anyhow::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let (folder, objects) = (dir.path().join("state"), dir.path().join("objects"));
    std::fs::create_dir_all(&objects)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = Arc::new(LocalFileSystem::new_with_prefix(&objects)?);
    let store = Arc::new(CheckpointStore::new(store, "", runtime.handle().clone()));
    let checkpoints = |interval| Some(Checkpoints { store: Arc::clone(&store), interval });
    let manifest = Arc::new(manifest()?);

    let (mut state, _) = BenchState::open(&manifest, &folder, Ends::new(&manifest), None)?;
    let mut values = Values::new();
    for first in (0..keys).step_by(FILL_KEYS as usize) {
        values.write(&mut state, (first..keys).take(FILL_KEYS as usize))?;
    }
    let ends = state.close()?;

    let (mut state, source) = BenchState::open(&manifest, &folder, ends, checkpoints(INTERVAL))?;
    anyhow::ensure!(source == RestoreSource::Folder, "the filled folder is not used");
    let mut random = SmallRng::seed_from_u64(5);
    let mut pauses = Vec::new();
    let opened = Instant::now();
    let until = Instant::now() + CHECKPOINT_MAX;
    while sizes(&objects, is_document)?.is_empty() {
        let begin = Instant::now();
        let first = random.random_range(0..keys);
        values.write(&mut state, (first..keys).take(STEP_KEYS as usize))?;
        pauses.push(begin.elapsed().as_secs_f64() * 1000.0);
        anyhow::ensure!(Instant::now() < until, "no checkpoint was written within {CHECKPOINT_MAX:?}");
        std::thread::sleep(STEP_PAUSE);
    }
    let (count, seconds) = (pauses.len(), opened.elapsed().as_secs_f64());
    let pause = quantile(&mut pauses, 1.0);
    eprintln!(
        "checkpoint: {count} batches in the {seconds:.1} s until it was written, median {:.2} ms, p99 {:.2} ms, longest {pause:.2} ms",
        quantile(&mut pauses, 0.5),
        quantile(&mut pauses, 0.99),
    );
    let ends = state.close()?;
    std::fs::remove_dir_all(&folder)?;

    let bytes: u64 = sizes(&objects, is_file)?.iter().sum();
    let begin = Instant::now();
    let (mut state, source) = BenchState::open(&manifest, &folder, ends, checkpoints(NEVER))?;
    let seconds = begin.elapsed().as_secs_f64();
    anyhow::ensure!(source == RestoreSource::Checkpoint, "the checkpoint is not used");
    for _ in 0..1000 {
        anyhow::ensure!(has(&mut state, random.random_range(0..keys))?, "a key was not restored");
    }
    let mib = bytes as f64 / f64::from(1 << 20);
    eprintln!("checkpoint: {mib:.0} MiB restored in {seconds:.2} s");
    drop(state);
    Ok(vec![
        Figure::new("checkpoint_pause_ms", pause, "ms"),
        Figure::new("restore_mib_per_s_checkpoint", mib / seconds, "MiB/s"),
    ])
}

/// One store of bytes.
fn manifest() -> anyhow::Result<Manifest> {
    let component = guests::load("running-totals")?;
    let mut manifest = component.manifest().clone();
    for store in &mut manifest.state {
        store.value = json!("bytes");
    }
    Ok(manifest)
}

/// What says that a checkpoint is complete.
fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "json")
}

/// A file of the database.
fn is_file(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("files"))
}

/// Sizes of those files that are wanted.
fn sizes(root: &Path, is_wanted: fn(&Path) -> bool) -> anyhow::Result<Vec<u64>> {
    let mut sizes = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            // A file that is being written may be renamed meanwhile.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            } else if is_wanted(&entry.path()) {
                sizes.push(meta.len());
            }
        }
    }
    Ok(sizes)
}

/// Writes values, a batch and a cycle at a time.
struct Values {
    random: SmallRng,
    body: Vec<u8>,
}

impl Values {
    fn new() -> Self {
        Self { random: SmallRng::seed_from_u64(4), body: Vec::new() }
    }

    fn write(&mut self, state: &mut BenchState, keys: impl Iterator<Item = u32>) -> anyhow::Result<()> {
        let (mut state_keys, mut values) = (BinariesBuf::default(), BinariesBuf::default());
        for key in keys {
            state_keys.push(Some(&state_key(key)));
            // An Avro body: the length as a zigzag varint, then the bytes.
            self.body.clear();
            self.body.extend_from_slice(&[0x80, 0x10]);
            self.body.resize(2 + VALUE_BYTES, 0);
            self.random.fill_bytes(&mut self.body[2..]);
            values.push(Some(&self.body));
        }
        state.begin(StateTimes { event_watermark: None, processing_time: 1 })?;
        state.state()?.put_many(StoreIndex(0), state_keys.as_ref(), values.as_ref())?;
        state.keep()?;
        state.commit(state_keys.as_ref().len())?;
        Ok(())
    }
}

/// Whether there is a value under a key.
fn has(state: &mut BenchState, key: u32) -> anyhow::Result<bool> {
    let keys: BinariesBuf = [Some(state_key(key))].into_iter().collect();
    let mut values = BinariesBuf::default();
    state.begin(StateTimes { event_watermark: None, processing_time: 1 })?;
    state.state()?.get_many(StoreIndex(0), keys.as_ref(), &mut values)?;
    state.keep()?;
    Ok(values.as_ref().get(0).is_some_and(|value| value.len() == 2 + VALUE_BYTES))
}

fn state_key(key: u32) -> Vec<u8> {
    let mut state_key = Vec::new();
    write_state_key(&key.to_be_bytes(), b"", &mut state_key);
    state_key
}
