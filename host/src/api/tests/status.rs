use std::time::SystemTime;

use super::*;
use crate::model::failure::Code;
use crate::model::failure::Stop;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::status::CheckpointFigures;
use crate::model::status::CheckpointInfo;
use crate::model::status::PastError;
use crate::model::status::RestoreProgress;
use crate::model::status::RestoreSource;
use crate::model::status::StateFigures;
use crate::model::status::TaskStatus;
use crate::model::status::Waiting;
use crate::model::status::WorkerStatus;
use crate::model::task_phase::TaskPhase;

fn task(partition: i32, lag: Option<u64>) -> TaskStatus {
    TaskStatus {
        partition: TopicPartition { topic: "payments".into(), partition: Partition(partition) },
        phase: TaskPhase::Running,
        position: Offset(12),
        committed: Offset(10),
        lag,
        last_timestamp: Some(1_000),
        waiting: None,
        restore: None,
        state: None,
        event_watermark: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_shows_tasks_lag_waits_and_errors() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let waiting = Waiting { since: at(5), code: Code("registry-away"), reason: "no answer".to_owned() };
    let error = |seconds, code| PastError { at: at(seconds), code: Code(code), message: "m".to_owned() };
    host.runner.tell().workers = vec![
        WorkerStatus {
            tasks: vec![task(2, Some(0))],
            errors: vec![error(1, "old")],
            waiting: Some(waiting.clone()),
        },
        WorkerStatus {
            tasks: vec![TaskStatus { waiting: Some(waiting), ..task(1, Some(7)) }],
            errors: vec![error(2, "new")],
            waiting: None,
        },
    ];
    let status = host.get(&format!("{PIPELINES}/p/status")).await.json();
    assert_eq!((&status["state"], &status["desired"]), (&json!("running"), &json!("running")));
    assert_eq!((&status["lag"], &status["transform"]), (&json!(7), &json!("t@1")));
    let tasks = &status["tasks"];
    assert_eq!((&tasks[0]["partition"], &tasks[0]["worker"]), (&json!(1), &json!(1)));
    assert_eq!((&tasks[0]["position"], &tasks[0]["committed"]), (&json!(12), &json!(10)));
    assert!(tasks[0]["lag_age_ms"].as_i64().expect("an age") > 1_600_000_000_000);
    assert_eq!((&tasks[1]["lag_age_ms"], &tasks[1]["phase"]), (&json!(0), &json!("running")));
    let waits = json!({ "since_ms": 5_000, "code": "registry-away", "reason": "no answer" });
    assert_eq!((&tasks[0]["waiting"], &status["workers"][0]["waiting"]), (&waits, &waits));
    assert_eq!(
        (&status["last_errors"][0]["code"], &status["last_errors"][1]["code"]),
        (&json!("new"), &json!("old"))
    );
    assert_eq!(status["counters"], json!({ "of": "default/p" }));

    host.runner.tell().workers =
        vec![WorkerStatus { tasks: vec![task(0, Some(3)), task(1, None)], ..Default::default() }];
    let status = host.get(&format!("{PIPELINES}/p/status")).await.json();
    assert_eq!(status["lag"], Json::Null, "not known of all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_checkpoints_and_the_event_watermark_are_shown() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let restore = RestoreProgress {
        source: Some(RestoreSource::Checkpoint),
        checkpoint: Some("0000000002-0000000001".to_owned()),
        checkpoint_bytes: 70,
        records: 10,
        records_left: Some(90),
        left: Some(Duration::from_secs(9)),
        passed_over: vec!["the own disk: lost".to_owned()],
        ..RestoreProgress::default()
    };
    let restoring = TaskStatus { restore: Some(restore.clone()), ..task(0, None) };
    let last = CheckpointInfo { name: "0000000003-0000000002".into(), taken_at: 1, bytes: 9, bytes_sent: 4 };
    let checkpoint =
        CheckpointFigures { written: 2, failed: 1, last: Some(last), failure: Some("away".into()) };
    let state = StateFigures {
        memory_bytes: 30,
        unflushed_bytes: 20,
        disk_bytes: 10,
        checkpoint: Some(checkpoint),
        restored: restore.into(),
    };
    let running = TaskStatus { state: Some(state), event_watermark: Some(-5), ..task(1, None) };
    host.runner.tell().workers =
        vec![WorkerStatus { tasks: vec![restoring, running], ..WorkerStatus::default() }];
    let status = host.get(&format!("{PIPELINES}/p/status")).await.json();
    let [restoring, running] = [&status["tasks"][0], &status["tasks"][1]];
    let shown = json!({
        "source": "checkpoint", "checkpoint": "0000000002-0000000001", "checkpoint_bytes": 70,
        "checkpoint_bytes_left": 0, "records": 10, "bytes": 0, "records_left": 90, "seconds_left": 9,
        "passed_over": ["the own disk: lost"],
    });
    assert_eq!((&restoring["restore"], &restoring["state"]), (&shown, &Json::Null));
    assert_eq!((&running["restore"], &running["event_watermark_ms"]), (&Json::Null, &json!(-5)));
    let state = &running["state"];
    let bytes = [&state["memory_bytes"], &state["unflushed_bytes"], &state["disk_bytes"]];
    assert_eq!(bytes, [30, 20, 10]);
    assert_eq!(state["restored"], shown);
    let mut checkpoint = state["checkpoint"].clone();
    assert!(checkpoint["last_age_ms"].take().as_i64().is_some_and(|age| age > 1_600_000_000_000));
    let expected = json!({
        "written": 2, "failed": 1, "last": "0000000003-0000000002", "last_age_ms": null, "last_bytes": 9,
        "last_bytes_sent": 4, "failure": "away",
    });
    assert_eq!(checkpoint, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_shown_with_its_remedy() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let stop = Stop::new("poison", "a record", "Mend it.");
    host.runner.tell().stopped.insert("p".to_owned(), stop);
    let status = host.get(&format!("{PIPELINES}/p/status")).await.json();
    assert_eq!(status["state"], "stopped");
    assert_eq!(status["stop"], json!({ "code": "poison", "message": "a record", "remedy": "Mend it." }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_shown_with_its_reason() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.upload(VERSIONS, "\0asm1").await;
    host.runner.tell().start_outages = u32::MAX;
    host.put("p", &[], &json!({ "name": "p" })).await;
    host.until("p", "retrying").await;
    let status = host.get(&format!("{PIPELINES}/p/status")).await.json();
    assert_eq!(status["waiting"]["code"], "broker-away");
}
