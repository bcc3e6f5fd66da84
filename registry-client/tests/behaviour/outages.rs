use std::time::Duration;
use std::time::Instant;

use wasmill_registry_client::Deletion;
use wasmill_registry_client::Listing;
use wasmill_registry_client::Outage;
use wasmill_registry_client::RegistryError;
use wasmill_registry_client::Schema;
use wasmill_registry_client::memory::MemoryRegistry;

use crate::server::Fault;
use crate::server::Server;
use crate::server::dead_url;
use crate::server::quick;

#[tokio::test]
async fn passing_faults_are_retried_and_hidden() {
    let server = Server::start().await;
    server.fail([Fault::Status(503), Fault::Reset]);
    assert_eq!(server.client().subjects(Listing::Live).await, Ok(vec![]));
    assert_eq!(server.count("GET /subjects"), 3);

    for status in [408, 429, 500, 502, 504] {
        server.fail([Fault::Status(status)]);
        server.client().subjects(Listing::Live).await.expect("the second attempt works");
    }
}

#[tokio::test]
async fn attempts_of_a_direct_call_are_bounded() {
    let server = Server::start().await;
    server.fail_always(Some(Fault::Status(503)));
    let error = server.client().register("s", &Schema::avro("\"int\"")).await.expect_err("unavailable");
    assert!(error.is_retryable(), "{error}");
    assert!(matches!(
        error,
        RegistryError::Unavailable { attempts: 3, cause: Outage::Status { status: 503, .. }, .. }
    ));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_status_that_does_not_pass_is_not_retried() {
    let server = Server::start().await;
    for status in [400, 401, 403, 404, 409, 418, 501, 505] {
        server.forget();
        server.fail([Fault::Status(status)]);
        let error = server.client().subjects(Listing::Live).await.expect_err("refused");
        assert!(!error.is_retryable(), "{error}");
        assert_eq!(server.requests().len(), 1, "{error}");
    }
}

#[tokio::test]
async fn a_deletion_that_may_have_happened_is_not_repeated() {
    let server = Server::start().await;
    server.client().register("s", &Schema::avro("\"int\"")).await.expect("registers");
    for fault in [Fault::Status(503), Fault::Reset] {
        server.forget();
        server.fail([fault]);
        let error = server.client().delete_subject("s", Deletion::Soft).await.expect_err("unsure");
        assert!(matches!(error, RegistryError::Unavailable { retryable: false, attempts: 1, .. }), "{error}");
        assert!(error.to_string().contains("look before repeating"), "{error}");
    }
    // 429 says that nothing was done.
    server.fail([Fault::Status(429)]);
    assert_eq!(server.client().delete_subject("s", Deletion::Soft).await, Ok(vec![1]));
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_timeout() {
    let server = Server::start().await;
    server.fail_always(Some(Fault::Delay(Duration::from_secs(60))));
    let client =
        quick().url(&server.url).request_timeout(Duration::from_millis(50)).build().expect("a client");
    let begun = Instant::now();
    let error = client.subjects(Listing::Live).await.expect_err("too slow");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(matches!(error, RegistryError::Unavailable { cause: Outage::Timeout(_), .. }), "{error}");
    assert!(error.to_string().contains("50 ms"), "{error}");
}

#[tokio::test]
async fn retry_after_is_honoured_within_its_bound() {
    let server = Server::start().await;
    server.fail([Fault::StatusWithHeader(429, "retry-after", "3600")]);
    let begun = Instant::now();
    server.client().subjects(Listing::Live).await.expect("works after the wait");
    // The policy of these tests bounds it to 300 ms and would wait 1 ms by itself.
    assert!((Duration::from_millis(300)..Duration::from_secs(30)).contains(&begun.elapsed()));
}

#[tokio::test]
async fn another_server_takes_over_and_is_kept() {
    let registry = MemoryRegistry::new();
    let (first, second) = (Server::with(registry.clone()).await, Server::with(registry).await);
    let client = quick().url(dead_url().await).url(&first.url).url(&second.url).build().expect("a client");
    client.subjects(Listing::Live).await.expect("the second URL answers");
    assert_eq!((first.requests().len(), second.requests().len()), (1, 0));

    first.fail_always(Some(Fault::Status(503)));
    client.subjects(Listing::Live).await.expect("the third URL answers");
    client.subjects(Listing::Live).await.expect("it still does");
    assert_eq!((first.requests().len(), second.requests().len()), (2, 2));
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error_that_names_the_url() {
    let url = dead_url().await;
    let client = quick().url(&url).build().expect("a client");
    let error = client.schema(7).await.expect_err("nobody there");
    assert!(matches!(error, RegistryError::Unavailable { cause: Outage::Connect(_), .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("schema id 7") && text.contains(&format!("{url}/schemas/ids/7")), "{text}");
}

#[tokio::test]
async fn https_goes_through_tls() {
    let url = dead_url().await.replace("http:", "https:");
    let error = quick().url(&url).build().expect("a client").schema(7).await.expect_err("nobody there");
    assert!(matches!(error, RegistryError::Unavailable { cause: Outage::Connect(_), .. }), "{error}");

    // A server that speaks plain HTTP fails the handshake.
    let server = Server::start().await;
    let client = quick().url(server.url.replace("http:", "https:")).build().expect("a client");
    let error = client.schema(7).await.expect_err("no TLS there");
    assert!(matches!(error, RegistryError::Unavailable { cause: Outage::Connect(_), .. }), "{error}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn garbage_is_a_protocol_error_with_an_excerpt() {
    let server = Server::start().await;
    for body in ["<html>hello</html>", "{\"schema\":", "{}", "", "\u{0}\u{1}", "[1,2"] {
        server.forget();
        server.fail([Fault::Body(200, body.to_owned())]);
        let error = server.client().schema(1).await.expect_err("garbage");
        assert!(matches!(error, RegistryError::Protocol { status: 200, .. }), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
    server.fail([Fault::Body(200, "<html>hello</html>".to_owned())]);
    let error = server.client().schema(1).await.expect_err("garbage").to_string();
    assert!(error.contains("<html>hello") && error.contains("base URL"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let server = Server::start().await;
    server.fail([Fault::Body(200, "x".repeat(2000))]);
    let client = quick().url(&server.url).response_bytes_max(1000).build().expect("a client");
    let error = client.schema(1).await.expect_err("too long");
    assert!(error.to_string().contains("1000 bytes"), "{error}");
}

#[tokio::test]
async fn a_redirection_is_named_not_followed() {
    let server = Server::start().await;
    server.fail([Fault::StatusWithHeader(307, "location", "http://u:hunter2@elsewhere/x")]);
    let error = server.client().schema(1).await.expect_err("redirected").to_string();
    assert!(error.contains("http://elsewhere/x") && !error.contains("hunter2"), "{error}");
}
