use wasmill_registry_client::CompatibilityLevel;
use wasmill_registry_client::Listing;
use wasmill_registry_client::Registration;
use wasmill_registry_client::RegistryError;
use wasmill_registry_client::Schema;
use wasmill_registry_client::Scope;

use crate::calls::record;
use crate::server::Fault;
use crate::server::Server;

#[tokio::test]
async fn a_schema_that_differs_only_in_formatting_makes_no_new_version() {
    let server = Server::start().await;
    let client = server.client();
    let terse = record("U", r#"{"name":"a","type":"string"}"#);
    let Registration::Created(id) = client.register_if_needed("s", &terse).await.expect("registers") else {
        panic!("the subject was empty")
    };
    let wordy = Schema::avro(
        "{ \"namespace\": \"x\", \"name\": \"U\",\n\t\"fields\": [ {\"type\": {\"type\":\"string\"}, \"name\": \"a\"} ],\n \"type\": \"record\" }",
    );
    assert_eq!(client.register_if_needed("s", &wordy).await, Ok(Registration::Found(id)));

    // Also where the registry compares texts byte by byte and finds nothing.
    server.forget();
    server.fail([Fault::Body(404, r#"{"error_code":40403,"message":"Schema not found"}"#.into())]);
    assert_eq!(client.register_if_needed("s", &wordy).await, Ok(Registration::Found(id)));
    assert_eq!(server.count("POST /subjects/s/versions"), 0);
    assert_eq!(client.versions("s", Listing::Live).await, Ok(vec![1]));
}

#[tokio::test]
async fn an_older_version_is_found_again() {
    let server = Server::start().await;
    let client = server.client();
    let one = record("U", r#"{"name":"a","type":"string"}"#);
    let two = record("U", r#"{"name":"a","type":"string"},{"name":"b","type":"int","default":0}"#);
    let first = client.register_if_needed("s", &one).await.expect("registers").id();
    assert!(matches!(client.register_if_needed("s", &two).await, Ok(Registration::Created(_))));
    server.fail([Fault::Body(404, r#"{"error_code":40403,"message":"Schema not found"}"#.into())]);
    assert_eq!(
        client.find("s", &one).await.expect("asks").map(|found| (found.id, found.version)),
        Some((first, 1))
    );
    assert_eq!(client.find("s", &record("V", "")).await, Ok(None));
    assert_eq!(client.find("nope", &one).await, Ok(None));
}

#[tokio::test]
async fn an_incompatible_schema_is_refused_and_nothing_registered() {
    let server = Server::start().await;
    let client = server.client();
    client.register("s", &record("U", r#"{"name":"a","type":"string"}"#)).await.expect("registers");
    let bad = record("U", r#"{"name":"a","type":"long"}"#);
    server.forget();
    let error = client.register_if_needed("s", &bad).await.expect_err("incompatible");
    let RegistryError::Incompatible { messages, .. } = &error else { panic!("{error}") };
    assert!(messages.iter().any(|reason| reason.contains("TYPE_MISMATCH")), "{error}");
    assert_eq!(server.count("POST /subjects/s/versions"), 0);
    assert_eq!(client.versions("s", Listing::Live).await, Ok(vec![1]));

    client.set_compatibility_level(Scope::Subject("s"), CompatibilityLevel::None).await.expect("sets");
    assert!(matches!(client.register_if_needed("s", &bad).await, Ok(Registration::Created(_))));
}

#[tokio::test]
async fn a_rival_that_registers_the_same_at_the_same_time_is_no_conflict() {
    let server = Server::start().await;
    let client = server.client();
    let schema = record("U", r#"{"name":"a","type":"string"}"#);
    let rival = client.register("s", &schema).await.expect("registers");
    let not_yet = || Fault::Body(404, r#"{"error_code":40401,"message":"Subject not found"}"#.into());
    let conflict = || Fault::Body(409, r#"{"error_code":409,"message":"'s' already exists."}"#.into());
    server.fail([not_yet(), not_yet(), conflict()]);
    assert_eq!(client.register_if_needed("s", &schema).await, Ok(Registration::Found(rival)));

    // A rival with another schema: asked again, the registry takes this one too.
    server.fail([not_yet(), not_yet(), conflict()]);
    assert!(matches!(client.register_if_needed("t", &schema).await, Ok(Registration::Created(_))));
    server.fail([not_yet(), not_yet(), conflict(), Fault::Pass, conflict()]);
    let refused = client.register_if_needed("u", &schema).await.expect_err("twice refused");
    assert!(matches!(refused, RegistryError::Incompatible { .. }), "{refused}");
}

#[tokio::test]
async fn a_change_that_matters_makes_a_new_version() {
    let server = Server::start().await;
    let client = server.client();
    client.register("s", &record("U", r#"{"name":"a","type":"string"}"#)).await.expect("registers");
    let documented = record("U", r#"{"name":"a","type":"string","doc":"the first"}"#);
    assert!(matches!(client.register_if_needed("s", &documented).await, Ok(Registration::Created(_))));
    assert_eq!(client.versions("s", Listing::Live).await, Ok(vec![1, 2]));
}

#[tokio::test]
async fn an_outage_at_any_step_registers_once() {
    for step in 0..3 {
        let server = Server::start().await;
        let client = server.client();
        client.register("s", &Schema::avro("\"int\"")).await.expect("registers");
        server.fail((0..step).map(|_| Fault::Pass).chain([Fault::Reset, Fault::Status(503)]));
        let id = client.register_if_needed("s", &Schema::avro("\"long\"")).await.expect("registers").id();
        assert_eq!(
            client.register_if_needed("s", &Schema::avro(" \"long\"")).await,
            Ok(Registration::Found(id))
        );
        assert_eq!(client.versions("s", Listing::Live).await, Ok(vec![1, 2]));
    }
}
