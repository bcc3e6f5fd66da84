//! Checkpoints through the whole host: what an empty disk is filled from, and what happens when that is
//! damaged or away.

use std::path::Path;
use std::path::PathBuf;

use wasmill_test_support::checkpointed::Checkpointed;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::watch::metric;
use wasmill_test_support::watch::wait_for;

#[test]
fn a_lost_disk_is_filled_from_the_checkpoint_and_the_totals_go_on() {
    let cloud = tempfile::tempdir().expect("a folder");
    let host = Checkpointed::in_folder(cloud.path()).expect("a pipeline");
    let payments: Vec<Payment> = Payments::new(21, 200).take(6000).collect();
    let (first, second) = payments.split_at(4000);
    host.life_with_checkpoints(first).expect("done and saved");
    host.lose_disk().expect("lost");
    let life = host.life(second).expect("done");
    assert!(life.began_with("Checkpoint"), "{:?}", life.restored);
    let read = life.records().expect("records");
    assert_eq!(read, 0, "the checkpoints were taken when everything was done: {:?}", life.restored);
    host.totals.compare(&payments).expect("outputs and state of the model");
}

#[test]
fn damaged_checkpoints_are_passed_over_down_to_the_changelog() {
    let cloud = tempfile::tempdir().expect("a folder");
    let host = Checkpointed::in_folder(cloud.path()).expect("a pipeline");
    let payments: Vec<Payment> = Payments::new(22, 100).take(3000).collect();
    let (first, second) = payments.split_at(2000);
    host.life_with_checkpoints(first).expect("done and saved");
    host.lose_disk().expect("lost");
    let mut damaged = 0;
    for file in files_below(cloud.path(), "files") {
        let mut bytes = std::fs::read(&file).expect("a file");
        let Some(byte) = bytes.last_mut() else { continue };
        *byte ^= 1;
        std::fs::write(&file, bytes).expect("written");
        damaged += 1;
    }
    assert!(damaged > 0, "there are files of checkpoints");
    let life = host.life(second).expect("done");
    assert!(life.began_with("Empty"), "{:?}", life.restored);
    assert!(life.log.contains("cannot be used") && life.log.contains("with digest"), "the log says why");
    host.totals.compare(&payments).expect("outputs and state of the model");
}

fn files_below(folder: &Path, parent: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_below(&path, parent));
        } else if folder.ends_with(parent) {
            found.push(path);
        }
    }
    found
}

#[test]
fn an_object_store_that_is_away_stops_neither_work_nor_restores() {
    let cloud = tempfile::tempdir().expect("a folder");
    let objects = cloud.path().join("objects");
    let host = Checkpointed::in_folder(&objects).expect("a pipeline");
    let payments: Vec<Payment> = Payments::new(24, 100).take(3000).collect();
    let (first, rest) = payments.split_at(1000);
    let (second, third) = rest.split_at(1000);
    host.life_with_checkpoints(first).expect("done and saved");
    let mut running = host.start().expect("started");
    // As when a network drive is gone and leaves its mount point behind, which takes no folder.
    std::fs::rename(&objects, cloud.path().join("away")).expect("moved");
    std::fs::write(&objects, b"").expect("written");
    host.totals.feed(second).expect("fed");
    host.totals.pipeline.wait_until_done(&mut running).expect("every payment");
    let failed = |host: &_| Ok(metric(host, "wasmill_checkpoint_failures_total")? > 0.0);
    wait_for(&mut running, "told of the failure", failed).expect("told");
    // It comes back, and so do checkpoints, by themselves.
    std::fs::remove_file(&objects).expect("removed");
    std::fs::rename(cloud.path().join("away"), &objects).expect("moved");
    let before = metric(&running, "wasmill_checkpoints_total").expect("a number");
    let written = |host: &_| Ok(metric(host, "wasmill_checkpoints_total")? > before);
    wait_for(&mut running, "wrote a checkpoint again", written).expect("written");
    host.totals.pipeline.drain(&mut running).expect("drained");
    // And away while a disk is filled: the changelog has everything.
    host.lose_disk().expect("lost");
    std::fs::remove_dir_all(objects.join("default")).expect("removed");
    std::fs::write(objects.join("default"), b"").expect("written");
    let life = host.life(third).expect("done");
    assert!(life.began_with("Empty"), "{:?}", life.restored);
    assert!(life.log.contains("the checkpoints cannot be used"), "the log says why");
    host.totals.compare(&payments).expect("outputs and state of the model");
}
