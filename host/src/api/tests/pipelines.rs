use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_created_changed_and_deleted() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.upload(VERSIONS, "\0asm1").await;
    host.runner.tell().notices = vec!["a notice".to_owned()];
    let created = host.put("p", &[], &json!({ "name": "p" })).await;
    assert_eq!((created.status, created.header("etag")), (StatusCode::CREATED, "\"1\""));
    let body = created.json();
    assert_eq!((&body["outcome"], &body["notices"]), (&json!("created"), &json!(["a notice"])));
    host.until("p", "running").await;

    let shown = host.get(&format!("{PIPELINES}/p")).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.json()["spec"], json!({ "name": "p" }));
    assert_eq!(shown.json()["transform"]["label"], "t@1");
    let list = host.get(PIPELINES).await.json();
    assert_eq!(list["items"], json!([shown.json()]));

    let same = host.put("p", &[], &json!({ "name": "p" })).await;
    assert_eq!((same.header("etag"), &same.json()["outcome"]), ("\"1\"", &json!("unchanged")));
    let changed = host.put("p", &[], &json!({ "name": "p", "x": 1 })).await;
    assert_eq!((changed.status, changed.header("etag")), (StatusCode::OK, "\"2\""));

    assert_eq!(host.call("DELETE", &format!("{PIPELINES}/p")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(host.get(&format!("{PIPELINES}/p")).await.problem(), (404, "pipeline-not-found".to_owned()));
    assert_eq!(host.call("DELETE", &format!("{PIPELINES}/p")).await.problem().0, 404);
    assert!(host.runner.tell().forgotten.contains("p"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_may_be_yaml() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.upload(VERSIONS, "\0asm1").await;
    let yaml = [("content-type", "application/yaml; charset=utf-8")];
    let answer = host.send(request("PUT", &format!("{PIPELINES}/p"), &yaml, "name: p\nversion: 1\n")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(
        host.get(&format!("{PIPELINES}/p")).await.json()["spec"],
        json!({ "name": "p", "version": 1 })
    );
    let answer = host.send(request("PUT", &format!("{PIPELINES}/p"), &yaml, "name: [")).await;
    assert_eq!(answer.problem(), (400, "malformed-document".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_makes_every_check_and_changes_nothing() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.upload(VERSIONS, "\0asm1").await;
    let answer = host.put("p?dry_run=true", &[], &json!({ "name": "p" })).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["outcome"]), (StatusCode::OK, &json!("created")));
    assert_eq!((&body["dry_run"], answer.header("etag")), (&json!(true), ""));
    assert_eq!(host.runner.calls(), ["check p t@1"]);
    assert_eq!(host.get(&format!("{PIPELINES}/p")).await.problem().0, 404);
    assert!(!dir.path().join("tenants/default/pipelines").exists());

    host.runner.tell().refusals = vec![refusal("unknown-topic"), refusal("no-access")];
    for path in ["p?dry_run=true", "p"] {
        let answer = host.put(path, &[], &json!({ "name": "p" })).await;
        assert_eq!(answer.problem(), (422, "refused".to_owned()));
        assert_eq!(answer.json()["errors"][1]["code"], "no-access");
    }
    assert_eq!(host.get(&format!("{PIPELINES}/p")).await.problem().0, 404);
    // A misspelt dry run is no run.
    host.runner.tell().refusals.clear();
    let answer = host.put("p?dryrun=true", &[], &json!({ "name": "p" })).await;
    assert_eq!(answer.problem(), (400, "invalid-query".to_owned()));
    assert_eq!(host.get(&format!("{PIPELINES}/p")).await.problem().0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_made_only_to_what_was_seen() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.upload(VERSIONS, "\0asm1").await;
    let document = |n: u32| json!({ "name": "p", "n": n });
    let mismatch = (412, "revision-mismatch".to_owned());
    assert_eq!(host.put("p", &[("if-match", "\"1\"")], &document(0)).await.problem(), mismatch);
    assert_eq!(host.put("p", &[("if-match", "*")], &document(0)).await.problem(), mismatch);
    let created = host.put("p", &[("if-none-match", "*")], &document(1)).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(host.put("p", &[("if-none-match", "*")], &document(2)).await.problem(), mismatch);
    let seen = created.header("etag").to_owned();
    let tags = format!("\"77\", {seen}");
    assert_eq!(host.put("p", &[("if-match", &tags)], &document(2)).await.status, StatusCode::OK);
    let late = host.put("p", &[("if-match", &seen)], &document(3)).await;
    assert_eq!(late.problem(), mismatch);
    assert!(late.json()["detail"].as_str().expect("text").contains("found revision 2"), "{}", late.text);
    for (header, bad) in [("if-match", "1"), ("if-match", "W/\"2\""), ("if-none-match", "\"2\"")] {
        let answer = host.put("p", &[(header, bad)], &document(3)).await;
        assert_eq!(answer.problem(), (400, "invalid-precondition".to_owned()), "{bad}");
    }
    for (method, path) in [("POST", "p/pause"), ("POST", "p/resume"), ("POST", "p/restart"), ("DELETE", "p")]
    {
        let stale = request(method, &format!("{PIPELINES}/{path}"), &[("if-match", &seen)], "");
        assert_eq!(host.send(stale).await.problem(), mismatch, "{path}");
    }
    assert_eq!(host.get(&format!("{PIPELINES}/p")).await.json()["spec"], document(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_pauses_resumes_and_restarts() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let paused = host.call("POST", &format!("{PIPELINES}/p/pause")).await;
    assert_eq!((paused.status, &paused.json()["desired"]), (StatusCode::OK, &json!("paused")));
    host.until("p", "paused").await;
    assert_eq!(host.runner.runs("p"), None);
    let answer = host.call("POST", &format!("{PIPELINES}/p/restart")).await;
    assert_eq!(answer.problem(), (409, "pipeline-paused".to_owned()));
    // A paused pipeline that is changed stays paused.
    host.put("p", &[], &json!({ "name": "p", "x": 1 })).await;
    assert_eq!(host.get(&format!("{PIPELINES}/p")).await.json()["state"], "paused");
    host.call("POST", &format!("{PIPELINES}/p/resume")).await;
    host.until("p", "running").await;
    host.call("POST", &format!("{PIPELINES}/p/restart")).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while host.runner.calls().iter().filter(|call| call.starts_with("start")).count() < 3 {
        assert!(Instant::now() < deadline, "{:?}", host.runner.calls());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for action in ["pause", "resume", "restart"] {
        let answer = host.call("POST", &format!("{PIPELINES}/none/{action}")).await;
        assert_eq!(answer.problem(), (404, "pipeline-not-found".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_names_what_is_not_there_is_refused() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.upload(VERSIONS, "\0asm1").await;
    let unknown = (422, "unknown-transform".to_owned());
    let put = async |document: Json| host.put("p", &[], &document).await.problem();
    assert_eq!(put(json!({ "name": "p", "transform": "none" })).await, unknown);
    assert_eq!(put(json!({ "name": "p", "version": 2 })).await, unknown);
    assert_eq!(put(json!({ "name": "p", "digest": "sha256:00" })).await, unknown);
    assert_eq!(put(json!({ "name": "p", "file": "/etc/passwd" })).await, (422, "local-file".to_owned()));
    assert_eq!(put(json!({ "name": "q" })).await, (422, "name-mismatch".to_owned()));
    assert_eq!(put(json!({})).await, (422, "refused".to_owned()));
    let bad = host.put("Big_Name", &[], &json!({})).await;
    assert_eq!(bad.problem(), (400, "invalid-path".to_owned()));
    assert!(bad.text.contains("expected 1 to 63 characters"), "{}", bad.text);
    // The checks that need no transform are made all the same.
    assert_eq!(host.runner.calls(), ["check p nothing"; 4]);
    host.runner.tell().refusals = vec![refusal("no-access")];
    let both = host.put("p", &[], &json!({ "name": "p", "transform": "none" })).await.json();
    assert_eq!(
        (&both["errors"][0]["code"], &both["errors"][1]["code"]),
        (&json!("unknown-transform"), &json!("no-access"))
    );
    assert_eq!(host.get(PIPELINES).await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_again_after_a_restart_of_the_host() {
    let dir = folder();
    let first = host(dir.path(), &[]).await;
    first.running("p").await;
    let (version, pipeline) =
        (first.get(&format!("{VERSIONS}/1")).await.json(), first.get(PIPELINES).await.json());
    first.control.shutdown().await;
    std::fs::write(dir.path().join("tenants/default/pipelines/bad.json"), b"nonsense").expect("written");

    let second = host(dir.path(), &[]).await;
    second.until("p", "running").await;
    assert_eq!(second.get(&format!("{VERSIONS}/1")).await.json(), version);
    assert_eq!(second.get(PIPELINES).await.json(), pipeline);
    let bad = second.get(&format!("{PIPELINES}/bad")).await;
    assert_eq!(bad.problem(), (500, "storage-error".to_owned()));
    assert!(bad.text.contains("pipelines/bad.json"), "{}", bad.text);
}
