//! Positions that are moved by hand: over a gap of records that were deleted unread, and back.

use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DONE_MAX;
use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::http;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::payments_filter;
use wasmill_test_support::payments_filter::FAST_TIMEOUTS;
use wasmill_test_support::wasmill;

struct Run {
    pipeline: TestPipeline,
    host: Sidecar,
    schema: u32,
}

impl Run {
    /// A pipeline of two partitions, applied to a host.
    fn new() -> Self {
        let (pipeline, schema) = payments_filter::pipeline(2).expect("a pipeline");
        let pipeline = pipeline.with(FAST_TIMEOUTS);
        let host = pipeline.plan("host-1").served().expect("started");
        let run = Self { pipeline, host, schema };
        let file = run.pipeline.plan("host-1").dir.join("applied.yaml");
        std::fs::write(&file, run.pipeline.file()).expect("written");
        let (status, text) = run.wasmill(&["apply", "-f", &file.to_string_lossy()]);
        assert_eq!(status, Some(0), "{text}");
        run
    }

    fn wasmill(&self, arguments: &[&str]) -> (Option<i32>, String) {
        wasmill(&[arguments, &["--url", &self.host.url()]].concat())
    }

    fn feed(&self, partition: i32, payments: &[Payment]) {
        payments_filter::feed_to(&self.pipeline, self.schema, payments, partition).expect("written");
    }

    fn call(&self, method: &str, path: &str, body: Option<&str>) -> http::Answer {
        let url = format!("{}/v1/tenants/default/pipelines/{}{path}", self.host.url(), self.pipeline.name);
        let body = body.map(|body| ("application/json", body.as_bytes().to_vec()));
        http::request(method, &url, body).expect("answered")
    }

    fn until(&self, state: &str) -> http::Answer {
        let until = Instant::now() + DONE_MAX;
        loop {
            let status = self.call("GET", "/status", None);
            if status.json["state"] == state {
                return status;
            }
            assert!(Instant::now() < until, "expected {state}: {}\n{}", status.text, self.host.log_tail());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The state that the metrics show.
    fn metrics_state(&self) -> String {
        let metrics = http::request("GET", &format!("{}/metrics", self.host.url()), None).expect("answered");
        let of = format!("wasmill_pipeline_state{{pipeline=\"{}\"", self.pipeline.name);
        let line = metrics.text.lines().find(|line| line.starts_with(&of) && line.ends_with(" 1"));
        let state =
            line.and_then(|line| line.split("state=\"").nth(1)).and_then(|rest| rest.split('"').next());
        state.unwrap_or_else(|| panic!("no state in\n{}", metrics.text)).to_owned()
    }

    fn done(&mut self) {
        self.pipeline.wait_until_done(&mut self.host).expect("every record dealt with");
    }

    fn assert_outputs(&self, payments: &[Payment]) {
        payments_filter::check_outputs(&self.pipeline, payments).expect("each output once");
    }
}

#[test]
fn a_gap_is_accepted_by_a_seek_and_what_is_left_is_processed_once() {
    let mut run = Run::new();
    let payments: Vec<Payment> = Payments::new(31, 20).take(400).collect();
    let (read, unread) = payments.split_at(200);
    run.feed(0, &read[..100]);
    run.feed(1, &read[100..]);
    run.done();
    assert_eq!(run.metrics_state(), "running");

    run.call("POST", "/pause", None);
    run.until("paused");
    assert_eq!(run.metrics_state(), "paused");
    run.feed(0, &unread[..100]);
    run.feed(1, &unread[100..]);
    let input = run.pipeline.in_topic("payments");
    let (_, end) = run.pipeline.kafka.offsets(&input, 0).expect("asked");
    run.pipeline.kafka.delete_records_before(&input, 0, end - 50).expect("deleted");
    run.call("POST", "/resume", None);
    let status = run.until("stopped");
    assert_eq!(status.json["stop"]["code"], "offset-out-of-range", "{}", status.text);
    let remedy = status.json["stop"]["remedy"].as_str().expect("a remedy").to_owned();
    let command = format!("wasmill seek {} --to earliest --gone --resume", run.pipeline.name);
    assert!(remedy.contains(&command), "{remedy}");
    assert_eq!(run.metrics_state(), "stopped");

    // The workers of the pipeline keep their places for a while after their end.
    let early = run.call("POST", "/seek", Some(r#"{"to":"earliest","partitions":"gone"}"#));
    assert_eq!((early.status, early.code()), (409, "group-in-use"), "{}", early.text);
    assert!(early.text.contains("host-1.0") && early.text.contains("at most 6 s"), "{}", early.text);
    let committed = |run: &Run, partition| {
        run.pipeline.kafka.committed(&run.pipeline.group(), &input, partition).expect("asked")
    };
    let before = [committed(&run, 0), committed(&run, 1)];

    let seek = ["seek", &run.pipeline.name, "--to", "earliest", "--gone"];
    let (code, text) = run.wasmill(&[&seek[..], &["--dry-run"]].concat());
    assert_eq!(code, Some(0), "{text}");
    let from = before[0].expect("committed");
    let moved = format!("{input}-0  from {from}, which is gone, to {}", end - 50);
    assert!(text.contains(&moved) && !text.contains(&format!("{input}-1")), "{text}");
    assert_eq!([committed(&run, 0), committed(&run, 1)], before, "a dry run changes nothing");

    let (code, text) = run.wasmill(&[&seek[..], &["--resume"]].concat());
    assert_eq!(code, Some(0), "{text}");
    run.until("running");
    run.done();
    let left: Vec<Payment> = [read, &unread[50..]].concat();
    run.assert_outputs(&left);
}

#[test]
fn a_pipeline_is_moved_only_while_it_rests_and_only_to_where_it_can_go_on() {
    let mut run = Run::new();
    let payments: Vec<Payment> = Payments::new(32, 20).take(100).collect();
    run.feed(0, &payments);
    run.done();
    let earliest = Some(r#"{"to":"earliest"}"#);
    let running = run.call("POST", "/seek", earliest);
    assert_eq!((running.status, running.code()), (409, "pipeline-not-at-rest"), "{}", running.text);
    run.call("POST", "/pause", None);
    run.until("paused");
    let input = run.pipeline.in_topic("payments");

    // Back to the middle of one partition; the other stays where it is.
    let offset = format!("{input}:0=50");
    let (code, text) = run.wasmill(&["seek", &run.pipeline.name, "--offset", &offset, "--resume"]);
    assert_eq!(code, Some(0), "{text}");
    run.until("running");
    run.done();
    let twice: Vec<Payment> = [&payments[..], &payments[50..]].concat();
    run.assert_outputs(&twice);

    run.call("POST", "/pause", None);
    run.until("paused");
    let offset = format!("{input}:0=5000");
    let (code, text) = run.wasmill(&["seek", &run.pipeline.name, "--offset", &offset]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("offset-out-of-bounds") && text.contains("found: 5000"), "{text}");
    let (code, text) = run.wasmill(&["seek", &run.pipeline.name, "--offset", "none:0=5"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains(&format!("expected: one of `{input}`")), "{text}");
    let bad = run.call("POST", "/seek", Some(r#"{"too":"earliest"}"#));
    assert_eq!((bad.status, bad.code()), (400, "refused"), "{}", bad.text);

    // To the end: what is there is left out.
    let late: Vec<Payment> = Payments::new(33, 20).take(100).collect();
    run.feed(1, &late[..50]);
    let (code, text) = run.wasmill(&["seek", &run.pipeline.name, "--to", "latest", "--resume"]);
    assert_eq!(code, Some(0), "{text}");
    run.until("running");
    run.feed(1, &late[50..]);
    run.done();
    run.assert_outputs(&[&twice[..], &late[50..]].concat());
}
