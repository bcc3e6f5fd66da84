use futures_util::StreamExt;

use super::*;
use crate::model::ids::WorkerIndex;
use crate::telemetry::guest_logs::GuestLogs;
use crate::telemetry::guest_logs::LogLevel;

fn write(logs: &GuestLogs, level: LogLevel, message: &str) {
    assert!(logs.append(0, WorkerIndex(1), level, "guest", message).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_paged() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let logs = host.runner.tell().logs["p"].clone();
    for n in 1..=3 {
        write(&logs, LogLevel::Info, &format!("line {n}"));
    }
    write(&logs, LogLevel::Error, "bad");
    let path = format!("{PIPELINES}/p/logs");
    let page = host.get(&format!("{path}?limit=2")).await.json();
    assert_eq!((&page["lines"][1]["message"], &page["next"]), (&json!("line 2"), &json!(2)));
    assert_eq!((&page["lines"][0]["level"], &page["lines"][0]["worker"]), (&json!("info"), &json!(1)));
    let page = host.get(&format!("{path}?after=2&limit=2")).await.json();
    assert_eq!(page["lines"][0]["message"], "line 3");
    let errors = host.get(&format!("{path}?level=error")).await.json();
    assert_eq!(errors["lines"].as_array().expect("lines").len(), 1);
    let tail = host.get(&format!("{path}?tail=1")).await.json();
    assert_eq!(tail["lines"][0]["message"], "bad");
    assert_eq!(host.get(&format!("{path}?level=loud")).await.problem().0, 400);
    assert_eq!(host.get(&format!("{PIPELINES}/none/logs")).await.problem().0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_of_a_pipeline_that_never_ran_are_empty() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.upload(VERSIONS, "\0asm1").await;
    host.runner.tell().start_outages = u32::MAX;
    host.put("p", &[], &json!({ "name": "p" })).await;
    assert_eq!(host.get(&format!("{PIPELINES}/p/logs")).await.json()["lines"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_has_the_lines_from_a_place_on_and_those_to_come_and_ends_with_the_host() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let logs = host.runner.tell().logs["p"].clone();
    for line in ["one", "two", "three"] {
        write(&logs, LogLevel::Info, line);
    }
    let headers = [("accept", "text/event-stream"), ("last-event-id", "1")];
    let request = request("GET", &format!("{PIPELINES}/p/logs?level=info"), &headers, "");
    let response = host.router.clone().oneshot(request).await.expect("infallible");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    let mut next = async || {
        let chunk = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("in time");
        chunk.map(|chunk| String::from_utf8(chunk.expect("a chunk").to_vec()).expect("text"))
    };
    let event = next().await.expect("an event");
    assert!(event.contains("event: line") && event.contains("id: 2") && event.contains("\"two\""), "{event}");
    assert!(next().await.expect("an event").contains("\"three\""));
    write(&logs, LogLevel::Debug, "hidden");
    write(&logs, LogLevel::Info, "live");
    let event = next().await.expect("an event");
    assert!(event.contains("id: 5") && event.contains("\"live\""), "{event}");
    host.closing.close();
    assert_eq!(next().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_when_its_pipeline_is_deleted() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let logs = host.runner.tell().logs["p"].clone();
    write(&logs, LogLevel::Info, "last");
    let mut stream = host.follow("p").await;
    assert!(stream.next().await.expect("an event").expect("a chunk").ends_with(b"\n\n"));
    assert_eq!(host.call("DELETE", &format!("{PIPELINES}/p")).await.status, StatusCode::NO_CONTENT);
    let end = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    assert!(end.expect("before long").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_with_the_pipeline_that_is_put_again_under_its_name() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    write(&host.runner.tell().logs["p"], LogLevel::Info, "old");
    let mut stream = host.follow("p").await;
    stream.next().await.expect("an event").expect("a chunk");
    let again = Arc::new(GuestLogs::new(1000));
    write(&again, LogLevel::Info, "new");
    host.runner.tell().logs.insert("p".to_owned(), again);
    let event = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("before long");
    let event = String::from_utf8(event.expect("an event").expect("a chunk").to_vec()).expect("text");
    assert!(event.contains("id: 1") && event.contains("\"new\""), "{event}");
}
