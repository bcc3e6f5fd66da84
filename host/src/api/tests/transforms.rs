use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_kept_and_shown() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let answer = host.upload(VERSIONS, "\0asm1").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("location"), format!("{VERSIONS}/1"));
    let version = answer.json();
    assert_eq!((&version["name"], &version["version"]), (&json!("t"), &json!(1)));
    assert_eq!((&version["size_bytes"], &version["language"]), (&json!(5), &json!("rust")));
    assert_eq!((&version["warnings"], &version["manifest"]["name"]), (&json!(["a warning"]), &json!("fake")));
    assert!(version["digest"].as_str().expect("a digest").starts_with("sha256:"));
    assert!(version["uploaded_at_ms"].as_i64().expect("a time") > 1_600_000_000_000);
    assert_eq!(host.get(&format!("{VERSIONS}/1")).await.json(), version);

    let list = host.get("/v1/tenants/default/transforms").await.json();
    assert_eq!(list["items"][0]["newest_version"], 1);
    assert_eq!(list["next"], Json::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_component_again_is_the_same_version() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let first = host.upload(VERSIONS, "\0asm1").await.json();
    let again = host.upload(VERSIONS, "\0asm1").await;
    assert_eq!((again.status, again.json()), (StatusCode::OK, first));
    assert_eq!(host.upload(VERSIONS, "\0asm2").await.json()["version"], 2);
    let other = host.upload("/v1/tenants/default/transforms/u/versions", "\0asm1").await;
    assert_eq!((other.status, &other.json()["version"]), (StatusCode::CREATED, &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_page_by_cursor() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    for n in 1..=3 {
        host.upload(VERSIONS, &format!("\0asm{n}")).await;
        host.upload(&format!("/v1/tenants/default/transforms/t{n}/versions"), "\0asm").await;
    }
    let first = host.get(&format!("{VERSIONS}?limit=2")).await.json();
    assert_eq!((first["items"].as_array().expect("items").len(), &first["next"]), (2, &json!("2")));
    let last = host.get(&format!("{VERSIONS}?limit=2&after=2")).await.json();
    assert_eq!((&last["items"][0]["version"], &last["next"]), (&json!(3), &Json::Null));
    let names = host.get("/v1/tenants/default/transforms?after=t1&limit=1").await.json();
    assert_eq!((&names["items"][0]["name"], &names["next"]), (&json!("t2"), &json!("t2")));
    for bad in ["?after=x", "?limit=x", "?limit=0", "?limit=201", "?size=1"] {
        assert_eq!(host.get(&format!("{VERSIONS}{bad}")).await.problem().0, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_component_is_not_kept_and_says_why() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let answer = host.upload(VERSIONS, "garbage").await;
    assert_eq!(answer.problem(), (422, "not-wasm".to_owned()));
    let error = &answer.json()["errors"][0];
    assert_eq!(
        *error,
        json!({
            "code": "not-wasm", "field": "inputs.in.topic", "message": "there is no such topic",
            "found": "`t`", "expected": "a topic", "remedy": "Create it.",
        })
    );
    assert_eq!(host.get(VERSIONS).await.problem(), (404, "transform-not-found".to_owned()));
    host.upload(VERSIONS, "\0asm").await;
    assert_eq!(host.get(&format!("{VERSIONS}/2")).await.problem(), (404, "version-not-found".to_owned()));
    assert_eq!(host.get(&format!("{VERSIONS}/x")).await.problem(), (400, "invalid-path".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_keeps_nothing() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let answer = host.upload("/v1/check", "\0asm").await;
    assert_eq!((answer.status, &answer.json()["size_bytes"]), (StatusCode::OK, &json!(4)));
    assert_eq!(host.upload("/v1/check", "garbage").await.problem(), (422, "not-wasm".to_owned()));
    assert_eq!(host.get("/v1/tenants/default/transforms").await.json()["items"], json!([]));
    assert!(!dir.path().join("artifacts").exists());
}
