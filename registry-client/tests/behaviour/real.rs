//! The client against a real registry, for Avro, Protobuf and JSON Schema. `make test` runs these alone,
//! after all others, because they change settings of the whole registry. By hand:
//! `WASMILL_TEST_REGISTRY=http://127.0.0.1:8081/apis/ccompat/v7 cargo test -p wasmill-registry-client -- --ignored`

use std::time::SystemTime;

use tokio::runtime::Handle;
use wasmill_registry_client::Against;
use wasmill_registry_client::CompatibilityLevel;
use wasmill_registry_client::Deletion;
use wasmill_registry_client::Listing;
use wasmill_registry_client::Missing;
use wasmill_registry_client::Reference;
use wasmill_registry_client::Registration;
use wasmill_registry_client::RegistryClient;
use wasmill_registry_client::RegistryError;
use wasmill_registry_client::Schema;
use wasmill_registry_client::SchemaCache;
use wasmill_registry_client::SchemaType;
use wasmill_registry_client::Scope;

fn client() -> RegistryClient {
    let url = std::env::var("WASMILL_TEST_REGISTRY").expect("WASMILL_TEST_REGISTRY names a registry");
    RegistryClient::new_for(url).expect("a client")
}

/// A subject that no earlier run has used.
fn fresh(name: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
    format!("{name} {now} ü")
}

fn record(name: &str, fields: &str) -> Schema {
    Schema::avro(format!(r#"{{"type":"record","name":"{name}","namespace":"x","fields":[{fields}]}}"#))
}

#[tokio::test]
#[ignore = "runs alone on a real registry, after all other tests"]
async fn deploying_to_a_real_registry() {
    let (client, subject) = (client(), fresh("deploy"));
    client.set_compatibility_level(Scope::Global, CompatibilityLevel::Backward).await.expect("sets");
    assert_eq!(client.compatibility_level(Scope::Global).await, Ok(CompatibilityLevel::Backward));
    let one = record("U", r#"{"name":"a","type":"string"}"#);
    let Ok(Registration::Created(id)) = client.register_if_needed(&subject, &one).await else {
        panic!("the subject is new")
    };
    let wordy = Schema::avro(
        "{\"fields\": [ {\"type\": {\"type\":\"string\"}, \"name\": \"a\"} ],\n \"name\": \"x.U\", \"type\": \"record\" }",
    );
    assert_eq!(client.register_if_needed(&subject, &wordy).await, Ok(Registration::Found(id)));
    let bad = record("U", r#"{"name":"a","type":"string"},{"name":"c","type":"int"}"#);
    let report = client.check_compatibility(&subject, &bad, Against::Latest).await.expect("checks");
    assert!(!report.compatible);
    let error = client.register_if_needed(&subject, &bad).await.expect_err("incompatible");
    assert!(matches!(error, RegistryError::Incompatible { .. }), "{error}");
    assert!(matches!(client.register(&subject, &bad).await, Err(RegistryError::Incompatible { .. })));
    let error = client.register(&subject, &Schema::avro("{not avro")).await.expect_err("invalid");
    assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    let two = record("U", r#"{"name":"a","type":"string"},{"name":"b","type":"int","default":0}"#);
    assert!(matches!(client.register_if_needed(&subject, &two).await, Ok(Registration::Created(_))));
    assert_eq!(client.register_if_needed(&subject, &wordy).await, Ok(Registration::Found(id)));
    assert_eq!(client.versions(&subject, Listing::Live).await, Ok(vec![1, 2]));
    assert!(client.subjects(Listing::Live).await.expect("lists").contains(&subject));
    assert_eq!(client.delete_subject(&subject, Deletion::Soft).await, Ok(vec![1, 2]));
    let error = client.latest(&subject).await.expect_err("deleted");
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs alone on a real registry, after all other tests"]
async fn reading_from_a_real_registry() {
    let client = client();
    let cache = SchemaCache::new(client.clone(), Handle::current());
    let error = cache.fetch(2_000_000_000).await.expect_err("unknown");
    assert!(
        matches!(&*error, RegistryError::NotFound { what: Missing::SchemaId(2_000_000_000), .. }),
        "{error}"
    );
    let cases = [
        (
            SchemaType::Avro,
            "x.Addr",
            record("Addr", r#"{"name":"s","type":"string"}"#),
            record("Cust", r#"{"name":"ad","type":"x.Addr"}"#),
        ),
        (
            SchemaType::Protobuf,
            "common.proto",
            Schema::protobuf("syntax = \"proto3\"; package p; message C { string id = 1; }"),
            Schema::protobuf(
                "syntax = \"proto3\"; package p; import \"common.proto\"; message E { C c = 1; int32 n = 2; }",
            ),
        ),
        (
            SchemaType::Json,
            "jaddr.json",
            Schema::json(
                r#"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"jaddr.json","type":"object"}"#,
            ),
            Schema::json(
                r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"$ref":"jaddr.json"}}}"#,
            ),
        ),
    ];
    for (schema_type, name, leaf, root) in cases {
        let (inner, outer) = (fresh("inner"), fresh("outer"));
        client.register_if_needed(&inner, &leaf).await.expect("registers");
        let reference = Reference { name: name.into(), subject: inner.clone(), version: 1 };
        let root = root.with_references(vec![reference]);
        let id = client.register_if_needed(&outer, &root).await.expect("registers").id();
        assert_eq!(client.register_if_needed(&outer, &root).await, Ok(Registration::Found(id)));
        let schema = cache.fetch(id).await.expect("fetches");
        assert_eq!((schema.id, &schema.schema_type), (id, &schema_type));
        let [resolved] = &*schema.references else { panic!("{schema:?}") };
        assert_eq!((resolved.name.as_str(), resolved.subject.as_str()), (name, inner.as_str()));
        assert!(!resolved.text.is_empty());
        assert_eq!(client.referenced_by(&inner, 1).await, Ok(vec![id]));
    }
}
