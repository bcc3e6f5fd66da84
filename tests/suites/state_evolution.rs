//! A new version of a transform goes on with the state of the one before, or is refused.

use wasmill_test_support::DONE_MAX;
use wasmill_test_support::RunningTotals;
use wasmill_test_support::Sidecar;
use wasmill_test_support::guest;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;

/// Starts a host with this guest in the place of the pipeline's own.
fn start(totals: &RunningTotals, guest_name: &str) -> Sidecar {
    let component = guest(guest_name).expect("a guest");
    let mut plan = totals.pipeline.plan("host-1");
    let lines = plan.pipeline.lines().map(|line| {
        if line.starts_with("transform:") {
            return format!("transform: {{ file: {component:?} }}\n");
        }
        format!("{line}\n")
    });
    plan.pipeline = lines.collect();
    plan.start().expect("started")
}

fn run(totals: &RunningTotals, guest_name: &str, payments: &[Payment]) {
    totals.feed(payments).expect("fed");
    let mut host = start(totals, guest_name);
    totals.pipeline.wait_until_done(&mut host).expect("every payment");
    totals.pipeline.drain(&mut host).expect("drained");
}

#[test]
fn a_new_version_reads_the_state_of_the_old_and_the_old_is_refused_that_of_the_new() {
    let totals = RunningTotals::new(2).expect("a pipeline");
    let payments: Vec<Payment> = Payments::new(17, 60).take(4000).collect();
    let (first, rest) = payments.split_at(1000);
    let (second, third) = rest.split_at(1500);
    run(&totals, "running-totals", first);
    run(&totals, "running-totals-2", second);
    let outputs = totals.outputs().expect("outputs");
    assert_eq!(outputs, RunningTotals::expected(&payments[..2500]), "no total begins anew");

    // What the new version wrote has no `total`, and the old one no default for it.
    totals.feed(third).expect("fed");
    let mut host = start(&totals, "running-totals");
    let status = host.wait(DONE_MAX).expect("it ends by itself");
    assert!(!status.success(), "{status}:\n{}", host.log_tail());
    for part in ["state-schema-unresolvable", "state.totals.value", "`total`"] {
        assert!(host.log_tail().contains(part), "no `{part}` in:\n{}", host.log_tail());
    }
    assert_eq!(totals.outputs().expect("outputs"), outputs, "nothing was done");

    // From the changelog alone, in which values of both versions stand.
    std::fs::remove_dir_all(totals.pipeline.plan("host-1").data_dir()).expect("there is state on the disk");
    run(&totals, "running-totals-2", &[]);
    assert_eq!(totals.outputs().expect("outputs"), RunningTotals::expected(&payments));
}
