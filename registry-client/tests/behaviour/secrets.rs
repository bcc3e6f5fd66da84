use std::time::Duration;

use axum::http::HeaderMap;
use tokio::runtime::Handle;
use wasmill_registry_client::Listing;
use wasmill_registry_client::RegistryClientBuilder;
use wasmill_registry_client::SchemaCache;
use wasmill_registry_client::SettingsError;

use crate::server::Fault;
use crate::server::Server;
use crate::server::quick;

const PASSWORD: &str = "hunter2-ünsafe";
const PAIR: &str = "dXNlcjpodW50ZXIyLcO8bnNhZmU=";

async fn sent(builder: RegistryClientBuilder) -> HeaderMap {
    let server = Server::start().await;
    builder.url(&server.url).build().expect("a client").subjects(Listing::Live).await.expect("answers");
    server.traffic.lock().expect("unpoisoned").headers.pop().expect("a request")
}

#[tokio::test]
async fn credentials_and_headers_are_sent() {
    let headers = sent(quick().basic_auth("user", PASSWORD)).await;
    assert_eq!(headers["authorization"], format!("Basic {PAIR}"));
    assert!(headers["accept"].to_str().expect("text").contains("application/vnd.schemaregistry.v1+json"));

    let headers = sent(quick().bearer_token("t0ken").header("target-sr-cluster", "lsrc-1")).await;
    assert_eq!(headers["authorization"], "Bearer t0ken");
    assert_eq!(headers["target-sr-cluster"], "lsrc-1");

    let server = Server::start().await;
    let url = server.url.replace("http://", "http://user:hunter2-%C3%BCnsafe@");
    quick().url(url).build().expect("a client").subjects(Listing::Live).await.expect("answers");
    assert_eq!(
        server.traffic.lock().expect("unpoisoned").headers[0]["authorization"],
        format!("Basic {PAIR}")
    );
}

#[tokio::test]
async fn secrets_are_never_shown() {
    let server = Server::start().await;
    // A server that repeats what it was sent, in every way an error may show it.
    let echo = format!("you sent {PASSWORD}, Basic {PAIR} and cust0m-secret");
    let builder = || {
        quick()
            .url(&server.url)
            .basic_auth("user", PASSWORD)
            .header("x-key", "cust0m-secret")
            .request_timeout(Duration::from_secs(2))
    };
    let mut shown = vec![format!("{:?}", builder())];
    let client = builder().build().expect("a client");
    for status in [200, 400, 401, 403, 404, 409, 422, 501, 503] {
        for body in [echo.clone(), format!("{{\"error_code\":{status},\"message\":\"{echo}\"}}")] {
            server.fail_always(Some(Fault::Body(status, body)));
            let error = client.schema(1).await.expect_err("an error");
            shown.push(format!("{error} {error:?}"));
        }
    }
    let cache = SchemaCache::new(client.clone(), Handle::current());
    shown.push(format!("{client:?} {cache:?} {:?}", client.urls()));
    for text in shown {
        for secret in [PASSWORD, PAIR, "cust0m-secret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn contradicting_settings_are_refused_without_secrets() {
    let errors = [
        quick().build(),
        quick().url("http://u:hunter2@h").basic_auth("u", "hunter3").build(),
        quick().url("http://h").basic_auth("u", "hunter2").bearer_token("hunter2").build(),
        quick().url("http://h").bearer_token("hunter2").header("Authorization", "hunter2").build(),
        quick().url("http://h").bearer_token("hunter2\n").build(),
        quick().url("http://h").header("x key", "hunter2").build(),
        quick().url("http://h").root_certificates_pem("hunter2").build(),
        quick()
            .url("https://h")
            .root_certificates_pem("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")
            .build(),
    ];
    for error in errors {
        let error: SettingsError = error.expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("hunter"), "{error}");
    }
    // The same credentials everywhere are no contradiction.
    quick().url("http://u:p@a").url("http://u:p@b").url("http://c").build().expect("a client");
}
