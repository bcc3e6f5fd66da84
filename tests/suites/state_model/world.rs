//! A pipeline of the probe, fed all the time, whose hosts die again and again.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;
use wasmill::model::fail_point::FailPoint;
use wasmill_test_support::DRAIN_MAX;
use wasmill_test_support::KafkaClient;
use wasmill_test_support::RegistryApi;
use wasmill_test_support::Sidecar;
use wasmill_test_support::probe::Command;
use wasmill_test_support::probe::Commands;
use wasmill_test_support::probe::Model;
use wasmill_test_support::probe::Probe;

use crate::toll::Toll;

/// A host is missed after this long, and its transaction settled; and many small cycles.
const PIPELINE: &str = "kafka: { session.timeout.ms: \"6000\", transaction.timeout.ms: \"4000\" }\n\
    commit: { interval_ms: 20, records_max: 120 }";
/// What is committed reaches the disk soon.
const FLUSH: &str = "flush_interval_ms: 120";
/// With checkpoints: as often as can be.
const CHECKPOINT: &str = "checkpoint: { interval_ms: 1000 }";
/// What a world is fed at once, for each partition, and how often.
const PORTION: usize = 40;
const FEED_EVERY: Duration = Duration::from_millis(150);
/// How long the work that is left may take once nobody dies any more.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// A host that has not come to its step by then is killed.
const MET_WITHIN: Duration = Duration::from_secs(8);
/// A frozen host is thawed after this: it was missed meanwhile.
const FROZEN: Duration = Duration::from_millis(7_500);

/// See the module.
pub(crate) struct World<'a> {
    name: &'static str,
    probe: Probe,
    hosts: usize,
    /// Where checkpoints go, if there are any.
    store: Option<TempDir>,
    toll: &'a Toll,
    feeds: Mutex<Vec<Commands>>,
    /// Held while the broker is away: what is written then might be written twice.
    pause: Mutex<()>,
    seed: u64,
}

/// What the servers and shape of a world are.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) kafka: KafkaClient,
    pub(crate) registry: RegistryApi,
    pub(crate) partitions: i32,
    pub(crate) hosts: usize,
    pub(crate) copies_late: bool,
    pub(crate) has_checkpoints: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(shape: Shape, seed: u64, toll: &'a Toll) -> Self {
        let Shape { name, kafka, registry, partitions, hosts, copies_late, has_checkpoints } = shape;
        let probe = Probe::on(kafka, registry, partitions, copies_late).expect("a pipeline").with(PIPELINE);
        let probe = if has_checkpoints { probe.with(CHECKPOINT) } else { probe };
        let store = has_checkpoints.then(|| tempfile::tempdir().expect("a folder"));
        let feeds = (0..partitions).map(|partition| Commands::new(seed, partition)).collect();
        Self { name, probe, hosts, store, toll, feeds: Mutex::new(feeds), pause: Mutex::new(()), seed }
    }

    /// Lets hosts die until the toll is paid, then settles everything and compares it with the model.
    pub(crate) fn torment(&self) {
        std::thread::scope(|scope| {
            scope.spawn(|| self.feed_on());
            for host in 0..self.hosts {
                scope.spawn(move || self.live_and_die(host));
            }
        });
        self.settle();
    }

    /// Nothing may be written while this is held.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.pause.lock().expect("no feeder has panicked")
    }

    fn feed_on(&self) {
        while !self.toll.is_paid() {
            self.feed(|commands| commands.by_ref().take(PORTION).collect());
            std::thread::sleep(FEED_EVERY);
        }
    }

    fn feed(&self, of: impl Fn(&mut Commands) -> Vec<Command>) {
        let _held = self.hold();
        let mut feeds = self.feeds.lock().expect("no feeder has panicked");
        for (partition, commands) in (0..).zip(feeds.iter_mut()) {
            self.probe.feed(partition, of(commands)).expect("commands written");
        }
    }

    fn live_and_die(&self, host: usize) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (0xd1e << 40) ^ host as u64);
        while !self.toll.is_paid() {
            let name = format!("host-{host}");
            let fate = Fate::draw(self, &mut random);
            if matches!(fate, Fate::At(FailPoint::CheckpointFetched, _)) {
                remove_state(&self.state_folder(&name));
            }
            let mut life = self.start(&name, fate);
            self.end(&name, &mut life, fate, &mut random);
            self.harm(&name, &mut random);
            if self.hosts > 1 && random.random_ratio(1, 8) {
                // Missed by the group: others take over.
                self.toll.befell("stayed away");
                self.wait_or_paid(FROZEN);
            }
        }
    }

    fn start(&self, host: &str, fate: Fate) -> Sidecar {
        let mut plan = self.probe.pipeline.plan(host);
        if let Fate::At(point, nth) = fate {
            plan.settings.push(("WASMILL_FAIL_POINT".to_owned(), format!("{}:{nth}", point.name())));
        }
        let store = self.store.as_ref();
        let store = store.map(|store| format!(", object_store: {{ url: {:?} }}", store.path()));
        let settings = format!("state: {{ {FLUSH}{} }}\n", store.unwrap_or_default());
        plan.write_settings(&settings).expect("settings written");
        plan.start().expect("started")
    }

    /// Waits for the death that was drawn, or brings about another.
    fn end(&self, host: &str, life: &mut Sidecar, fate: Fate, random: &mut StdRng) {
        let patience = Duration::from_millis(random.random_range(1_000..3_500));
        match fate {
            Fate::Killed => {
                if let Ok(status) = life.wait(patience) {
                    self.ended_by_itself(life, status);
                }
                life.kill();
                self.toll.died_by("kill -9");
            }
            Fate::Frozen => {
                if let Ok(status) = life.wait(patience) {
                    self.ended_by_itself(life, status);
                }
                life.signal(libc::SIGSTOP);
                self.wait_or_paid(FROZEN);
                life.signal(libc::SIGCONT);
                self.toll.befell("frozen");
                // A zombie: whatever it still has must not be seen.
                std::thread::sleep(Duration::from_millis(random.random_range(100..1_500)));
                life.kill();
                self.toll.died_by("kill -9");
            }
            Fate::Drained => {
                if let Ok(status) = life.wait(patience) {
                    self.ended_by_itself(life, status);
                }
                let status = life.terminate(DRAIN_MAX).expect("it ends when it is told to");
                self.drained(life, status);
            }
            Fate::At(FailPoint::Revoked, _) => self.visit(host, life),
            Fate::At(point, _) => {
                // With records flowing it comes there soon, unless it has no partition.
                let patience = if is_met_at_the_end(point) { patience } else { MET_WITHIN };
                if let Ok(status) = life.wait(patience) {
                    return self.died_at(life, point, status);
                }
                if !is_met_at_the_end(point) {
                    life.kill();
                    return self.toll.died_by("kill -9");
                }
                let status = life.terminate(DRAIN_MAX).expect("it ends when it is told to");
                if is_abort(status) { self.died_at(life, point, status) } else { self.drained(life, status) }
            }
        }
    }

    /// Lets another host join, so that this one has to give partitions up.
    fn visit(&self, host: &str, life: &mut Sidecar) {
        let visitor = self.start(&format!("visitor-of-{host}"), Fate::Drained);
        match life.wait(MET_WITHIN) {
            Ok(status) => self.died_at(life, FailPoint::Revoked, status),
            Err(_) => {
                life.kill();
                self.toll.died_by("kill -9");
            }
        }
        drop(visitor);
        self.toll.died_by("kill -9");
    }

    fn died_at(&self, life: &Sidecar, point: FailPoint, status: ExitStatus) {
        if is_abort(status) && life.log_tail().contains("dying as commanded") {
            return self.toll.died_at(point);
        }
        self.ended_by_itself(life, status);
    }

    /// It has ended as it was told to, or did not yet listen.
    fn drained(&self, life: &Sidecar, status: ExitStatus) {
        if !status.success() && status.signal() != Some(libc::SIGTERM) {
            self.ended_by_itself(life, status);
        }
        self.toll.befell("drained");
    }

    fn ended_by_itself(&self, life: &Sidecar, status: ExitStatus) -> ! {
        self.fail(&format!("a host ended by itself with {status}:\n{}", life.log_tail()))
    }

    /// Does something to what a dead host has left, or to the checkpoints.
    fn harm(&self, host: &str, random: &mut StdRng) {
        let folder = self.state_folder(host);
        match random.random_range(0..8) {
            0 => {
                remove_state(&folder);
                self.toll.befell("folder removed");
            }
            1 => {
                let is_of_database = |file: &Path| file.parent().is_some_and(|folder| folder.ends_with("db"));
                if damage(&folder, is_of_database, random) {
                    self.toll.befell("file damaged");
                }
            }
            2 => {
                let store = self.store.as_ref();
                if store.is_some_and(|store| damage(store.path(), |_| true, random)) {
                    self.toll.befell("checkpoint damaged");
                }
            }
            _ => {}
        }
    }

    fn wait_or_paid(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.toll.is_paid() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn state_folder(&self, host: &str) -> PathBuf {
        self.probe.pipeline.plan(host).data_dir().join("state")
    }

    /// Shows the state that is left to the disks, then that of the changelogs alone, then lets time pass.
    fn settle(&self) {
        let began = Instant::now();
        self.feed(Commands::dump);
        let models = self.settled();
        for host in 0..self.hosts {
            remove_state(&self.state_folder(&format!("host-{host}")));
        }
        self.feed(|commands| {
            let mut dumped = commands.dump();
            commands.leap();
            dumped.extend(commands.dump());
            dumped
        });
        self.settled();
        let fired: usize = models.iter().map(|model| model.answers.len()).sum();
        println!("{}: {fired} answers as of the model; settled in {:?}", self.name, began.elapsed());
    }

    /// Runs hosts that nobody harms until everything is answered, and compares.
    fn settled(&self) -> Vec<Model> {
        let models = self.probe.models().expect("the commands");
        let expected: usize = models.iter().map(|model| model.answers.len()).sum();
        let start = |host| self.start(&format!("host-{host}"), Fate::Drained);
        let mut hosts: Vec<Sidecar> = (0..self.hosts).map(start).collect();
        let until = Instant::now() + SETTLE_MAX;
        loop {
            let answered = self.probe.answered().expect("the answers");
            if answered >= expected && self.probe.pipeline.is_done().expect("the offsets") {
                break;
            }
            let has_ended = hosts.iter_mut().any(Sidecar::has_ended);
            if has_ended || Instant::now() > until {
                let differs = self.probe.compare(&models).err();
                self.fail(&format!("{answered} answers of {expected}; {differs:?}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        for host in &mut hosts {
            self.probe.pipeline.drain(host).expect("drained");
        }
        if let Err(error) = self.probe.compare(&models) {
            self.fail(&format!("{error:#}"));
        }
        models
    }

    /// Fails, and keeps the logs of the hosts.
    fn fail(&self, why: &str) -> ! {
        let kept = std::env::temp_dir().join(format!("wasmill-{}-{}", self.name, self.seed));
        std::fs::create_dir_all(&kept).expect("a folder for the logs");
        for host in 0..self.hosts {
            let name = format!("host-{host}");
            let log = self.probe.pipeline.plan(&name).dir.join(format!("{name}.log"));
            let _ = std::fs::copy(log, kept.join(format!("{name}.log")));
        }
        panic!("{} (seed {}; logs in {}): {why}", self.name, self.seed, kept.display())
    }
}

/// How a host is to end.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// At a step, when it comes there for the nth time.
    At(FailPoint, u32),
    /// At any moment.
    Killed,
    /// Stopped for longer than its session, and let go on for a while.
    Frozen,
    /// In good order.
    Drained,
}

impl Fate {
    fn draw(world: &World<'_>, random: &mut StdRng) -> Self {
        let several = world.hosts > 1;
        match random.random_range(0..20) {
            0..=2 => Self::Killed,
            3 if several => Self::Frozen,
            4 if several => Self::Drained,
            _ => {
                let is_met = |point| match point {
                    FailPoint::Revoked => several,
                    FailPoint::CheckpointFetched
                    | FailPoint::CheckpointTaken
                    | FailPoint::CheckpointSent
                    | FailPoint::CheckpointWritten => world.store.is_some(),
                    _ => true,
                };
                let point = world.toll.next_step(random, is_met);
                Self::At(point, random.random_range(1..=times(point)))
            }
        }
    }
}

/// How often a host comes to a step within its short life.
fn times(point: FailPoint) -> u32 {
    use FailPoint as P;
    match point {
        P::Revoked | P::Closing | P::Closed => 1,
        P::CheckpointFetched | P::CheckpointTaken | P::CheckpointSent | P::CheckpointWritten => 1,
        P::FolderOpened | P::RestoreApplied | P::Restored => 2,
        P::FlushFrozen
        | P::FlushEnding
        | P::FlushWritten
        | P::FlushDurable
        | P::TimersTaken
        | P::TimersSent => 3,
        P::Invoked | P::WindowSent => 12,
        _ => 4,
    }
}

/// A host that is not told to end does not come there.
fn is_met_at_the_end(point: FailPoint) -> bool {
    matches!(point, FailPoint::Closing | FailPoint::Closed)
}

fn is_abort(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGABRT)
}

fn remove_state(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("remove the state: {error}"),
        _ => {}
    }
}

/// Overwrites some bytes of a file of a folder, or deletes it. Says whether there was one.
fn damage(folder: &Path, is_fit: impl Fn(&Path) -> bool, random: &mut StdRng) -> bool {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if is_fit(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    if files.is_empty() {
        return false;
    }
    let file = &files[random.random_range(0..files.len())];
    // Hosts that live may delete it meanwhile.
    let Ok(mut bytes) = std::fs::read(file) else { return false };
    if bytes.len() < 16 || random.random() {
        return std::fs::remove_file(file).is_ok();
    }
    let at = random.random_range(0..bytes.len() - 8);
    bytes[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0xa5);
    std::fs::write(file, bytes).is_ok()
}
