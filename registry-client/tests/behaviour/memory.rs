//! What the in-memory registry takes for compatible.

use wasmill_registry_client::Against;
use wasmill_registry_client::CompatibilityLevel;
use wasmill_registry_client::Schema;
use wasmill_registry_client::Scope;

use crate::calls::record;
use crate::server::Server;

/// Whether the second schema may follow the first, under BACKWARD and under FORWARD.
async fn may_follow(old: &Schema, new: &Schema) -> (bool, bool) {
    let server = Server::start().await;
    let client = server.client();
    client.register("s", old).await.expect("registers");
    let mut verdicts = Vec::new();
    for level in [CompatibilityLevel::Backward, CompatibilityLevel::Forward, CompatibilityLevel::Full] {
        client.set_compatibility_level(Scope::Subject("s"), level).await.expect("sets");
        let report = client.check_compatibility("s", new, Against::Latest).await.expect("checks");
        assert_eq!(report.compatible, report.messages.is_empty());
        verdicts.push(report.compatible);
    }
    assert_eq!(verdicts[2], verdicts[0] && verdicts[1], "FULL is both");
    client.set_compatibility_level(Scope::Subject("s"), CompatibilityLevel::None).await.expect("sets");
    client.register("s", new).await.expect("NONE takes everything");
    (verdicts[0], verdicts[1])
}

#[tokio::test]
async fn the_rules_of_schema_resolution() {
    let of = |kind: &str| record("U", &format!(r#"{{"name":"a","type":{kind}}}"#));
    let symbols = |symbols: &str| of(&format!(r#"{{"type":"enum","name":"E","symbols":{symbols}}}"#));
    let node = |extra: &str| record("Node", &format!(r#"{{"name":"next","type":["null","x.Node"]}}{extra}"#));
    let twice = |first: &str, second: &str| {
        record(
            "U",
            &format!(
                r#"{{"name":"{first}","type":{{"type":"record","name":"I","fields":[]}}}},{{"name":"{second}","type":"x.I"}}"#
            ),
        )
    };
    let cases = [
        // Old, new, backward, forward.
        (of("\"int\""), of("\"long\""), true, false),
        (of("\"long\""), of("\"double\""), true, false),
        (of("\"string\""), of("\"bytes\""), true, true),
        (of("\"string\""), of("\"int\""), false, false),
        (of("\"int\""), of("[\"null\",\"int\"]"), true, false),
        (of("[\"null\",\"int\",\"string\"]"), of("[\"int\",\"null\"]"), false, true),
        (of(r#"{"type":"array","items":"int"}"#), of(r#"{"type":"array","items":"long"}"#), true, false),
        (of(r#"{"type":"map","values":"int"}"#), of(r#"{"type":"array","items":"int"}"#), false, false),
        (of(r#"{"type":"long","logicalType":"timestamp-millis"}"#), of("\"long\""), true, true),
        (symbols(r#"["A"]"#), symbols(r#"["A","B"]"#), true, false),
        (
            of(r#"{"type":"fixed","name":"F","size":4}"#),
            of(r#"{"type":"fixed","name":"F","size":8}"#),
            false,
            false,
        ),
        (of("\"int\""), record("U", ""), true, false),
        (record("U", ""), record("V", ""), false, false),
        (node(""), node(r#",{"name":"b","type":"int"}"#), false, true),
        (node(""), node(r#",{"name":"b","type":"int","default":0}"#), true, true),
        // The definition moves to the other field.
        (twice("p", "q"), twice("q", "p"), true, true),
    ];
    for (old, new, backward, forward) in cases {
        let verdict = may_follow(&old, &new).await;
        assert_eq!(verdict, (backward, forward), "{} -> {}", old.text, new.text);
    }
}

#[tokio::test]
async fn transitive_levels_look_at_all_versions() {
    let server = Server::start().await;
    let client = server.client();
    client.set_compatibility_level(Scope::Global, CompatibilityLevel::None).await.expect("sets");
    let of = |kind: &str| record("U", &format!(r#"{{"name":"a","type":{kind}}}"#));
    client.register("s", &of("\"string\"")).await.expect("registers");
    client.register("s", &of("\"int\"")).await.expect("registers");
    for (level, compatible) in
        [(CompatibilityLevel::Backward, true), (CompatibilityLevel::BackwardTransitive, false)]
    {
        client.set_compatibility_level(Scope::Global, level).await.expect("sets");
        let report =
            client.check_compatibility("s", &of("\"long\""), Against::Configured).await.expect("checks");
        assert_eq!(report.compatible, compatible, "{level}");
        assert_eq!(client.register("s", &of("\"long\"")).await.is_ok(), compatible);
        client.set_compatibility_level(Scope::Global, CompatibilityLevel::None).await.expect("sets");
        client.delete_version("s", 3, wasmill_registry_client::Deletion::Soft).await.ok();
    }
}
