//! A disk under the state that is full or read-only: the tasks wait, other things go on, nothing is lost.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use wasmill_test_support::RunningTotals;
use wasmill_test_support::Sidecar;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::watch::metric_of;
use wasmill_test_support::watch::wait_for;

/// A small file system in memory. Unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount anything, which is told.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs"], at);
        if !mounted {
            eprintln!("skipped: this user may not mount a file system");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    fn remount(&self, mode: &str) {
        assert!(run("mount", &["-o", &format!("remount,{mode}")], &self.0), "remounted as {mode}");
    }

    /// Takes all space that is left, in a file that can be removed.
    fn fill(&self) {
        let file = std::fs::File::options().create(true).append(true).open(self.ballast());
        let mut file = file.expect("a file");
        let mut bytes = 8 << 20;
        while bytes > 0 {
            // Ever smaller pieces, until not even a byte is left.
            if std::io::Write::write_all(&mut file, &vec![0; bytes]).is_err() {
                bytes /= 2;
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let output = Command::new(program).args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

fn start(totals: &RunningTotals) -> Sidecar {
    let plan = totals.pipeline.plan("host-1");
    plan.write_settings("state: { flush_interval_ms: 300 }\n").expect("settings written");
    let mut host = plan.start().expect("started");
    host.wait_until_alive().expect("alive");
    host
}

/// Until tasks have waited for their disk so often.
fn wait_for_outages(host: &mut Sidecar, count: f64, meanwhile: impl Fn()) {
    let has_waited = |host: &Sidecar| {
        let is_so = metric_of(host, "wasmill_outages_total", "code=\"state-disk\"")? >= count;
        if !is_so {
            meanwhile();
        }
        Ok(is_so)
    };
    wait_for(host, "waited for its disk", has_waited).expect("told");
}

/// A pipeline with its state on a small disk; none where there is no such disk to be had.
fn on_small_disk() -> Option<(RunningTotals, SmallDisk)> {
    let totals = RunningTotals::new(2).expect("a pipeline");
    let disk = SmallDisk::mount(&totals.pipeline.plan("host-1").data_dir().join("state"))?;
    Some((totals, disk))
}

#[test]
fn a_full_disk_makes_its_tasks_wait_until_there_is_space() {
    let Some((totals, disk)) = on_small_disk() else { return };
    let payments: Vec<Payment> = Payments::new(31, 300).take(6000).collect();
    totals.feed(&payments[..2000]).expect("fed");
    let mut host = start(&totals);
    totals.pipeline.wait_until_done(&mut host).expect("every payment");
    disk.fill();
    totals.feed(&payments[2000..4000]).expect("fed");
    // Also after it was opened anew: the outage goes on.
    // A database that is opened anew frees a little, which would be enough for a state as small as this.
    wait_for_outages(&mut host, 3.0, || disk.fill());
    totals.feed(&payments[4000..]).expect("fed");
    std::fs::remove_file(disk.ballast()).expect("removed");
    totals.pipeline.wait_until_done(&mut host).expect("every payment, by itself");
    totals.pipeline.drain(&mut host).expect("drained");
    totals.compare(&payments).expect("outputs and state of the model");
}

#[test]
fn a_read_only_disk_makes_its_tasks_wait_until_it_can_be_written() {
    let Some((totals, disk)) = on_small_disk() else { return };
    let payments: Vec<Payment> = Payments::new(32, 300).take(4000).collect();
    totals.feed(&payments[..2000]).expect("fed");
    let mut host = start(&totals);
    totals.pipeline.wait_until_done(&mut host).expect("every payment");
    // No file system becomes read-only while files of it are written: it comes up so after a restart.
    totals.pipeline.drain(&mut host).expect("drained");
    disk.remount("ro");
    totals.feed(&payments[2000..]).expect("fed");
    let mut host = start(&totals);
    wait_for_outages(&mut host, 3.0, || ());
    disk.remount("rw");
    totals.pipeline.wait_until_done(&mut host).expect("every payment, by itself");
    totals.pipeline.drain(&mut host).expect("drained");
    totals.compare(&payments).expect("outputs and state of the model");
}
