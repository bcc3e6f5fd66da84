use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;

use super::*;
use crate::config::section::PROBLEMS_MAX;
use crate::model::ids::TransformVersion;
use crate::model::pipeline_spec::EventTimeOverride;
use crate::model::pipeline_spec::Format;
use crate::model::pipeline_spec::OnLate;
use crate::model::pipeline_spec::PartBinding;
use crate::model::pipeline_spec::PartitionBy;
use crate::model::pipeline_spec::ReadAs;
use crate::model::pipeline_spec::TransformRef;

const MINIMAL: &str = "
version: 1
name: big-spenders
transform: { name: big-spender }
inputs:
  payments: { topic: payments, value: avro }
";

pub(super) const FULL: &str = r#"
version: 1
name: big-spenders
transform: { name: big-spender, version: 3 }
inputs:
  payments:
    topic: payments
    key: text
    value: { format: avro, subject: payments-value }
    as: table
    event_time: { out_of_orderness_ms: 1000, idle_ms: 5000, granularity_ms: 10, late: { topic: payments-late } }
outputs:
  alerts: { topic: alerts, key: text, value: avro, partition_by: source-partition }
delivery: at-least-once
accept_duplicate_updates: true
start: { timestamp: 2026-01-31T00:00:00Z }
commit: { interval_ms: 250, records_max: 1000, bytes_max: 8MiB }
checkpoint: { interval_ms: 30000 }
batch: { rows_max: 100, bytes_max: 65536 }
on_bad_record: { action: dead-letter, topic: payments.dlq }
retry: { attempts_max: 3, backoff_initial_ms: 10, backoff_max_ms: 20 }
schemas: { register: never, subject_strategy: record-name }
limits: { memory_bytes_max: 32MiB, invocation_ms_max: 50, output_bytes_per_batch_max: 1MiB, state_bytes_per_batch_max: 2MiB, log_lines_per_second_max: 7 }
workers: 2
config: { threshold: "10000", token: { secret: api-token } }
kafka: { client.rack: "a", linger.ms: 5 }
"#;

fn yaml(text: &str) -> Result<PipelineSpec, Vec<Refusal>> {
    parse(text, FileFormat::Yaml, None)
}

fn refusals(text: &str) -> Vec<Refusal> {
    yaml(text).expect_err("the file is wrong")
}

/// Code and field of every refusal.
fn summary(text: &str) -> Vec<(&'static str, String)> {
    refusals(text).into_iter().map(|refusal| (refusal.code.0, refusal.field)).collect()
}

/// The minimal file with a line added.
fn with(line: &str) -> String {
    format!("{MINIMAL}{line}\n")
}

#[test]
fn a_minimal_file_has_the_defaults_of_the_model() {
    let spec = yaml(MINIMAL).expect("valid");
    assert_eq!(spec.name.as_str(), "big-spenders");
    assert_eq!(spec.inputs["payments"].key, PartBinding { format: Format::Raw, subject: None });
    assert_eq!(spec.inputs["payments"].read_as, ReadAs::Stream);
    assert_eq!(spec.inputs["payments"].event_time, EventTimeOverride::default());
    assert_eq!(spec.delivery, Delivery::ExactlyOnce);
    assert!(!spec.accept_duplicate_updates);
    assert_eq!(spec.checkpoint.interval, Duration::from_secs(60));
    assert_eq!(spec.start, Start::Earliest);
    assert_eq!(spec.commit, CommitPolicy::default());
    assert_eq!(spec.batch, BatchLimits::default());
    assert_eq!(spec.on_bad_record, OnBadRecord::default());
    assert_eq!(spec.retry, RetryPolicy::default());
    assert_eq!(spec.schemas, SchemaPolicy::default());
    assert_eq!(spec.limits, Limits::default());
    assert_eq!(spec.workers, 1);
    assert!(spec.outputs.is_empty() && spec.config.is_empty() && spec.kafka.is_empty());
}

#[test]
fn every_key_is_read() {
    let spec = yaml(FULL).expect("valid");
    let TransformRef::Named { name, version } = &spec.transform else { panic!("by name") };
    assert_eq!((name.as_str(), *version), ("big-spender", Some(TransformVersion(3))));
    let input = &spec.inputs["payments"];
    assert_eq!(input.key.format, Format::Text);
    assert_eq!(input.value.subject.as_deref(), Some("payments-value"));
    assert_eq!(spec.outputs["alerts"].partition_by, PartitionBy::SourcePartition);
    assert_eq!(input.read_as, ReadAs::Table);
    let event_time = EventTimeOverride {
        out_of_orderness_ms: Some(1000),
        idle_ms: Some(5000),
        granularity_ms: Some(10),
        late: Some(OnLate::Topic("payments-late".into())),
    };
    assert_eq!(input.event_time, event_time);
    assert_eq!(spec.delivery, Delivery::AtLeastOnce);
    assert!(spec.accept_duplicate_updates);
    assert_eq!(spec.checkpoint.interval, Duration::from_secs(30));
    assert_eq!(spec.start, Start::Timestamp(1_769_817_600_000));
    assert_eq!(spec.commit.interval, Duration::from_millis(250));
    assert_eq!(spec.commit.bytes_max, 8 << 20);
    assert_eq!(spec.batch, BatchLimits { rows_max: 100, bytes_max: 65536 });
    assert_eq!(spec.on_bad_record, OnBadRecord::DeadLetter { topic: Some("payments.dlq".into()) });
    assert_eq!(spec.retry.attempts_max, 3);
    assert_eq!(spec.limits.memory_bytes_max, 32 << 20);
    assert_eq!(spec.limits.state_bytes_per_batch_max, 2 << 20);
    assert_eq!(spec.limits.log_lines_per_second_max, 7);
    assert_eq!(spec.workers, 2);
    assert_eq!(spec.config["threshold"], "10000");
    assert_eq!(spec.secrets["token"], "api-token");
    assert_eq!(spec.kafka["linger.ms"], "5");
}

#[test]
fn json_is_read_like_yaml() {
    let document = to_document(&yaml(FULL).expect("valid"));
    let spec = parse(&document.to_string(), FileFormat::Json, None).expect("valid");
    assert_eq!(spec, yaml(FULL).expect("valid"));
}

#[test]
fn all_errors_of_a_file_come_at_once_with_their_places() {
    let text = "
version: 2
nam: x
transform: { name: Big }
inputs:
  payments: { topc: payments, value: avroo }
workers: 0
";
    let list = refusals(text);
    let found: Vec<_> = list.iter().map(|refusal| (refusal.code.0, refusal.field.as_str())).collect();
    assert_eq!(
        found,
        [
            ("out-of-range", "version"),
            ("missing-key", "name"),
            ("invalid-value", "transform.name"),
            ("missing-key", "inputs.payments.topic"),
            ("unknown-key", "inputs.payments.topc"),
            ("unknown-value", "inputs.payments.value"),
            ("out-of-range", "workers"),
            ("unknown-key", "nam"),
        ]
    );
    let unknown = &list[4];
    assert!(unknown.message.contains("line 6, column 15"), "{unknown}");
    assert_eq!(unknown.remedy, "Did you mean `topic`?");
    assert_eq!(list[5].remedy, "Did you mean `avro`?");
    assert_eq!(list[7].remedy, "Did you mean `name`?");
}

#[test]
fn keys_of_later_versions_are_recognised_and_refused_by_name() {
    for (line, field) in [
        ("  late: { topic: late, value: protobuf }", "inputs.late.value"),
        ("  late: { topic: late, value: { format: json-schema } }", "inputs.late.value.format"),
    ] {
        let list = refusals(&with(line));
        assert_eq!(list.len(), 1, "{line}: {list:?}");
        assert_eq!((list[0].code.0, list[0].field.as_str()), ("not-supported-yet", field));
        assert!(list[0].message.contains("not yet supported by this version"), "{}", list[0]);
    }
}

#[test]
fn wrong_values_are_refused_where_they_stand() {
    for (line, code, field) in [
        ("commit: { interval_ms: 100ms }", "wrong-type", "commit.interval_ms"),
        ("commit: { interval_ms: 60000 }", "out-of-range", "commit.interval_ms"),
        ("commit: { bytes_max: 64 MiBs }", "wrong-type", "commit.bytes_max"),
        ("batch: { rows_max: -1 }", "out-of-range", "batch.rows_max"),
        ("batch: { rows_max: 9999999999999999999 }", "out-of-range", "batch.rows_max"),
        ("batch: [1]", "wrong-type", "batch"),
        ("delivery: exactly_once", "unknown-value", "delivery"),
        ("delivery: true", "wrong-type", "delivery"),
        ("on_bad_record: { action: stop, topic: x }", "conflicting-keys", "on_bad_record.topic"),
        ("retry: { backoff_initial_ms: 20000 }", "out-of-range", "retry.backoff_initial_ms"),
        ("state: { spend: {} }", "setting-of-the-host", "state"),
        ("accept_duplicate_updates: sure", "wrong-type", "accept_duplicate_updates"),
        ("checkpoint: { interval_ms: 10 }", "out-of-range", "checkpoint.interval_ms"),
        ("checkpoint: { every_ms: 60000 }", "unknown-key", "checkpoint.every_ms"),
        ("  more: { topic: m, value: avro, as: log }", "unknown-value", "inputs.more.as"),
        (
            "  more: { topic: m, value: avro, event_time: { idle: 1 } }",
            "unknown-key",
            "inputs.more.event_time.idle",
        ),
        (
            "  more: { topic: m, value: avro, event_time: { granularity_ms: 0 } }",
            "out-of-range",
            "inputs.more.event_time.granularity_ms",
        ),
        (
            "  more: { topic: m, value: avro, event_time: { late: side } }",
            "unknown-value",
            "inputs.more.event_time.late",
        ),
        (
            "  more: { topic: m, value: avro, event_time: { late: {} } }",
            "missing-key",
            "inputs.more.event_time.late.topic",
        ),
        ("limits: { stack_bytes_max: 1MiB }", "setting-of-the-host", "limits.stack_bytes_max"),
        ("config: { threshold: 10000 }", "wrong-type", "config.threshold"),
        ("config: { token: { secrt: x } }", "missing-key", "config.token.secret"),
        ("config: { token: { secret: ../x } }", "invalid-name", "config.token.secret"),
        ("kafka: { client.rack: [a] }", "wrong-type", "kafka.client.rack"),
        ("start: soon", "unknown-value", "start"),
        ("start: { timestamp: yesterday }", "invalid-value", "start.timestamp"),
        ("start: { offsets: { payments: { x: 1 } } }", "invalid-value", "start.offsets.payments.x"),
        ("start: { offsets: { paymnts: { 0: 1 } } }", "unknown-value", "start.offsets.paymnts"),
        ("on_bad_record: { topic: payments }", "dead-letter-loop", "on_bad_record.topic"),
        ("on_bad_record: { topic: 'a b' }", "invalid-name", "on_bad_record.topic"),
    ] {
        let found = summary(&with(line));
        assert!(found.contains(&(code, field.to_owned())), "{line}: {found:?}");
    }
}

#[test]
fn a_transform_is_named_in_exactly_one_way() {
    let base = MINIMAL.replace("{ name: big-spender }", "@");
    let digest = format!("sha256:{}", "a".repeat(64));
    for (transform, code) in [
        ("{}", "missing-key"),
        ("{ name: a, file: b }", "conflicting-keys"),
        ("{ file: b, version: 1 }", "conflicting-keys"),
        ("{ digest: 'sha256:12' }", "invalid-value"),
        ("big-spender", "wrong-type"),
    ] {
        assert_eq!(summary(&base.replace('@', transform))[0].0, code, "{transform}");
    }
    let spec = yaml(&base.replace('@', &format!("{{ digest: '{digest}' }}"))).expect("valid");
    assert_eq!(spec.transform, TransformRef::Digest(digest));
    let file = base.replace('@', "{ file: ./a.wasm }");
    let spec = parse(&file, FileFormat::Yaml, Some(Path::new("/etc/pipelines"))).expect("valid");
    assert_eq!(spec.transform, TransformRef::File(PathBuf::from("/etc/pipelines/./a.wasm")));
}

#[test]
fn keys_that_stand_twice_are_refused() {
    assert_eq!(refusals(&with("workers: 1\nworkers: 2"))[0].code.0, "invalid-yaml");
    let json = parse(r#"{"name": "a", "name": "b"}"#, FileFormat::Json, None).expect_err("twice");
    assert!(json.iter().any(|refusal| refusal.code.0 == "duplicate-key"), "{json:?}");
}

#[test]
fn documents_that_are_no_pipeline_files_are_refused() {
    for text in ["", "null", "[]", "hello", "a: b: c", "{", "&a [*a]", "--- 1\n--- 2\n"] {
        refusals(text);
    }
    assert_eq!(refusals(&" ".repeat(PIPELINE_FILE_BYTES_MAX + 1))[0].code.0, "document-too-large");
    refusals(&"[".repeat(100_000));
    assert!(parse(&"[".repeat(100_000), FileFormat::Json, None).is_err());
}

#[test]
fn a_document_of_nothing_but_faults_is_refused_with_a_bounded_answer() {
    let keys: Vec<String> = (0..50_000).map(|n| format!("\"k{n}\":1")).collect();
    let many = refusals_of_json(&format!("{{{}}}", keys.join(",")));
    assert_eq!(many.len(), PROBLEMS_MAX + 1);
    assert_eq!(many[PROBLEMS_MAX].code.0, "too-many-problems");
    let twice = refusals_of_json(&format!("{{{}\"k\":1}}", "\"k\":1,".repeat(100_000)));
    assert_eq!(twice.len(), PROBLEMS_MAX + 1);
    let long = "k".repeat(PIPELINE_FILE_BYTES_MAX - 100);
    let long = refusals_of_json(&format!("{{\"{long}\":{{}}}}"));
    let bytes: usize = long.iter().map(|refusal| refusal.to_string().len()).sum();
    assert!(bytes < 20_000, "{bytes} bytes");
}

#[test]
fn names_stand_once_and_are_bounded_in_length_and_number() {
    let with = |key: &str, text: &str| {
        let inputs = r#""inputs":{"in":{"topic":"t","value":"raw"}}"#;
        let json =
            format!(r#"{{"version":1,"name":"p","transform":{{"name":"t"}},{inputs},"{key}":{{{text}}}}}"#);
        match parse(&json, FileFormat::Json, None) {
            Ok(_) => Vec::new(),
            Err(list) => list.into_iter().map(|refusal| refusal.code.0).collect::<Vec<_>>(),
        }
    };
    let keys = |count: usize| (0..count).map(|n| format!(r#""k{n}":"v""#)).collect::<Vec<_>>().join(",");
    assert_eq!(with("config", &keys(256)), [""; 0]);
    assert_eq!(with("config", &keys(257)), ["too-many-keys"]);
    assert_eq!(with("kafka", &keys(65)), ["too-many-keys"]);
    assert_eq!(with("config", r#""k":"1","k":"2""#), ["duplicate-key"]);
    assert_eq!(with("config", &format!(r#""{}":"v""#, "k".repeat(257))), ["invalid-name"]);
}

fn refusals_of_json(text: &str) -> Vec<Refusal> {
    parse(text, FileFormat::Json, None).expect_err("refused")
}

/// Every path of properties in the schema, with `*` for free keys.
fn schema_paths(schema: &Json, root: &Json, prefix: &str, out: &mut Vec<String>) {
    if let Some(target) = schema.get("$ref").and_then(Json::as_str) {
        let target = root.pointer(target.trim_start_matches('#')).expect("the reference is good");
        return schema_paths(target, root, prefix, out);
    }
    for (key, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let path = format!("{prefix}{key}");
        out.push(path.clone());
        schema_paths(property, root, &format!("{path}."), out);
    }
    if let Some(free @ Json::Object(_)) = schema.get("additionalProperties") {
        schema_paths(free, root, &format!("{prefix}*."), out);
    }
    for branch in schema.get("anyOf").and_then(Json::as_array).into_iter().flatten() {
        schema_paths(branch, root, prefix, out);
    }
}

fn document_paths(document: &Json, free: &[&str], prefix: &str, out: &mut Vec<String>) {
    for (key, value) in document.as_object().into_iter().flatten() {
        let star = free.contains(&prefix.trim_end_matches('.'));
        let path =
            if star { prefix.trim_end_matches('.').to_owned() + ".*" } else { format!("{prefix}{key}") };
        if !star {
            out.push(path.clone());
        }
        document_paths(value, free, &format!("{path}."), out);
    }
}

#[test]
fn the_json_schema_has_every_key_that_is_read() {
    let schema = json_schema();
    let mut known = Vec::new();
    schema_paths(&schema, &schema, "", &mut known);
    let mut used = Vec::new();
    let document = to_document(&yaml(FULL).expect("valid"));
    document_paths(&document, &["inputs", "outputs", "config", "kafka"], "", &mut used);
    for path in &used {
        assert!(known.contains(path), "{path} is not in the schema");
    }
    // And every key of the schema is read: none of them is refused as unknown.
    for path in known.iter().filter(|path| !path.contains('*') && !path.contains('.')) {
        let list = parse(&format!("{{\"{path}\": []}}"), FileFormat::Json, None).expect_err("incomplete");
        assert!(!list.iter().any(|refusal| refusal.code.0 == "unknown-key"), "{path}");
    }
}
