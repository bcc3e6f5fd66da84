use super::*;
use crate::api::sidecar_router;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_not_understood_is_a_problem_with_a_code() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    assert_eq!(host.get("/").await.problem(), (404, "route-not-found".to_owned()));
    assert_eq!(host.get("/v1/tenants/other/pipelines").await.problem(), (404, "route-not-found".to_owned()));
    let answer = host.call("PATCH", PIPELINES).await;
    assert_eq!(answer.problem(), (405, "method-not-allowed".to_owned()));
    assert_eq!(answer.header("allow"), "GET,HEAD");

    let unsupported = (415, "unsupported-media-type".to_owned());
    assert_eq!(host.call("POST", VERSIONS).await.problem(), unsupported);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(host.send(request("POST", VERSIONS, &form, "x")).await.problem(), unsupported);
    assert_eq!(host.send(request("PUT", &format!("{PIPELINES}/p"), &form, "x")).await.problem(), unsupported);
    assert_eq!(host.upload(VERSIONS, "").await.problem(), (400, "empty-body".to_owned()));

    let json = [("content-type", "application/json")];
    let put = async |body: Body| {
        let request = Request::builder().method("PUT").uri(format!("{PIPELINES}/p"));
        host.send(request.header("content-type", "application/json").body(body).expect("a request"))
            .await
            .problem()
    };
    assert_eq!(put(Body::from("{")).await, (400, "malformed-document".to_owned()));
    assert_eq!(put(Body::from(&b"\xff"[..])).await, (400, "not-utf8".to_owned()));
    let large = "x".repeat(501);
    let too_large = (413, "body-too-large".to_owned());
    assert_eq!(
        host.send(request("PUT", &format!("{PIPELINES}/p"), &json, &large)).await.problem(),
        too_large
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_refused_before_and_while_it_is_read() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let upload = |length: Option<&str>, body: Body| {
        let mut request = Request::builder().method("POST").uri(VERSIONS);
        request = request.header("content-type", "application/wasm");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        request.body(body).expect("a request")
    };
    // The body never ends: only its declared length can be what is refused.
    let endless = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let too_large = (413, "body-too-large".to_owned());
    assert_eq!(host.send(upload(Some("1001"), endless)).await.problem(), too_large);
    let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0; 400])));
    let chunks = Body::from_stream(futures_util::stream::iter(chunks));
    assert_eq!(host.send(upload(None, chunks)).await.problem(), too_large);
    let whole = format!("\0asm{}", "x".repeat(996));
    assert_eq!(host.send(upload(None, Body::from(whole))).await.status, StatusCode::CREATED);
    let broken = futures_util::stream::iter([Err::<bytes::Bytes, _>(std::io::Error::other("reset"))]);
    let broken = host.send(upload(None, Body::from_stream(broken))).await;
    assert_eq!(broken.problem(), (400, "body-incomplete".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_where_one_is_configured() {
    let dir = folder();
    let host = host(dir.path(), &["secret", "second"]).await;
    for path in [PIPELINES, "/metrics", "/v1/openapi.json", "/nothing"] {
        let answer = host.get(path).await;
        assert_eq!(answer.problem(), (401, "token-missing".to_owned()), "{path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"wasmill\"");
    }
    let with =
        async |value: &str| host.send(request("GET", PIPELINES, &[("authorization", value)], "")).await;
    for wrong in ["Bearer wrong", "Bearer ", "Bearer secre", "Bearer secretsecond"] {
        assert_eq!(with(wrong).await.problem(), (401, "token-unknown".to_owned()), "{wrong}");
    }
    assert_eq!(with("Basic c2VjcmV0").await.problem(), (401, "token-missing".to_owned()));
    for right in ["Bearer secret", "bearer second"] {
        assert_eq!(with(right).await.status, StatusCode::OK, "{right}");
    }
    assert_eq!(host.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(host.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_a_page_in_a_browser_is_not_let_in() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    let foreign = (403, "foreign-host".to_owned());
    let with =
        async |name: &str, value: &str| host.send(request("GET", PIPELINES, &[(name, value)], "")).await;
    assert_eq!(with("host", "evil.example:8088").await.problem(), foreign);
    assert_eq!(with("origin", "https://evil.example").await.problem(), foreign);
    assert_eq!(with("origin", "null").await.problem(), foreign);
    assert_eq!(with("host", "localhost:8088").await.status, StatusCode::OK);
    assert_eq!(with("origin", "http://127.0.0.1:8088").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_a_problem_and_the_host_goes_on() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    assert_eq!(host.upload("/v1/check", "panic").await.problem(), (500, "internal-error".to_owned()));
    assert_eq!(host.upload("/v1/check", "\0asm").await.status, StatusCode::OK);

    let routes = Router::new().route("/", axum::routing::get(async || -> &'static str { panic!("told to") }));
    let layer = axum::middleware::from_fn_with_state(Duration::from_secs(60), crate::api::guard::guard);
    let answer = Host { router: routes.layer(layer), ..host }.get("/").await;
    assert_eq!(answer.problem(), (500, "internal-error".to_owned()));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered() {
    let routes = Router::new().route("/", axum::routing::get(std::future::pending::<()>));
    let layer = axum::middleware::from_fn_with_state(Duration::from_millis(10), crate::api::guard::guard);
    let dir = folder();
    let host = Host { router: routes.layer(layer), ..host(dir.path(), &[]).await };
    assert_eq!(host.get("/").await.problem(), (503, "request-timeout".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_readiness_and_metrics() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    assert_eq!(host.get("/healthz").await.json(), json!({ "status": "ok" }));
    assert_eq!(host.get("/readyz").await.json(), json!({ "status": "ready" }));
    let metrics = host.get("/metrics").await;
    assert_eq!(metrics.text, "wasmill_up 1\n");
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    host.runner.tell().notices = vec!["no broker answers".to_owned()];
    let answer = host.get("/readyz").await;
    assert_eq!(answer.problem(), (503, "not-ready".to_owned()));
    assert_eq!(answer.json()["detail"], "no broker answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sidecar_has_probes_and_metrics_only() {
    let dir = folder();
    let health = HealthState { metrics: Arc::new(|| "m 1\n".to_owned()), readiness: Arc::new(Vec::new) };
    let host = Host { router: sidecar_router(health), ..host(dir.path(), &[]).await };
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(host.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(host.get(PIPELINES).await.problem(), (404, "route-not-found".to_owned()));
    assert_eq!(host.call("POST", "/metrics").await.problem(), (405, "method-not-allowed".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_ends_when_it_is_told_although_a_stream_is_open() {
    let dir = folder();
    let host = host(dir.path(), &[]).await;
    host.running("p").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(crate::api::serve(listener, host.router.clone(), host.closing.clone()));
    let mut connection = tokio::net::TcpStream::connect(address).await.expect("connected");
    let text =
        format!("GET {PIPELINES}/p/logs HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut connection, text.as_bytes()).await.expect("sent");
    let mut start = [0; 15];
    tokio::io::AsyncReadExt::read_exact(&mut connection, &mut start).await.expect("answered");
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    host.closing.close();
    let ended = tokio::time::timeout(Duration::from_secs(4), server).await;
    ended.expect("before the grace is over").expect("no panic").expect("served");
}
