use super::*;

fn form(parts: &[(&str, &str, &str)]) -> String {
    let mut body = String::new();
    for (name, kind, content) in parts {
        body.push_str(&format!(
            "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n"
        ));
    }
    body + "--xyz--\r\n"
}

impl Host {
    async fn try_with(&self, name: &str, document: &Json, component: &str) -> Answer {
        let document = document.to_string();
        let parts =
            [("pipeline", "application/json", &*document), ("component", "application/wasm", component)];
        self.send_form(&format!("{name}?dry_run=true"), &form(&parts)).await
    }

    async fn send_form(&self, path: &str, body: &str) -> Answer {
        let kind = [("content-type", "multipart/form-data; boundary=xyz")];
        self.send(request("PUT", &format!("{PIPELINES}/{path}"), &kind, body)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_is_checked_with_a_component_that_was_not_uploaded() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.runner.tell().notices = vec!["a notice".to_owned()];
    let document = json!({ "name": "p", "transform": "t" });
    let answer = host.try_with("p", &document, "\0asm1").await;
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["outcome"], &body["dry_run"]),
        (StatusCode::OK, &json!("created"), &json!(true))
    );
    assert_eq!(body["transform"]["label"], "t@1");
    assert_eq!(body["notices"], json!(["a warning", "a notice"]));
    assert_eq!(host.runner.calls(), ["check p t@1"]);
    // Nothing is kept, and nothing runs.
    assert_eq!(host.get("/v1/tenants/default/transforms").await.json()["items"], json!([]));
    assert_eq!(host.get(&format!("{PIPELINES}/p")).await.problem().0, 404);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
    assert_eq!(host.uploads_free(), 2);

    // What an apply would leave as it is, is unchanged.
    host.upload(VERSIONS, "\0asm1").await;
    host.put("p", &[], &document).await;
    let again = host.try_with("p", &document, "\0asm1").await.json();
    assert_eq!((&again["outcome"], &again["transform"]["label"]), (&json!("unchanged"), &json!("t@1")));
    let newer = host.try_with("p", &document, "\0asm2").await.json();
    assert_eq!((&newer["outcome"], &newer["transform"]["label"]), (&json!("changed"), &json!("t@2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_of_the_component_and_the_pipeline_is_told() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.runner.tell().refusals = vec![refusal("no-access")];
    let document = json!({ "name": "p", "transform": "t" });
    let answer = host.try_with("p", &document, "garbage").await;
    assert_eq!(answer.problem(), (422, "refused".to_owned()));
    let codes: Vec<_> =
        answer.json()["errors"].as_array().expect("a list").iter().map(|e| e["code"].clone()).collect();
    assert_eq!(codes, ["not-wasm", "no-access"]);
    assert_eq!(host.runner.calls(), ["check p nothing"]);
    assert_eq!(host.try_with("p", &document, "\0asm1").await.problem(), (422, "no-access".to_owned()));
    host.runner.tell().refusals.clear();
    let elsewhere = json!({ "name": "p", "transform": "t", "version": 1 });
    assert_eq!(
        host.try_with("p", &elsewhere, "\0asm1").await.problem(),
        (422, "conflicting-keys".to_owned())
    );
    assert_eq!(host.try_with("q", &document, "\0asm1").await.problem(), (422, "name-mismatch".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_parts_that_is_not_as_expected_is_malformed() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let pipeline = ("pipeline", "application/json", "{\"name\":\"p\"}");
    let component = ("component", "application/wasm", "\0asm1");
    let malformed = (400, "invalid-multipart".to_owned());
    let send =
        async |parts: &[(&str, &str, &str)]| host.send_form("p?dry_run=true", &form(parts)).await.problem();
    assert_eq!(send(&[]).await, malformed);
    assert_eq!(send(&[pipeline]).await, malformed);
    assert_eq!(send(&[pipeline, ("wasm", "application/wasm", "x")]).await, malformed);
    assert_eq!(send(&[pipeline, component, component]).await, malformed);
    assert_eq!(host.send_form("p?dry_run=true", "no parts").await.problem(), malformed);
    let no_boundary = [("content-type", "multipart/form-data")];
    let answer = host.send(request("PUT", &format!("{PIPELINES}/p?dry_run=true"), &no_boundary, "x")).await;
    assert_eq!(answer.problem(), malformed);
    assert_eq!(
        send(&[("pipeline", "text/plain", "name: p"), component]).await,
        (415, "unsupported-media-type".to_owned())
    );
    assert_eq!(
        send(&[("pipeline", "application/json", "{"), component]).await,
        (400, "malformed-document".to_owned())
    );
    let large = "x".repeat(501);
    assert_eq!(
        send(&[("pipeline", "application/json", &large), component]).await,
        (413, "body-too-large".to_owned())
    );
    let large = "x".repeat(1001);
    assert_eq!(
        send(&[pipeline, ("component", "application/wasm", &large)]).await,
        (413, "body-too-large".to_owned())
    );
    // Only a dry run takes a component along.
    let answer = host.send_form("p", &form(&[pipeline, component])).await;
    assert_eq!(answer.problem(), (415, "unsupported-media-type".to_owned()));
    assert!(host.runner.calls().is_empty());
}
