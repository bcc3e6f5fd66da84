use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;
use wasmill_registry_client::Listing;
use wasmill_registry_client::RegistryError;
use wasmill_registry_client::Schema;

use crate::server::Server;

fn subject() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        "/", "%", "%2F", "..", ".", "?", "#", " ", "+", "\\", "\0", "\n", ":", ";", "&", "=", "ü", "🦀",
        "\u{202e}", "@",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(awkward, 1..6).prop_map(|parts| parts.concat()),]
        .prop_filter("names no URL can carry", |name| !matches!(name.as_str(), "" | "." | ".."))
}

#[test]
fn subjects_of_any_unicode_round_trip() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let server = runtime.block_on(Server::start());
    let client = server.client();
    let schema = Schema::avro("\"string\"");
    TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() })
        .run(&subject(), |subject| {
            runtime.block_on(async {
                let id = client.register(&subject, &schema).await.expect("registers");
                let latest = client.latest(&subject).await.expect("is there");
                prop_assert_eq!(
                    (latest.subject.as_str(), latest.version, latest.id),
                    (subject.as_str(), 1, id)
                );
                let found = client.lookup(&subject, &schema).await.expect("is found");
                prop_assert_eq!(&found.subject, &subject);
                prop_assert!(client.subjects(Listing::Live).await.expect("answers").contains(&subject));
                Ok(())
            })
        })
        .expect("every subject round-trips");
}

#[tokio::test]
async fn names_that_no_url_can_carry_are_refused_before_anything_is_sent() {
    let server = Server::start().await;
    for name in ["", ".", ".."] {
        let error = server.client().latest(name).await.expect_err("refused");
        assert!(matches!(error, RegistryError::SubjectName { .. }), "{error}");
    }
    assert!(server.requests().is_empty());
}
