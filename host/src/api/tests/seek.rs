use super::*;
use crate::control::seek::GroupInUse;
use crate::control::seek::SeekFailure;
use crate::model::failure::Outage;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::seek::SeekMove;

impl Host {
    async fn seek(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(request("POST", &format!("{PIPELINES}/{path}"), &all, body)).await
    }

    async fn paused(&self, name: &str) {
        self.running(name).await;
        self.call("POST", &format!("{PIPELINES}/{name}/pause")).await;
        self.until(name, "paused").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_rests_is_moved_and_the_moves_are_told() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.paused("p").await;
    let partition = TopicPartition { topic: "payments".into(), partition: Partition(3) };
    let (from, bounds) = (Some(Offset(100)), Offset(150)..Offset(200));
    host.runner.tell().moves = vec![SeekMove { partition, from, to: Offset(150), bounds }];
    let moves = json!([{
        "topic": "payments", "partition": 3, "from": 100, "to": 150, "gone": true, "first": 150, "end": 200
    }]);
    for (path, mode, dry_run) in [("p/seek?dry_run=true", "DryRun", true), ("p/seek", "Apply", false)] {
        let answer = host.seek(path, &[], "{}").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let expected = json!({ "name": "p", "dry_run": dry_run, "state": "paused", "partitions": moves });
        assert_eq!(answer.json(), expected);
        let asked = format!("seek p Seek {{ to: Earliest, partitions: Gone }} {mode}");
        assert_eq!(host.runner.calls().last(), Some(&asked));
    }
    // One that stopped by itself rests too.
    host.call("POST", &format!("{PIPELINES}/p/resume")).await;
    host.until("p", "running").await;
    let stop = crate::model::failure::Stop::new("offset-out-of-range", "gone", "Seek.");
    host.runner.tell().stopped.insert("p".to_owned(), stop);
    host.until("p", "stopped").await;
    assert_eq!(host.seek("p/seek", &[], "{}").await.json()["state"], "stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_that_cannot_be_is_a_problem_and_moves_nothing() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    assert_eq!(host.seek("p/seek", &[], "{}").await.problem(), (404, "pipeline-not-found".to_owned()));
    host.running("p").await;
    let answer = host.seek("p/seek", &[], "{}").await;
    assert_eq!(answer.problem(), (409, "pipeline-not-at-rest".to_owned()));
    assert!(answer.text.contains("is running") && answer.text.contains("Pause it"), "{}", answer.text);
    host.call("POST", &format!("{PIPELINES}/p/pause")).await;
    host.until("p", "paused").await;
    assert_eq!(host.seek("p/seek?dryrun=true", &[], "{}").await.problem(), (400, "invalid-query".to_owned()));
    assert_eq!(host.seek("p/seek", &[], "").await.problem(), (400, "missing-key".to_owned()));
    let stale = host.seek("p/seek", &[("if-match", "\"1\"")], "{}").await;
    assert_eq!(stale.problem(), (412, "revision-mismatch".to_owned()));
    let untyped = host.send(request("POST", &format!("{PIPELINES}/p/seek"), &[], "{}")).await;
    assert_eq!(untyped.problem(), (415, "unsupported-media-type".to_owned()));
    assert!(!host.runner.calls().iter().any(|call| call.starts_with("seek")), "{:?}", host.runner.calls());

    let in_use = GroupInUse {
        group: "wasmill.default.p".to_owned(),
        members: vec!["wasmill.default.p.h.0".to_owned()],
        session: Some(Duration::from_secs(10)),
    };
    host.runner.tell().seek_failures = vec![
        SeekFailure::Refused(vec![refusal("offset-out-of-bounds")]),
        SeekFailure::Outage(Outage::new("broker-away", "no broker answers")),
        SeekFailure::InUse(in_use),
    ];
    let answer = host.seek("p/seek", &[], "{}").await;
    assert_eq!(answer.problem(), (409, "group-in-use".to_owned()));
    assert_eq!(answer.header("retry-after"), "10");
    assert!(
        answer.text.contains("wasmill.default.p.h.0") && answer.text.contains("at most 10 s"),
        "{}",
        answer.text
    );
    assert_eq!(host.seek("p/seek", &[], "{}").await.problem(), (503, "broker-away".to_owned()));
    assert_eq!(host.seek("p/seek", &[], "{}").await.problem(), (422, "offset-out-of-bounds".to_owned()));
}
