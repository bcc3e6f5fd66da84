//! Control with a runner that does as it is told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use serde_json::json;

use crate::control::commands::Deletion;
use crate::control::commands::Mode;
use crate::control::commands::Outcome;
use crate::control::error::ControlError;
use crate::control::fake_runner;
use crate::control::fake_runner::FakeRunner;
use crate::control::fake_runner::refusal;
use crate::control::lifecycle::StopReason;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::Precondition;
use crate::control::runner::StateFate;
use crate::control::service::Control;
use crate::model::failure::Stop;
use crate::model::ids::PipelineName;
use crate::model::ids::TransformName;
use crate::model::pipeline_state::PipelineState;

struct Host {
    control: Control,
    runner: Arc<FakeRunner>,
}

async fn open(folder: &Path) -> Host {
    let runner = Arc::new(FakeRunner::default());
    let control =
        Control::open(folder, runner.clone(), Arc::new(fake_runner::read_spec), fake_runner::fast());
    Host { control: control.await.expect("opened"), runner }
}

fn pipeline(name: &str) -> PipelineName {
    PipelineName::new(name).expect("a name")
}

fn transform(name: &str) -> TransformName {
    TransformName::new(name).expect("a name")
}

impl Host {
    async fn upload(&self, name: &str, content: &str) -> (Outcome, u32) {
        let component = Bytes::from(format!("\0asm{content}"));
        let (outcome, version) = self.control.upload(transform(name), component).await.expect("uploaded");
        (outcome, version.version.0)
    }

    async fn put(&self, name: &str, document: serde_json::Value) -> Result<Outcome, ControlError> {
        let put =
            self.control.put_pipeline(pipeline(name), document, Precondition::None, Mode::Apply).await?;
        Ok(put.outcome)
    }

    /// Uploads a transform and starts a pipeline with it.
    async fn running(&self, name: &str) {
        self.upload("t", "1").await;
        self.put(name, json!({ "name": name })).await.expect("put");
        self.until(name, PipelineState::Running).await;
    }

    async fn state(&self, name: &str) -> PipelineState {
        self.control.status(&pipeline(name)).await.expect("a status").state
    }

    async fn until(&self, name: &str, state: PipelineState) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let now = self.state(name).await;
            if now == state {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "`{name}` is {now:?}, expected {state:?}: {:?}",
                self.runner.calls()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop_by_itself(&self, name: &str) {
        let stop = Stop::new("poison", "a record", "Mend it.");
        self.runner.tell().stopped.insert(name.to_owned(), stop);
        self.until(name, PipelineState::Stopped).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_and_pipelines_survive_a_restart_of_the_host() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).await;
    first.running("runs").await;
    first.upload("t", "2").await;
    first.put("rests", json!({ "name": "rests" })).await.expect("put");
    first.control.pause(pipeline("rests"), Precondition::None).await.expect("paused");
    first.until("rests", PipelineState::Paused).await;
    first.control.shutdown().await;
    assert_eq!(first.runner.runs("runs"), None, "drained");

    let second = open(dir.path()).await;
    second.until("runs", PipelineState::Running).await;
    // The version of when it was put, although there is a newer one.
    assert_eq!(second.runner.runs("runs").as_deref(), Some("t@1"));
    assert_eq!(second.state("rests").await, PipelineState::Paused);
    assert_eq!(second.upload("t", "1").await, (Outcome::Unchanged, 1));
    assert_eq!(second.upload("t", "3").await, (Outcome::Created, 3));
    let versions = second.control.versions(&transform("t"), None, 10).expect("versions");
    assert_eq!(versions.items.len(), 3);
    second.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_named_and_the_others_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).await;
    first.running("good").await;
    first.upload("t", "2").await;
    first.put("bad", json!({ "name": "bad" })).await.expect("put");
    first.control.shutdown().await;
    let tenant = dir.path().join("tenants/default");
    std::fs::write(tenant.join("pipelines/bad.json"), b"{\"name\": \"bad\"").expect("written");
    std::fs::write(tenant.join("transforms/t/2.json"), b"").expect("written");

    let second = open(dir.path()).await;
    second.until("good", PipelineState::Running).await;
    let broken = second.control.broken_files();
    assert_eq!(broken.len(), 2, "{broken:?}");
    assert!(broken[0].file.ends_with("tenants/default/pipelines/bad.json"), "{broken:?}");
    // A version alone keeps the host from nothing else.
    let wishes = second.control.broken_wishes();
    assert!(wishes.len() == 1 && wishes[0] == broken[0], "{wishes:?}");
    let error = second.control.status(&pipeline("bad")).await.expect_err("damaged");
    assert!(matches!(&error, ControlError::Storage(error) if error.message.contains("damaged")), "{error}");
    // It is not overwritten by accident, and its number is not given again.
    second.put("bad", json!({ "name": "bad" })).await.expect_err("damaged");
    assert_eq!(second.upload("t", "new").await, (Outcome::Created, 3));
    second.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_drain_in_time_is_counted_when_the_host_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.running("first").await;
    host.runner.tell().drains_late = true;
    // Left behind long before the end: that is another matter.
    host.control.pause(pipeline("first"), Precondition::None).await.expect("paused");
    host.until("first", PipelineState::Paused).await;
    for name in ["second", "third"] {
        host.put(name, json!({ "name": name })).await.expect("put");
        host.until(name, PipelineState::Running).await;
    }
    assert_eq!(host.control.shutdown().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_tried_again_while_the_broker_is_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.runner.tell().start_outages = 3;
    host.running("p").await;
    let starts = host.runner.calls().iter().filter(|call| call.starts_with("start")).count();
    assert_eq!(starts, 4);

    host.runner.tell().start_outages = u32::MAX;
    host.control.restart(pipeline("p"), Precondition::None).await.expect("restarted");
    host.until("p", PipelineState::Retrying).await;
    let waiting = host.control.status(&pipeline("p")).await.expect("a status").waiting.expect("it waits");
    assert_eq!((waiting.code.0, waiting.reason.as_str()), ("broker-away", "no broker answers"));
    host.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_stays_visible_until_someone_acts() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.running("p").await;
    host.stop_by_itself("p").await;
    // Putting the same document, or pausing, is no reason to run it again or to forget why it stopped.
    assert_eq!(host.put("p", json!({ "name": "p" })).await.expect("put"), Outcome::Unchanged);
    host.control.pause(pipeline("p"), Precondition::None).await.expect("paused");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let status = host.control.status(&pipeline("p")).await.expect("a status");
    assert_eq!(status.state, PipelineState::Stopped);
    assert!(matches!(status.stop, Some(StopReason::Failed(stop)) if stop.code.0 == "poison"));

    host.control.resume(pipeline("p"), Precondition::None).await.expect("resumed");
    host.until("p", PipelineState::Running).await;
    host.stop_by_itself("p").await;
    host.control.resume(pipeline("p"), Precondition::None).await.expect("resumed");
    host.until("p", PipelineState::Running).await;
    host.stop_by_itself("p").await;
    host.control.restart(pipeline("p"), Precondition::None).await.expect("restarted");
    host.until("p", PipelineState::Running).await;
    host.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_start_and_a_panic_stop_one_pipeline_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.running("other").await;
    host.runner.tell().start_refusals = vec![refusal("unknown-topic")];
    host.put("p", json!({ "name": "p" })).await.expect("put");
    host.until("p", PipelineState::Stopped).await;
    let stop = host.control.status(&pipeline("p")).await.expect("a status").stop;
    assert_eq!(stop, Some(StopReason::Refused(vec![refusal("unknown-topic")])));

    host.runner.tell().start_refusals.clear();
    host.runner.tell().panic_at_start = true;
    host.put("p", json!({ "name": "p", "changed": 1 })).await.expect("put");
    let panicked = |stop: Option<StopReason>| matches!(stop, Some(StopReason::Failed(stop)) if stop.code.0 == "internal-error");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !panicked(host.control.status(&pipeline("p")).await.expect("a status").stop) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(host.state("other").await, PipelineState::Running);
    host.runner.tell().panic_at_start = false;
    host.control.shutdown().await;
}

/// Otherwise another pipeline could take what it needs while it is started anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_a_pipeline_is_given_back_only_when_it_is_to_rest() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.running("p").await;
    host.put("p", json!({ "name": "p", "changed": 1 })).await.expect("put");
    let deadline = Instant::now() + Duration::from_secs(20);
    while host.runner.calls().iter().filter(|call| call.starts_with("start")).count() < 2 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.until("p", PipelineState::Running).await;
    host.stop_by_itself("p").await;
    assert!(!host.runner.tell().resting.contains("p"));
    // Its reason stays visible, but it is not to run.
    host.control.pause(pipeline("p"), Precondition::None).await.expect("paused");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !host.runner.tell().resting.contains("p") {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(host.state("p").await, PipelineState::Stopped);
    host.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_drains_and_starts_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.running("p").await;
    host.upload("t", "2").await;
    assert_eq!(
        host.put("p", json!({ "name": "p" })).await.expect("put"),
        Outcome::Changed,
        "a newer version"
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    while host.runner.runs("p").as_deref() != Some("t@2") {
        assert!(Instant::now() < deadline, "{:?}", host.runner.calls());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let calls: Vec<_> = host.runner.calls().into_iter().filter(|call| !call.starts_with("check")).collect();
    assert_eq!(calls, ["start p t@1", "stop p", "start p t@2"]);
    host.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_pipeline_is_drained_and_forgotten_and_its_name_is_free() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.running("p").await;
    host.runner.tell().forget_outages = 2;
    let deletion =
        host.control.delete(pipeline("p"), Precondition::None, StateFate::Delete).await.expect("deleted");
    assert_eq!(deletion, Deletion::Done);
    assert!(host.runner.tell().forgotten.contains("p"));
    let error = host.control.status(&pipeline("p")).await.expect_err("gone");
    assert!(matches!(error, ControlError::NotFound(_)), "{error}");
    assert!(!dir.path().join("tenants/default/pipelines/p.json").exists());
    host.running("p").await;
    host.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_that_is_to_be_kept_is_kept_also_when_the_deletion_ends_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).await;
    first.running("p").await;
    first.runner.tell().forget_outages = u32::MAX;
    let control = first.control.clone();
    let deleting = async move { control.delete(pipeline("p"), Precondition::None, StateFate::Keep).await };
    let deleting = tokio::spawn(deleting);
    first.until("p", PipelineState::Deleting).await;
    // What is said of it now comes too late.
    let control = first.control.clone();
    let again = async move { control.delete(pipeline("p"), Precondition::None, StateFate::Delete).await };
    let again = tokio::spawn(again);
    first.control.shutdown().await;
    for deletion in [deleting, again] {
        assert_eq!(deletion.await.expect("no panic").expect("accepted"), Deletion::UnderWay);
    }

    let second = open(dir.path()).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while second.control.pipeline(&pipeline("p")).is_ok() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(second.runner.calls(), ["forget p but its state"]);
    second.control.shutdown().await;
}

/// Otherwise an `If-Match` of the pipeline that is gone would hold for another under its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_is_not_given_again_after_a_deletion_and_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).await;
    first.running("stays").await;
    first.running("p").await;
    let seen = first.control.pipeline(&pipeline("p")).expect("there").revision;
    first.control.delete(pipeline("p"), Precondition::None, StateFate::Delete).await.expect("deleted");
    first.control.shutdown().await;

    let second = open(dir.path()).await;
    assert_eq!(second.control.broken_files(), []);
    second.put("p", json!({ "name": "p", "other": true })).await.expect("put");
    let found = second.control.pipeline(&pipeline("p")).expect("there").revision;
    assert!(found > seen, "{found} after {seen}");
    second.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_goes_on_after_a_restart_of_the_host() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).await;
    first.running("p").await;
    first.runner.tell().forget_outages = u32::MAX;
    let control = first.control.clone();
    let deleting =
        tokio::spawn(
            async move { control.delete(pipeline("p"), Precondition::None, StateFate::Delete).await },
        );
    first.until("p", PipelineState::Deleting).await;
    let error = first.put("p", json!({ "name": "p" })).await.expect_err("being deleted");
    assert!(
        matches!(&error, ControlError::Conflict(conflict) if conflict.code.0 == "pipeline-deleting"),
        "{error}"
    );
    first.control.shutdown().await;
    assert_eq!(deleting.await.expect("no panic").expect("accepted"), Deletion::UnderWay);

    let second = open(dir.path()).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while second.control.pipeline(&pipeline("p")).is_ok() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(second.runner.calls(), ["forget p"]);
    second.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_no_longer_taken_stops_its_pipeline_with_the_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).await;
    first.running("p").await;
    first.control.shutdown().await;
    let runner = Arc::new(FakeRunner::default());
    let strict = Arc::new(|_: &serde_json::Value| Err(vec![refusal("limit-above-ceiling")]));
    let control =
        Control::open(dir.path(), runner.clone(), strict, fake_runner::fast()).await.expect("opened");
    let second = Host { control, runner };
    second.until("p", PipelineState::Stopped).await;
    let record = second.control.pipeline(&pipeline("p")).expect("still there");
    assert_eq!(record.desired, Desired::Running);
    second.control.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_finished_although_its_caller_goes_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path()).await;
    host.upload("t", "1").await;
    for n in 0..20 {
        let name = pipeline(&format!("p{n}"));
        let document = json!({ "name": name.as_str() });
        let put = host.control.put_pipeline(name, document, Precondition::None, Mode::Apply);
        let _ = tokio::time::timeout(Duration::from_micros(200 * n), put).await;
    }
    host.control.shutdown().await;
    let known: Vec<_> = host.control.pipelines(None, 100).await.expect("a page").items;
    let known: Vec<_> = known.into_iter().map(|status| status.record).collect();
    let second = open(dir.path()).await;
    let kept: Vec<_> = second.control.pipelines(None, 100).await.expect("a page").items;
    assert_eq!(kept.into_iter().map(|status| status.record).collect::<Vec<_>>(), known);
    second.control.shutdown().await;
}
