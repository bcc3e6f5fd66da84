use super::*;

fn wasm(length: Option<&str>, body: Body) -> Request<Body> {
    let mut request = Request::builder().method("POST").uri(VERSIONS);
    request = request.header("content-type", "application/wasm");
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    request.body(body).expect("a request")
}

/// A body of which nothing comes.
fn silent() -> Body {
    Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stalls_is_given_up_and_makes_room() {
    let dir = folder();
    let limit = |limits: &mut ApiLimits| {
        limits.body_stall_max = Duration::from_millis(20);
        limits.uploads_at_once_max = 1;
    };
    let host = limited(dir.path(), &[], limit).await;
    let stalled = (408, "body-stalled".to_owned());
    assert_eq!(host.send(wasm(None, silent())).await.problem(), stalled);
    let put = Request::builder().method("PUT").uri(format!("{PIPELINES}/p"));
    let put = put.header("content-type", "application/json").body(silent()).expect("a request");
    assert_eq!(host.send(put).await.problem(), stalled);
    assert_eq!(host.upload(VERSIONS, "\0asm1").await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_is_given_up_and_makes_room() {
    let dir = folder();
    let limit = |limits: &mut ApiLimits| {
        limits.body_stall_max = Duration::from_millis(100);
        limits.body_rate_min = 1000;
        limits.uploads_at_once_max = 1;
    };
    let host = limited(dir.path(), &[], limit).await;
    // Never silent for long, and never done: a byte every 20 ms is a twentieth of the rate.
    let bytes = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"x")), ()))
    });
    let answer = host.send(wasm(None, Body::from_stream(bytes))).await;
    assert_eq!(answer.problem(), (408, "body-too-slow".to_owned()));
    assert_eq!(host.upload(VERSIONS, "\0asm1").await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_nobody_waits_for_keeps_its_turn_until_the_work_has_ended() {
    let dir = folder();
    let host = limited(dir.path(), &[], |limits| limits.uploads_at_once_max = 1).await;
    let (work, began) = host.runner.hold_inspection();
    let gone = tokio::spawn(host.router.clone().oneshot(wasm(None, Body::from("\0asm1"))));
    tokio::task::spawn_blocking(move || began.recv_timeout(Duration::from_secs(20)))
        .await
        .expect("no panic")
        .expect("the work began");
    gone.abort();
    assert!(gone.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(host.uploads_free(), 0, "the work goes on");
    drop(work);
    until_taken(|| host.uploads_free() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_over_those_that_may_wait_are_turned_away() {
    let dir = folder();
    let limit = |limits: &mut ApiLimits| {
        limits.uploads_at_once_max = 1;
        limits.uploads_waiting_max = 1;
    };
    let host = limited(dir.path(), &[], limit).await;
    let taken = tokio::spawn(host.router.clone().oneshot(wasm(None, silent())));
    let waiting = tokio::spawn(host.router.clone().oneshot(wasm(None, silent())));
    until_taken(|| host.state.upload_places.available_permits() == 0).await;
    let answer = host.upload(VERSIONS, "\0asm1").await;
    assert_eq!(answer.problem(), (503, "too-many-uploads".to_owned()));
    assert_eq!(answer.header("retry-after"), "1");
    for slow in [taken, waiting] {
        slow.abort();
        let _ = slow.await;
    }
    assert_eq!(host.upload(VERSIONS, "\0asm1").await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_its_headers_does_not_wait_for_other_uploads() {
    let dir = folder();
    let host = limited(dir.path(), &[], |limits| limits.uploads_at_once_max = 1).await;
    let slow = tokio::spawn(host.router.clone().oneshot(wasm(None, silent())));
    until_taken(|| host.uploads_free() == 0).await;
    let refused = host.send(wasm(Some("1001"), Body::from(vec![0; 1001])));
    let refused = tokio::time::timeout(Duration::from_secs(10), refused).await.expect("at once");
    assert_eq!(refused.problem(), (413, "body-too-large".to_owned()));
    slow.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_the_limit_are_turned_away_and_probes_are_not() {
    let dir = folder();
    let host = limited(dir.path(), &["secret"], |limits| limits.requests_at_once_max = 1).await;
    let token = [("authorization", "Bearer secret")];
    let mut slow = wasm(None, silent());
    slow.headers_mut().insert("authorization", "Bearer secret".parse().expect("a header"));
    let slow = tokio::spawn(host.router.clone().oneshot(slow));
    until_taken(|| host.uploads_free() == 1).await;
    let answer = host.send(request("GET", PIPELINES, &token, "")).await;
    assert_eq!(answer.problem(), (503, "too-many-requests".to_owned()));
    assert_eq!(answer.header("retry-after"), "1");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(host.send(request("GET", path, &token, "")).await.status, StatusCode::OK, "{path}");
    }
    // Whoever has no token is told so, and takes no place.
    assert_eq!(host.get(PIPELINES).await.problem(), (401, "token-missing".to_owned()));
    slow.abort();
    let _ = slow.await;
    assert_eq!(host.send(request("GET", PIPELINES, &token, "")).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_streams_over_the_limit_are_turned_away_and_pages_are_not() {
    let dir = folder();
    let host = limited(dir.path(), &[], |limits| limits.log_streams_max = 1).await;
    host.running("p").await;
    let first = host.follow("p").await;
    let path = format!("{PIPELINES}/p/logs");
    let second = host.send(request("GET", &path, &[("accept", "text/event-stream")], "")).await;
    assert_eq!(second.problem(), (503, "too-many-log-streams".to_owned()));
    assert_eq!(host.get(&path).await.status, StatusCode::OK);
    drop(first);
    drop(host.follow("p").await);
}

async fn until_taken(taken: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !taken() {
        assert!(Instant::now() < deadline, "no permit was taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
