use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use tokio::runtime::Handle;
use wasmill_registry_client::CacheLimits;
use wasmill_registry_client::Lookup;
use wasmill_registry_client::RegistryClient;
use wasmill_registry_client::RegistryError;
use wasmill_registry_client::Schema;
use wasmill_registry_client::SchemaCache;

use crate::server::Fault;
use crate::server::Server;

fn limits() -> CacheLimits {
    CacheLimits {
        unknown_ttl: Duration::from_secs(30),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(5),
        ..CacheLimits::default()
    }
}

fn cache_of(client: RegistryClient, limits: CacheLimits) -> Arc<SchemaCache> {
    Arc::new(SchemaCache::with_limits(client, Handle::current(), limits))
}

/// Asks as the data path does until `wanted` holds.
async fn until(cache: &SchemaCache, id: u32, wanted: impl Fn(&Lookup) -> bool) -> Lookup {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let lookup = cache.get(id);
        if wanted(&lookup) {
            return lookup;
        }
        assert!(Instant::now() < deadline, "still {lookup:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn is_ready(lookup: &Lookup) -> bool {
    matches!(lookup, Lookup::Ready(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_ask_one_request_is_sent() {
    let server = Server::start().await;
    let id = server.client().register("s", &Schema::avro("\"int\"")).await.expect("registers");
    server.forget();
    server.fail([Fault::Delay(Duration::from_millis(100))]);
    let cache = cache_of(server.client(), limits());
    let getters: Vec<_> = (0..8)
        .map(|_| {
            let cache = Arc::clone(&cache);
            std::thread::spawn(move || (0..1000).map(|_| cache.get(id)).filter(is_ready).count())
        })
        .collect();
    let fetches: Vec<_> = (0..50)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.fetch(id).await })
        })
        .collect();
    for getter in getters {
        getter.join().expect("no panic");
    }
    for fetch in fetches {
        assert_eq!(fetch.await.expect("no panic").expect("fetched").text, "\"int\"");
    }
    assert!(is_ready(&cache.get(id)));
    assert_eq!(server.requests(), [format!("GET /schemas/ids/{id}")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_never_waits_for_a_slow_registry() {
    let server = Server::start().await;
    server.fail_always(Some(Fault::Delay(Duration::from_secs(60))));
    let cache = cache_of(server.client(), limits());
    let begun = Instant::now();
    assert!((0..100).all(|id| matches!(cache.get(id), Lookup::Pending)));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_and_outlived() {
    let server = Server::start().await;
    let id = server.client().register("s", &Schema::avro("\"int\"")).await.expect("registers");
    server.forget();
    let begun = SystemTime::now();
    let cache = cache_of(server.client(), limits());
    // Down, misconfigured or talking nonsense: nothing of it says that the schema does not exist.
    for fault in [
        Fault::Status(503),
        Fault::Reset,
        Fault::Status(401),
        Fault::Status(404),
        Fault::Body(200, "<html>".into()),
    ] {
        server.forget();
        server.fail_always(Some(fault));
        let lookup = until(&cache, id, |lookup| {
            matches!(lookup, Lookup::Unavailable { .. }) && server.requests().len() > 10
        })
        .await;
        let Lookup::Unavailable { since, error } = lookup else { panic!("{lookup:?}") };
        assert!(since >= begun - Duration::from_secs(1) && since <= SystemTime::now(), "{error}");
    }
    server.fail_always(None);
    until(&cache, id, is_ready).await;
    server.forget();
    assert!(is_ready(&cache.get(id)));
    assert!(server.requests().is_empty(), "ids are cached for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backoff_keeps_the_load_of_an_outage_small() {
    let server = Server::start().await;
    server.fail_always(Some(Fault::Status(503)));
    let slow = CacheLimits {
        backoff_min: Duration::from_millis(50),
        backoff_max: Duration::from_millis(200),
        ..limits()
    };
    let cache = cache_of(server.client(), slow);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1000) {
        cache.get(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Full jitter waits 100 ms on average once the ceiling is reached: 10 or so, never one for each get.
    let requests = server.requests().len();
    assert!((3..=40).contains(&requests), "{requests}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_id_is_remembered_for_a_while_only() {
    let server = Server::start().await;
    let cache =
        cache_of(server.client(), CacheLimits { unknown_ttl: Duration::from_millis(300), ..limits() });
    let lookup = until(&cache, 1, |lookup| matches!(lookup, Lookup::Unknown(_))).await;
    let Lookup::Unknown(error) = lookup else { panic!("{lookup:?}") };
    assert!(matches!(*error, RegistryError::NotFound { code: 40403, .. }), "{error}");
    for _ in 0..100 {
        assert!(cache.fetch(1).await.is_err());
    }
    assert_eq!(server.count("GET /schemas/ids/1"), 1);
    assert_eq!(server.client().register("s", &Schema::avro("\"int\"")).await, Ok(1));
    until(&cache, 1, is_ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_registered_after_a_miss_is_found_for_a_record_that_came_after_it() {
    let server = Server::start().await;
    let cache =
        cache_of(server.client(), CacheLimits { unknown_pause: Duration::from_millis(1), ..limits() });
    until(&cache, 1, |lookup| matches!(lookup, Lookup::Unknown(_))).await;
    assert_eq!(server.client().register("s", &Schema::avro("\"int\"")).await, Ok(1));
    let received = Instant::now();
    let deadline = received + Duration::from_secs(10);
    loop {
        match cache.get_for(1, received) {
            Lookup::Ready(schema) => break assert_eq!(schema.text, "\"int\""),
            Lookup::Pending => assert!(Instant::now() < deadline, "still pending"),
            other => panic!("an old answer was taken: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_asked_before_the_record_came_says_nothing_of_it() {
    let server = Server::start().await;
    server.fail([Fault::Delay(Duration::from_millis(100))]);
    let cache =
        cache_of(server.client(), CacheLimits { unknown_pause: Duration::from_millis(1), ..limits() });
    assert!(matches!(cache.get(1), Lookup::Pending));
    // The request is under way, and was sent before this record came.
    while server.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let received = Instant::now();
    while matches!(cache.get_for(1, received), Lookup::Pending) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(cache.get_for(1, received), Lookup::Unknown(_)));
    assert_eq!(server.count("GET /schemas/ids/1"), 2, "asked again, once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_records_of_an_unknown_id_ask_no_oftener_than_the_pause_allows() {
    let server = Server::start().await;
    let cache =
        cache_of(server.client(), CacheLimits { unknown_pause: Duration::from_millis(200), ..limits() });
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1000) {
        cache.get_for(1, Instant::now());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let requests = server.requests().len();
    assert!((2..=6).contains(&requests), "{requests}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetch_gives_up_after_the_clients_attempts_and_the_flight_goes_on() {
    let server = Server::start().await;
    let id = server.client().register("s", &Schema::avro("\"int\"")).await.expect("registers");
    server.fail_always(Some(Fault::Status(503)));
    let cache = cache_of(server.client(), limits());
    let error = cache.fetch(id).await.expect_err("down");
    assert!(error.is_retryable(), "{error}");
    server.fail_always(None);
    until(&cache, id, is_ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_cache_ends_its_fetches() {
    let server = Server::start().await;
    server.fail_always(Some(Fault::Status(503)));
    let cache = cache_of(server.client(), limits());
    until(&cache, 1, |lookup| matches!(lookup, Lookup::Unavailable { .. })).await;
    // It asks again and again while it lives, so that silence is its end.
    let silence = 10 * limits().backoff_max;
    server.forget();
    let begun = Instant::now();
    while server.requests().len() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not ask again");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(cache);
    let dropped = Instant::now();
    loop {
        // One request may have been under way.
        server.forget();
        tokio::time::sleep(silence).await;
        if server.requests().is_empty() {
            break;
        }
        assert!(dropped.elapsed() < Duration::from_secs(30), "it still asks");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_nobody_asks_for_any_more_ends() {
    let server = Server::start().await;
    server.fail_always(Some(Fault::Status(503)));
    let cache =
        cache_of(server.client(), CacheLimits { abandoned_after: Duration::from_millis(50), ..limits() });
    cache.get(1);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !cache.is_empty() {
        assert!(Instant::now() < deadline, "the flight goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(cache.get(1), Lookup::Pending), "asked again it starts anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_used_make_room() {
    let server = Server::start().await;
    let client = server.client();
    let mut ids = Vec::new();
    for index in 0..30 {
        let schema = Schema::avro(format!(r#"{{"type":"fixed","name":"F{index}","size":{}}}"#, index + 1));
        ids.push(client.register(&format!("s{index}"), &schema).await.expect("registers"));
    }
    for bounds in
        [CacheLimits { entries_max: 10, ..limits() }, CacheLimits { text_bytes_max: 3000, ..limits() }]
    {
        let cache = cache_of(client.clone(), bounds);
        for id in &ids {
            cache.fetch(*id).await.expect("fetched");
            cache.fetch(ids[0]).await.expect("fetched");
            tokio::task::yield_now().await;
        }
        assert!(cache.len() <= 10, "{}", cache.len());
        server.forget();
        cache.fetch(ids[0]).await.expect("fetched");
        assert!(server.requests().is_empty(), "what is used stays");
        cache.fetch(ids[1]).await.expect("fetched");
        assert_eq!(server.requests().len(), 1, "what is not used went");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_takes_for_ever_leaves_its_place_to_others() {
    let server = Server::start().await;
    let id = server.client().register("s", &Schema::avro("\"int\"")).await.expect("registers");
    server.fail([Fault::Delay(Duration::from_secs(60))]);
    let short = CacheLimits { requests_max: 1, attempt_max: Duration::from_millis(50), ..limits() };
    let cache = cache_of(server.client(), short);
    assert!(matches!(cache.get(99), Lookup::Pending));
    while server.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    until(&cache, id, is_ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flights_are_bounded() {
    let server = Server::start().await;
    server.fail_always(Some(Fault::Delay(Duration::from_millis(20))));
    let cache = cache_of(server.client(), CacheLimits { flights_max: 4, requests_max: 2, ..limits() });
    for id in 0..100 {
        assert!(matches!(cache.get(id), Lookup::Pending));
    }
    assert_eq!(cache.len(), 4);
    // Those refused get their turn.
    until(&cache, 99, |lookup| matches!(lookup, Lookup::Unknown(_))).await;
}

#[test]
fn a_runtime_that_is_gone_blocks_nobody() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::start());
    let cache = SchemaCache::new(server.client(), runtime.handle().clone());
    runtime.shutdown_background();
    assert!(matches!(cache.get(1), Lookup::Pending));
    let other = tokio::runtime::Runtime::new().expect("a runtime");
    let error = other.block_on(cache.fetch(1)).expect_err("nobody fetches");
    assert!(error.to_string().contains("shut down"), "{error}");
}
