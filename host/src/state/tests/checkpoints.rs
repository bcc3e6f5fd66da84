//! Checkpoints: what they bring back, what of them is used, what they leave behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::throttle::ThrottleConfig;
use object_store::throttle::ThrottledStore;
use serde_json::Value as Json;
use serde_json::json;
use tempfile::TempDir;

use crate::model::manifest::Manifest;
use crate::model::state::TimeDomain;
use crate::model::status::CheckpointInfo;
use crate::model::status::RestoreSource;
use crate::pipeline::state_ports::TaskState;
use crate::state::testing::CHECKPOINT_MS;
use crate::state::testing::Rig;
use crate::state::testing::TestClock;
use crate::state::testing::manifest;
use crate::state::testing::state_key;
use crate::state::testing::temporary;

/// An object store that several hosts share, and their clock.
struct Cloud {
    folder: TempDir,
    objects: Arc<dyn ObjectStore>,
    clock: Arc<TestClock>,
}

impl Cloud {
    fn new() -> Self {
        Self::of(|folder| Arc::new(folder))
    }

    /// One that never comes to the end of a write.
    fn slow() -> Self {
        let wait_put_per_call = Duration::from_secs(3600);
        let config = ThrottleConfig { wait_put_per_call, ..ThrottleConfig::default() };
        Self::of(|folder| Arc::new(ThrottledStore::new(folder, config)))
    }

    fn of(objects: impl FnOnce(LocalFileSystem) -> Arc<dyn ObjectStore>) -> Self {
        let folder = temporary();
        let objects = objects(LocalFileSystem::new_with_prefix(folder.path()).expect("a folder"));
        Self { folder, objects, clock: Arc::new(TestClock::new()) }
    }

    /// Another host, without anything on its disk.
    fn host(&self) -> Rig {
        Rig::closed(two_stores(), 32 << 20, Arc::clone(&self.clock), Some(Arc::clone(&self.objects)))
    }

    /// The folder of the task's checkpoints.
    fn task(&self) -> PathBuf {
        self.folder.path().join("some/prefix/default/p/1/3")
    }

    /// Names of the checkpoints, oldest first.
    fn checkpoints(&self) -> Vec<String> {
        let names = files(&self.task().join("checkpoints"));
        names.into_iter().filter(|name| name.ends_with(".json")).collect()
    }

    fn document(&self, checkpoint: &str) -> Json {
        let text = std::fs::read(self.task().join("checkpoints").join(checkpoint)).expect("a document");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Digests of the files that a checkpoint has.
    fn digests(&self, checkpoint: &str) -> BTreeSet<String> {
        let document = self.document(checkpoint);
        let files = document["files"].as_array().expect("files");
        files.iter().map(|file| file["sha256"].as_str().expect("a digest").to_owned()).collect()
    }

    /// The file of a checkpoint whose name contains this, in the object store.
    fn file(&self, checkpoint: &str, name: &str) -> PathBuf {
        let document = self.document(checkpoint);
        let files = document["files"].as_array().expect("files");
        let file = files.iter().find(|file| file["name"].as_str().is_some_and(|found| found.contains(name)));
        let digest = file.expect("such a file")["sha256"].as_str().expect("a digest");
        self.task().join("files").join(digest)
    }
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(listed) = std::fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("a name")
    };
    let mut names: Vec<String> = listed.map(name).collect();
    names.sort();
    names
}

fn two_stores() -> Manifest {
    manifest(json!([{ "name": "plain", "value": { "v": 1 } }, { "name": "other", "value": { "v": 1 } }]))
}

fn key(number: u32) -> Vec<u8> {
    state_key(&number.to_be_bytes(), b"")
}

impl Rig {
    /// Commits a value for each of the keys.
    fn write(&mut self, keys: std::ops::Range<u32>, value: &[u8]) {
        self.begin(None);
        for number in keys {
            self.put(0, &key(number), value);
        }
        self.state().keep();
        self.commit();
    }

    fn last_checkpoint(&mut self) -> CheckpointInfo {
        self.checkpoints().last.expect("one was written")
    }

    fn failure(&mut self) -> String {
        self.checkpoints().failure.expect("the last attempt failed").to_string()
    }

    fn lose_disk(&mut self) {
        self.close();
        std::fs::remove_dir_all(self.folder.path()).expect("removed");
    }

    fn passed_over(&self) -> Vec<String> {
        self.meter.progress().passed_over
    }
}

#[test]
fn an_empty_disk_is_filled_from_the_checkpoint_and_only_the_tail_of_the_changelog_is_read() {
    let cloud = Cloud::new();
    let mut rig = cloud.host();
    assert_eq!(rig.open(), (RestoreSource::Empty, 0));
    rig.write(0..1000, b"old");
    rig.begin(None);
    rig.register(TimeDomain::Processing, b"k", b"t", 77);
    rig.state().keep();
    rig.commit();
    assert!(rig.checkpoint());
    rig.write(10..17, b"new");
    rig.begin(None);
    rig.delete(0, &key(5));
    rig.state().keep();
    rig.commit();
    rig.lose_disk();
    assert_eq!(rig.open(), (RestoreSource::Checkpoint, 8), "seven values and one deletion");
    let progress = rig.meter.progress();
    assert_eq!(progress.checkpoint.as_deref(), Some("0000000001-0000000001"));
    assert!(progress.checkpoint_bytes > 1000 && progress.checkpoint_bytes_left == 0, "{progress:?}");
    assert_eq!(progress.passed_over, [""; 0]);
    assert_eq!(rig.state().figures().restored.source, Some(RestoreSource::Checkpoint));
    rig.begin(None);
    assert_eq!(rig.get(0, &key(5)), None);
    assert_eq!(rig.get(0, &key(9)).as_deref(), Some(&b"old"[..]));
    assert_eq!(rig.get(0, &key(16)).as_deref(), Some(&b"new"[..]));
    assert_eq!(rig.take_due(TimeDomain::Processing, 77), [(77, b"k".to_vec(), b"t".to_vec())]);
    rig.state().undo();
    // From here on the own disk is good, and the next checkpoint opens a generation of its own.
    rig.close();
    assert_eq!(rig.open(), (RestoreSource::Folder, 0));
    assert!(rig.checkpoint());
    assert_eq!(cloud.checkpoints(), ["0000000001-0000000001.json", "0000000002-0000000001.json"]);
}

#[test]
fn only_what_is_new_is_sent_and_the_document_says_how_far_it_has_come() {
    let cloud = Cloud::new();
    let mut rig = cloud.host();
    rig.open();
    // Nothing that could be compressed.
    let large: Vec<u8> = (0..200_000).map(|_| rand::random()).collect();
    rig.write(0..1, &large);
    assert!(rig.checkpoint());
    let first = rig.last_checkpoint();
    assert_eq!(first.bytes, first.bytes_sent);
    assert!(first.bytes > 200_000, "{first:?}");
    rig.write(1..2, b"small");
    assert!(rig.checkpoint());
    let second = rig.last_checkpoint();
    assert!(second.bytes > 200_000 && second.bytes_sent < 100_000, "{second:?}");
    // A host that takes over sends nothing again either.
    rig.close();
    rig.open();
    assert!(rig.checkpoint());
    let third = rig.last_checkpoint();
    assert!(third.bytes > 200_000 && third.bytes_sent < 100_000, "{third:?}");
    let document = cloud.document("0000000002-0000000001.json");
    assert_eq!(document["changelogs"]["plain"]["next"], rig.logs[0].len());
    assert_eq!(document["changelogs"]["plain"]["topic_id"], "1");
    assert_eq!(document["schemas"]["plain"]["0"], r#"{"v":1}"#);
    assert_eq!((&document["group"], &document["partition"]), (&json!("wasmill.default.p"), &json!(3)));
    assert!(!rig.folder.path().join("default/p/3/checkpoints").exists(), "snapshots take space no longer");
}

#[test]
fn what_is_damaged_or_missing_is_passed_over_for_an_older_one_and_at_last_for_the_changelog() {
    let cloud = Cloud::new();
    let mut rig = cloud.host();
    rig.open();
    for round in 0..3 {
        rig.write(round * 100..(round + 1) * 100, b"value");
        assert!(rig.checkpoint());
    }
    let [oldest, middle, newest] = <[String; 3]>::try_from(cloud.checkpoints()).expect("three");
    let documents = cloud.task().join("checkpoints");
    let flip = |path: PathBuf| {
        let mut bytes = std::fs::read(&path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("written");
    };
    // Each is done on top of the one before: what is used, how many records are read, what is said.
    type Case<'a> = (&'a dyn Fn(), RestoreSource, usize, &'a str);
    let cases: [Case<'_>; 4] = [
        (&|| {}, RestoreSource::Checkpoint, 0, ""),
        (&|| flip(cloud.file(&newest, "MANIFEST")), RestoreSource::Checkpoint, 100, "with digest"),
        (
            &|| std::fs::remove_file(cloud.file(&middle, "MANIFEST")).expect("removed"),
            RestoreSource::Checkpoint,
            200,
            "is missing in the object store",
        ),
        (
            &|| {
                let file = documents.join(&oldest);
                let text = std::fs::read(&file).expect("a document");
                std::fs::write(&file, &text[..text.len() / 2]).expect("written");
            },
            RestoreSource::Empty,
            // And the schema.
            301,
            "it is no document",
        ),
    ];
    for (number, (damage, source, read, said)) in cases.into_iter().enumerate() {
        damage();
        rig.lose_disk();
        assert_eq!(rig.open(), (source, read), "case {number}");
        let passed_over = rig.passed_over();
        assert_eq!(passed_over.len(), number, "{passed_over:?}");
        assert!(passed_over.last().is_none_or(|why| why.contains(said)), "`{said}` in {passed_over:?}");
        rig.begin(None);
        for number in [0, 150, 299] {
            assert_eq!(rig.get(0, &key(number)).as_deref(), Some(&b"value"[..]), "key {number}");
        }
        rig.state().undo();
    }
}

#[test]
fn a_checkpoint_of_damaged_data_is_used_once_and_not_again() {
    let cloud = Cloud::new();
    let mut rig = cloud.host();
    rig.open();
    rig.write(0..100, b"value");
    assert!(rig.checkpoint());
    rig.lose_disk();
    rig.open();
    // As if its blocks had been damaged before they were sent: only reading them tells.
    let name = crate::state::checkpoint::CheckpointName { generation: 1, sequence: 1 };
    rig.host.suspect(&rig.spec(), name);
    rig.lose_disk();
    assert_eq!(rig.open().0, RestoreSource::Empty);
    assert!(rig.passed_over()[0].contains("0000000001-0000000001"), "{:?}", rig.passed_over());
}

#[test]
fn checkpoints_that_the_changelog_cannot_bring_up_to_date_are_not_used() {
    let cloud = Cloud::new();
    let mut rig = cloud.host();
    rig.open();
    rig.write(0..10, b"value");
    assert!(rig.checkpoint());
    rig.lose_disk();
    rig.clock.pass(rig.delete_retention.as_millis() as u64);
    assert_eq!(rig.open(), (RestoreSource::Empty, 11));
    assert!(rig.passed_over()[0].contains("which keep that for 86400 s"), "{:?}", rig.passed_over());
    assert!(rig.checkpoint());
    rig.lose_disk();
    // A changelog that lost its end: by hand, or with a broker whose disk was set back.
    let cut = rig.logs[0].pop();
    assert_eq!(rig.open().0, RestoreSource::Empty);
    assert!(rig.passed_over()[0].contains("is not within the log"), "{:?}", rig.passed_over());
    rig.logs[0].extend(cut);
    rig.lose_disk();
    // The pipeline was deleted and made anew.
    rig.topic_id = "2".to_owned();
    assert_eq!(rig.open().0, RestoreSource::Empty);
    assert_eq!(rig.passed_over(), [""; 0], "those of the other have a place of their own");
}

#[test]
fn surplus_checkpoints_and_files_are_deleted_and_those_that_are_kept_stay_whole() {
    let cloud = Cloud::new();
    let mut rig = cloud.host();
    rig.open();
    let junk = cloud.task().join("files").join("ab".repeat(32));
    for round in 0..8 {
        rig.write(0..50, format!("value {round}").as_bytes());
        assert!(rig.checkpoint());
        if round == 4 {
            std::fs::write(&junk, b"left behind by an upload that was given up").expect("written");
        }
        let kept = cloud.checkpoints();
        assert_eq!(kept.len(), 3.min(round + 1), "{kept:?}");
        let there: BTreeSet<String> = files(&cloud.task().join("files")).into_iter().collect();
        for checkpoint in &kept {
            assert!(cloud.digests(checkpoint).is_subset(&there), "{checkpoint} of round {round} lacks files");
        }
        // A file stays for one more checkpoint after the last that has it.
        let had: usize = kept.iter().map(|checkpoint| cloud.digests(checkpoint).len()).sum();
        assert!(there.len() <= had + 12, "{} files, of which {had} are had", there.len());
    }
    assert!(!junk.exists());
    assert_eq!(cloud.checkpoints().last().map(String::as_str), Some("0000000001-0000000008.json"));
    rig.lose_disk();
    assert_eq!(rig.open(), (RestoreSource::Checkpoint, 0));
}

#[test]
fn of_two_hosts_the_earlier_stops_and_deletes_nothing_that_the_later_counts_on() {
    let cloud = Cloud::new();
    let mut zombie = cloud.host();
    zombie.open();
    zombie.write(0..100, b"value");
    assert!(zombie.checkpoint());
    // Another host takes over, while the first one does not know it yet.
    let mut owner = cloud.host();
    owner.logs.clone_from(&zombie.logs);
    assert_eq!(owner.open(), (RestoreSource::Checkpoint, 0));
    owner.write(100..101, b"value");
    assert!(owner.checkpoint());
    zombie.write(200..201, b"never");
    assert!(!zombie.checkpoint());
    let failure = zombie.failure();
    assert!(failure.contains("generation 2") && failure.contains("this is 1"), "{failure}");
    assert_eq!(cloud.checkpoints(), ["0000000001-0000000001.json", "0000000002-0000000001.json"]);
    // Should it be the owner after all, it goes on in a later generation.
    assert!(zombie.checkpoint());
    assert!(!owner.checkpoint());
    assert!(owner.checkpoint());
    let kept = cloud.checkpoints();
    assert_eq!(kept.last().map(String::as_str), Some("0000000004-0000000001.json"), "{kept:?}");
    let there: BTreeSet<String> = files(&cloud.task().join("files")).into_iter().collect();
    assert!(kept.iter().all(|checkpoint| cloud.digests(checkpoint).is_subset(&there)));
}

#[test]
fn an_object_store_that_is_away_costs_nothing_but_the_checkpoint() {
    let cloud = Cloud::new();
    let mut rig = cloud.host();
    rig.open();
    rig.write(0..10, b"value");
    let (root, away) = (cloud.folder.path().join("some"), cloud.folder.path().join("away"));
    std::fs::write(&root, b"a file where the folder should be").expect("written");
    assert!(!rig.checkpoint());
    assert!(rig.failure().contains("the object store failed"), "{}", rig.failure());
    rig.write(10..20, b"value");
    std::fs::rename(&root, &away).expect("moved");
    assert!(rig.checkpoint(), "it is tried again");
    std::fs::rename(&root, cloud.folder.path().join("there")).expect("moved");
    std::fs::rename(&away, &root).expect("moved");
    rig.lose_disk();
    assert_eq!(rig.open(), (RestoreSource::Empty, 21));
    assert!(rig.passed_over()[0].starts_with("the checkpoints: the object store failed"));
}

#[test]
fn a_slow_object_store_holds_up_neither_the_task_nor_its_end() {
    let cloud = Cloud::slow();
    let mut rig = cloud.host();
    rig.open();
    rig.write(0..10, b"value");
    rig.clock.pass(CHECKPOINT_MS);
    for round in 0..200 {
        let began = Instant::now();
        rig.state().tick().expect("nothing fails");
        assert!(began.elapsed() < Duration::from_secs(1), "a tick waited");
        rig.write(round..round + 1, b"more");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(rig.state().is_uploading(), "the upload waits for the object store");
    let began = Instant::now();
    rig.close();
    assert!(began.elapsed() < Duration::from_secs(20), "closing waited for the object store");
    assert_eq!(rig.open(), (RestoreSource::Folder, 0));
}
