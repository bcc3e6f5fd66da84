//! The topics that state is rebuilt from: made, checked, missed and deleted.

use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DONE_MAX;
use wasmill_test_support::RunningTotals;
use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::guest;
use wasmill_test_support::http;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;

fn payments(seed: u64, count: usize) -> Vec<Payment> {
    Payments::new(seed, 50).take(count).collect()
}

/// Starts a host that is expected to end by itself, and returns the end of its log.
fn refused(pipeline: &TestPipeline) -> String {
    let mut host = pipeline.start("host-1").expect("started");
    let status = host.wait(DONE_MAX).expect("it ends by itself");
    assert!(!status.success(), "{status}:\n{}", host.log_tail());
    host.log_tail()
}

fn assert_says(log: &str, parts: &[&str]) {
    for part in parts {
        assert!(log.contains(part), "no `{part}` in:\n{log}");
    }
}

#[test]
fn changelogs_are_made_compacted_with_the_partitions_of_the_input() {
    let totals = RunningTotals::new(3).expect("a pipeline");
    totals.feed(&payments(1, 100)).expect("fed");
    totals.pipeline.run().expect("every payment");
    for store in ["totals", "meta"] {
        let changelog = totals.changelog(store);
        assert_eq!(totals.pipeline.kafka.partitions(&changelog).expect("asked"), 3, "{changelog}");
        let config = totals.pipeline.kafka.topic_config(&changelog).expect("its settings");
        let of = |key: &str| config.get(key).map(String::as_str);
        assert_eq!(of("cleanup.policy"), Some("compact"));
        assert_eq!(of("delete.retention.ms"), Some("86400000"));
        assert_eq!(of("max.message.bytes"), Some("1048588"));
    }
    assert_eq!(totals.pipeline.kafka.partitions(&totals.changelog("timers")).expect("asked"), 0);
    totals.compare(&payments(1, 100)).expect("outputs and state of the model");
}

#[test]
fn a_changelog_of_another_shape_is_refused_with_what_mends_it() {
    let totals = RunningTotals::new(3).expect("a pipeline");
    let changelog = totals.changelog("totals");
    let kafka = &totals.pipeline.kafka;
    kafka.create_topic(&totals.changelog("meta"), 3, &[("cleanup.policy", "compact")]).expect("made");
    kafka.create_topic(&changelog, 2, &[("cleanup.policy", "delete")]).expect("made");
    let log = refused(&totals.pipeline);
    assert_says(&log, &["changelog-partitions", "--alter --topic", "--partitions 3", &changelog]);
    kafka.grow_topic(&changelog, 3).expect("grown");
    let log = refused(&totals.pipeline);
    assert_says(&log, &["changelog-cleanup-policy", "cleanup.policy=delete"]);
    assert_says(&log, &["kafka-configs.sh --bootstrap-server", "--add-config cleanup.policy=compact"]);
    kafka.configure_topic(&changelog, &[("cleanup.policy", "compact")]).expect("mended");
    totals.feed(&payments(2, 100)).expect("fed");
    totals.pipeline.run().expect("every payment");
    totals.compare(&payments(2, 100)).expect("outputs and state of the model");
}

#[test]
fn a_version_without_the_store_is_refused_as_long_as_its_changelog_is_there() {
    let totals = RunningTotals::new(1).expect("a pipeline");
    totals.feed(&payments(3, 50)).expect("fed");
    totals.pipeline.run().expect("every payment");
    // A filter under the same name.
    let filter = guest("payments-filter").expect("a guest");
    let file = |line: &str| {
        if line.starts_with("transform:") {
            return format!("transform: {{ file: {filter:?} }}");
        }
        line.replace("running_totals:", "large_payments:")
    };
    let without: Vec<String> = totals.pipeline.file().lines().map(file).collect();
    let mut plan = totals.pipeline.plan("host-1");
    plan.pipeline = without.join("\n") + "\n";
    let mut host = plan.start().expect("started");
    assert!(!host.wait(DONE_MAX).expect("it ends by itself").success());
    let log = host.log_tail();
    assert_says(&log, &["state-store-removed", "`totals`", "--delete --topic"]);
}

#[test]
fn a_changelog_deleted_under_a_running_task_stops_it_and_is_not_taken_for_an_empty_one() {
    let totals = RunningTotals::new(2).expect("a pipeline");
    let (before, after) = (payments(4, 400), payments(5, 200));
    totals.feed(&before).expect("fed");
    let mut host = totals.pipeline.start("host-1").expect("started");
    totals.pipeline.wait_until_done(&mut host).expect("every payment so far");
    let outputs = totals.outputs().expect("outputs");
    totals.pipeline.kafka.delete_topic(&totals.changelog("totals")).expect("deleted");
    totals.feed(&after).expect("fed");
    let status = host.wait(DONE_MAX).expect("it stops by itself");
    assert_eq!(status.code(), Some(1), "{}", host.log_tail());
    assert_says(&host.log_tail(), &["changelog-missing", &totals.changelog("totals")]);
    // Nothing was done without its state: outputs and positions are those of the last commit.
    assert_eq!(totals.outputs().expect("outputs"), outputs);
    assert!(!totals.pipeline.is_done().expect("asked"));
    // Another start makes no empty one, and takes none that someone else made.
    assert_says(&refused(&totals.pipeline), &["changelog-missing", "state.totals"]);
    let compacted = [("cleanup.policy", "compact")];
    totals.pipeline.kafka.create_topic(&totals.changelog("totals"), 2, &compacted).expect("made anew");
    assert_says(&refused(&totals.pipeline), &["changelog-replaced", "state.totals"]);
    assert_eq!(totals.outputs().expect("outputs"), outputs);
}

#[test]
fn when_all_changelogs_are_gone_the_state_on_the_disk_tells() {
    let totals = RunningTotals::new(1).expect("a pipeline");
    totals.feed(&payments(6, 50)).expect("fed");
    totals.pipeline.run().expect("every payment");
    for store in ["totals", "meta"] {
        totals.pipeline.kafka.delete_topic(&totals.changelog(store)).expect("deleted");
    }
    let until = Instant::now() + DONE_MAX;
    while totals.pipeline.kafka.partitions(&totals.changelog("meta")).expect("asked") > 0 {
        assert!(Instant::now() < until, "the topic is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_says(&refused(&totals.pipeline), &["changelog-missing", "but no changelog"]);
}

struct Served {
    host: Sidecar,
    url: String,
}

/// A host with its API that runs the pipeline.
fn served(totals: &RunningTotals) -> Served {
    let mut host = totals.pipeline.plan("host-1").serve().expect("started");
    let until = Instant::now() + DONE_MAX;
    while !http::request("GET", &format!("{}/healthz", host.url()), None).is_ok_and(|a| a.status == 200) {
        assert!(!host.has_ended() && Instant::now() < until, "{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
    let url = format!("{}/v1/tenants/default/pipelines/{}", host.url(), totals.pipeline.name);
    Served { host, url }
}

fn put(totals: &RunningTotals, served: &Served, query: &str) -> http::Answer {
    let component = std::fs::read(guest("running-totals").expect("a guest")).expect("read");
    let upload = format!("{}/v1/tenants/default/transforms/totals/versions", served.host.url());
    let answer = http::request("POST", &upload, Some(("application/wasm", component))).expect("answered");
    assert!(answer.status < 300, "{}", answer.text);
    let named = |line: &str| {
        if line.starts_with("transform:") {
            "transform: { name: totals }".to_owned()
        } else {
            line.to_owned()
        }
    };
    let file: Vec<String> = totals.pipeline.file().lines().map(named).collect();
    let body = Some(("application/yaml", file.join("\n").into_bytes()));
    http::request("PUT", &format!("{}{query}", served.url), body).expect("answered")
}

fn delete(served: &Served, query: &str) {
    let answer = http::request("DELETE", &format!("{}{query}", served.url), None).expect("answered");
    assert!(answer.status < 300, "{}", answer.text);
    let until = Instant::now() + DONE_MAX;
    while http::request("GET", &served.url, None).expect("answered").status != 404 {
        assert!(Instant::now() < until, "it is still there:\n{}", served.host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_deletion_takes_the_state_along_unless_it_is_to_be_kept() {
    let totals = RunningTotals::new(2).expect("a pipeline");
    let all = payments(7, 600);
    let mut served = served(&totals);
    let dry = put(&totals, &served, "?dry_run=true");
    assert_eq!(dry.status, 200, "{}", dry.text);
    for store in ["totals", "meta"] {
        assert!(
            dry.text.contains(&format!("{} does not exist", format_args!("`{}`", totals.changelog(store))))
        );
        assert_eq!(totals.pipeline.kafka.partitions(&totals.changelog(store)).expect("asked"), 0);
    }
    assert_eq!(put(&totals, &served, "").status, 201);
    totals.feed(&all[..300]).expect("fed");
    totals.pipeline.wait_until_done(&mut served.host).expect("the first part");
    // Kept: a pipeline under the same name goes on.
    delete(&served, "?keep_state=true");
    assert_eq!(put(&totals, &served, "").status, 201);
    totals.feed(&all[300..]).expect("fed");
    totals.pipeline.wait_until_done(&mut served.host).expect("the rest");
    totals.compare(&all).expect("outputs and state of the model");
    // Deleted: topics, group and folder.
    delete(&served, "");
    let folder = totals.pipeline.plan("host-1").data_dir().join("state/default").join(&totals.pipeline.name);
    assert!(!folder.exists(), "the state on the disk is gone");
    let until = Instant::now() + DONE_MAX;
    for store in ["totals", "meta"] {
        while totals.pipeline.kafka.partitions(&totals.changelog(store)).expect("asked") > 0 {
            assert!(Instant::now() < until, "the changelog of `{store}` is still there");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let input = totals.pipeline.in_topic("payments");
    assert_eq!(totals.pipeline.kafka.committed(&totals.pipeline.group(), &input, 0).expect("asked"), None);
}

#[test]
fn a_pipeline_with_state_is_moved_forward_only() {
    let timeouts = "kafka: { session.timeout.ms: \"6000\", transaction.timeout.ms: \"4000\" }";
    let totals = RunningTotals::new(1).expect("a pipeline").with(timeouts);
    let mut served = served(&totals);
    assert_eq!(put(&totals, &served, "").status, 201);
    totals.feed(&payments(8, 50)).expect("fed");
    totals.pipeline.wait_until_done(&mut served.host).expect("every payment");
    let post = |path: &str, body: Option<&str>| {
        let body = body.map(|body| ("application/json", body.as_bytes().to_vec()));
        http::request("POST", &format!("{}{path}", served.url), body).expect("answered")
    };
    post("/pause", None);
    // Its workers are members of the group for a session timeout longer.
    let until = Instant::now() + DONE_MAX;
    let back = loop {
        let answer = post("/seek", Some(r#"{"to":"earliest"}"#));
        if answer.status != 409 || Instant::now() > until {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(back.status, 422, "{}", back.text);
    assert_says(&back.text, &["seek-behind-state", "before the committed offset 50"]);
    let input = totals.pipeline.in_topic("payments");
    let committed = totals.pipeline.kafka.committed(&totals.pipeline.group(), &input, 0);
    assert!(committed.expect("asked") >= Some(50), "nothing was moved");
    let forward = post("/seek", Some(r#"{"to":"latest"}"#));
    assert_eq!(forward.status, 200, "{}", forward.text);
}
