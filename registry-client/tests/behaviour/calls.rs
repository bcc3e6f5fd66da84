use wasmill_registry_client::Against;
use wasmill_registry_client::CompatibilityLevel;
use wasmill_registry_client::Deletion;
use wasmill_registry_client::Listing;
use wasmill_registry_client::Missing;
use wasmill_registry_client::Mode;
use wasmill_registry_client::Reference;
use wasmill_registry_client::RegistryError;
use wasmill_registry_client::Schema;
use wasmill_registry_client::SchemaType;
use wasmill_registry_client::Scope;
use wasmill_registry_client::Version;

use crate::server::Fault;
use crate::server::Server;
use crate::server::quick;

pub(crate) fn record(name: &str, fields: &str) -> Schema {
    Schema::avro(format!(r#"{{"type":"record","name":"{name}","namespace":"x","fields":[{fields}]}}"#))
}

fn reference(name: &str, subject: &str, version: u32) -> Reference {
    Reference { name: name.into(), subject: subject.into(), version }
}

#[tokio::test]
async fn a_subject_from_birth_to_death() {
    let server = Server::start().await;
    let client = quick().url(format!("{}/apis/ccompat/v7/", server.url)).build().expect("a client");
    let one = record("U", r#"{"name":"a","type":"string"}"#);
    let two = record("U", r#"{"name":"a","type":"string"},{"name":"b","type":"int","default":0}"#);

    let first = client.register("t-value", &one).await.expect("registers");
    assert_eq!(client.register("t-value", &one).await, Ok(first), "the same schema, the same id");
    assert_eq!(client.register("other", &one).await, Ok(first), "in another subject too");
    let second = client.register("t-value", &two).await.expect("registers");
    assert_ne!(first, second);

    assert_eq!(client.subjects(Listing::Live).await, Ok(vec!["other".to_owned(), "t-value".to_owned()]));
    assert_eq!(client.versions("t-value", Listing::Live).await, Ok(vec![1, 2]));
    assert_eq!(client.schema(first).await, Ok(one.clone()));
    let latest = client.latest("t-value").await.expect("is there");
    assert_eq!((latest.version, latest.id, &latest.schema), (2, second, &two));
    assert_eq!(client.version("t-value", 1).await.expect("is there").id, first);
    assert_eq!(client.lookup("t-value", &one).await.expect("is there").version, 1);

    assert_eq!(client.delete_version("t-value", 1, Deletion::Soft).await, Ok(1));
    assert_eq!(client.versions("t-value", Listing::Live).await, Ok(vec![2]));
    assert_eq!(client.versions("t-value", Listing::WithDeleted).await, Ok(vec![1, 2]));
    assert_eq!(client.schema(first).await, Ok(one.clone()), "ids outlive versions");
    let error =
        client.delete_version("t-value", 2, Deletion::Permanent).await.expect_err("not softly deleted");
    assert!(matches!(error, RegistryError::NotFound { code: 40407, .. }), "{error}");
    assert_eq!(client.delete_subject("t-value", Deletion::Soft).await, Ok(vec![2]));
    assert_eq!(client.delete_subject("t-value", Deletion::Permanent).await, Ok(vec![1, 2]));
    assert_eq!(client.subjects(Listing::WithDeleted).await, Ok(vec!["other".to_owned()]));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let server = Server::start().await;
    let client = server.client();
    let schema = record("U", "");
    client.register("s", &schema).await.expect("registers");
    let cases = [
        (client.latest("nope").await.expect_err("missing"), 40401, Missing::Subject("nope".into())),
        (
            client.version("s", 9).await.expect_err("missing"),
            40402,
            Missing::Version { subject: "s".into(), version: "9".into() },
        ),
        (client.schema(99).await.expect_err("missing"), 40403, Missing::SchemaId(99)),
        (
            client.lookup("s", &Schema::avro("\"int\"")).await.expect_err("missing"),
            40403,
            Missing::SchemaOf("s".into()),
        ),
        (
            client.compatibility_level(Scope::Subject("s")).await.expect_err("missing"),
            40408,
            Missing::Setting("s".into()),
        ),
    ];
    for (error, expected_code, expected) in cases {
        let RegistryError::NotFound { what, code, .. } = &error else { panic!("{error}") };
        assert_eq!((what, *code), (&expected, expected_code));
        assert!(error.to_string().contains(&server.url), "{error}");
    }
}

#[tokio::test]
async fn invalid_schemas_and_types_are_told_apart_from_bad_requests() {
    let server = Server::start().await;
    let client = server.client();
    let error = client.register("s", &Schema::avro("{not avro")).await.expect_err("invalid");
    assert!(matches!(error, RegistryError::Invalid { code: 42201, .. }), "{error}");
    for schema in [Schema::json("{}"), Schema::protobuf("message A {}")] {
        let error = client.register("s", &schema).await.expect_err("invalid").to_string();
        assert!(error.contains("AVRO only") && error.contains(schema.schema_type.as_str()), "{error}");
    }
    assert_eq!(client.subjects(Listing::Live).await, Ok(vec![]));
    assert_eq!(client.schema_types().await, Ok(vec![SchemaType::Avro]));
}

#[tokio::test]
async fn levels_and_modes() {
    let server = Server::start().await;
    let client = server.client();
    assert_eq!(client.compatibility_level(Scope::Global).await, Ok(CompatibilityLevel::Backward));
    client.set_compatibility_level(Scope::Global, CompatibilityLevel::FullTransitive).await.expect("sets");
    assert_eq!(client.compatibility_level(Scope::Global).await, Ok(CompatibilityLevel::FullTransitive));
    client.set_compatibility_level(Scope::Subject("a/b"), CompatibilityLevel::None).await.expect("sets");
    assert_eq!(client.compatibility_level(Scope::Subject("a/b")).await, Ok(CompatibilityLevel::None));

    assert_eq!(client.mode(Scope::Global).await, Ok(Mode::ReadWrite));
    client.set_mode(Scope::Subject("s"), Mode::ReadOnly).await.expect("sets");
    let error = client.register("s", &record("U", "")).await.expect_err("read-only");
    assert!(matches!(error, RegistryError::Invalid { code: 42205, .. }), "{error}");
    let error = client.set_mode(Scope::Global, Mode::Import).await.expect_err("not offered");
    assert!(matches!(error, RegistryError::Invalid { code: 42204, .. }), "{error}");
}

#[tokio::test]
async fn compatibility_is_checked_with_reasons() {
    let server = Server::start().await;
    let client = server.client();
    client.register("s", &record("U", r#"{"name":"a","type":"string"}"#)).await.expect("registers");
    let bad = record("U", r#"{"name":"a","type":"string"},{"name":"c","type":"int"}"#);
    for against in [Against::Latest, Against::Version(1), Against::Configured] {
        let report = client.check_compatibility("s", &bad, against).await.expect("checks");
        assert!(!report.compatible);
        assert!(report.messages.iter().any(|reason| reason.contains("'c'")), "{report:?}");
    }
    let error = client.register("s", &bad).await.expect_err("incompatible");
    let RegistryError::Incompatible { subject, messages, .. } = &error else { panic!("{error}") };
    assert!(subject == "s" && messages[0].contains("READER_FIELD_MISSING_DEFAULT_VALUE"), "{error}");
    assert_eq!(client.versions("s", Listing::Live).await, Ok(vec![1]));
}

#[tokio::test]
async fn references_are_resolved_in_dependency_order_once_each() {
    let server = Server::start().await;
    let client = server.client();
    let leaf = record("Leaf", r#"{"name":"a","type":"int"}"#);
    client.register("leaf", &leaf).await.expect("registers");
    let field = |name: &str, of: &str| format!(r#"{{"name":"{name}","type":"x.{of}"}}"#);
    let left = record("Left", &field("l", "Leaf")).with_references(vec![reference("x.Leaf", "leaf", 1)]);
    let right = record("Right", &field("l", "Leaf")).with_references(vec![reference("x.Leaf", "leaf", 1)]);
    client.register("left", &left).await.expect("registers");
    client.register("right", &right).await.expect("registers");
    let top = record("Top", &format!("{},{}", field("l", "Left"), field("r", "Right")))
        .with_references(vec![reference("x.Left", "left", 1), reference("x.Right", "right", 1)]);
    let id = client.register("top", &top).await.expect("registers");

    server.forget();
    let resolved = client.registered_schema(id).await.expect("resolves");
    let names: Vec<&str> = resolved.references.iter().map(|reference| reference.name.as_str()).collect();
    assert_eq!(names, ["x.Leaf", "x.Left", "x.Right"]);
    assert_eq!(resolved.reference_texts(), [&*leaf.text, &*left.text, &*right.text]);
    assert_eq!((&resolved.text, server.requests().len()), (&top.text, 4));

    assert_eq!(client.referenced_by("leaf", 1).await.expect("answers").len(), 2);
    let error = client.delete_version("leaf", 1, Deletion::Soft).await.expect_err("still used");
    assert!(matches!(error, RegistryError::Invalid { code: 42206, .. }), "{error}");
    let error = client
        .register("top", &Schema::avro("\"x.Gone\"").with_references(vec![reference("x.Gone", "gone", 1)]))
        .await
        .expect_err("no such reference");
    assert!(matches!(error, RegistryError::Invalid { code: 42201, .. }), "{error}");
}

#[tokio::test]
async fn cycles_and_endless_chains_of_references_end() {
    let server = Server::start().await;
    let version = |subject: &str, next: &str| {
        Fault::Body(
            200,
            format!(
                r#"{{"subject":"{subject}","version":1,"id":1,"schema":"\"int\"",
                "references":[{{"name":"{next}","subject":"{next}","version":1}}]}}"#
            ),
        )
    };
    let start = Schema::avro("\"int\"").with_references(vec![reference("a", "a", 1)]);
    server.fail([version("a", "b"), version("b", "a")]);
    let error = server.client().resolve_references(&start).await.expect_err("a cycle");
    assert!(
        matches!(&error, RegistryError::References { detail, .. } if detail.contains("itself")),
        "{error}"
    );

    server.forget();
    server.fail((0..100).map(|index| version(&format!("s{index}"), &format!("s{}", index + 1))));
    let error = server.client().resolve_references(&start).await.expect_err("too deep");
    assert!(matches!(&error, RegistryError::References { detail, .. } if detail.contains("32")), "{error}");
    assert_eq!(server.requests().len(), 32);
}

#[tokio::test]
async fn references_of_too_much_text_or_in_too_great_a_number_end() {
    let server = Server::start().await;
    let version = |text: usize, references: &[Reference]| {
        let text = format!("\"{}\"", "x".repeat(text));
        let schema = Schema::avro(text).with_references(references.to_vec());
        let mut body = serde_json::to_value(&schema).expect("JSON");
        body["subject"] = "s".into();
        body["version"] = 1.into();
        body["id"] = 1.into();
        Fault::Body(200, body.to_string())
    };
    // Each is within the bound, all together are not: no more is fetched than fits.
    let start = Schema::avro("\"int\"")
        .with_references((0..64).map(|n| reference(&format!("r{n}"), &format!("s{n}"), 1)).collect());
    server.fail_always(Some(version(1 << 20, &[])));
    let error = server.client().resolve_references(&start).await.expect_err("too much");
    assert!(
        matches!(&error, RegistryError::References { detail, .. } if detail.contains("bytes")),
        "{error}"
    );
    assert_eq!(server.requests().len(), 16);

    // The same few, named over and over.
    let few: Vec<Reference> = (0..500).map(|_| reference("leaf", "leaf", 1)).collect();
    server.fail([version(1, &few), version(1, &[])]);
    server.fail((0..63).map(|_| version(1, &few)));
    server.fail_always(Some(version(1, &[])));
    let error = server.client().resolve_references(&start).await.expect_err("too many steps");
    assert!(matches!(&error, RegistryError::References { detail, .. } if detail.contains("512")), "{error}");
    let many = Schema::avro("\"int\"").with_references(vec![reference("leaf", "leaf", 1); 513]);
    server.forget();
    server.client().resolve_references(&many).await.expect_err("too many at once");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn answers_of_other_registries_are_understood() {
    let server = Server::start().await;
    let client = server.client();
    server.fail([
        Fault::Body(200, r#"{"schema":"{}","schemaType":"JSON","references":null,"extra":1}"#.into()),
        Fault::Body(200, r#"{"schema":"\"int\"","schemaType":null}"#.into()),
        Fault::Body(200, r#"{"schema":"x","schemaType":"THRIFT"}"#.into()),
    ]);
    assert_eq!(client.schema(1).await, Ok(Schema::json("{}")));
    assert_eq!(client.schema(1).await, Ok(Schema::avro("\"int\"")));
    assert_eq!(client.schema(1).await.expect("parses").schema_type, SchemaType::Other("THRIFT".into()));
    assert_eq!(Version::from(3).to_string(), "3");
}
