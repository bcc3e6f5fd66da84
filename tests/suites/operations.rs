//! What whoever runs a host is told before anything runs: every problem at once, the same by every way
//! to ask, and nothing changes.

use std::path::PathBuf;

use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::http;
use wasmill_test_support::payments::PAYMENT_SCHEMA;
use wasmill_test_support::wasmill;

const REFUSED: Option<i32> = Some(3);

fn filter() -> TestPipeline {
    let pipeline = TestPipeline::new("payments-filter", 2)
        .and_then(|pipeline| pipeline.input("payments", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("large_payments", "key: text, value: avro"))
        .expect("a pipeline");
    let subject = format!("{}-value", pipeline.in_topic("payments"));
    pipeline.registry.register_avro(&subject, PAYMENT_SCHEMA).expect("registered");
    pipeline
}

/// A file of its own, so that several may be applied at once.
fn written(pipeline: &TestPipeline, name: &str, text: &str) -> String {
    let folder: PathBuf = pipeline.plan("host-1").dir;
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name);
    std::fs::write(&file, text).expect("written");
    file.to_string_lossy().into_owned()
}

fn get(host: &Sidecar, path: &str) -> http::Answer {
    http::request("GET", &format!("{}/v1/tenants/default/{path}", host.url()), None).expect("answered")
}

/// Everything that is wrong with [`wrong`], by code and field.
const PROBLEMS: [(&str, &str); 6] = [
    ("limit-above-ceiling", "workers"),
    ("kafka-timeouts", "kafka.transaction.timeout.ms"),
    ("config-unknown", "config.treshold"),
    ("topic-missing", "inputs.payments.topic"),
    ("topic-missing", "outputs.large_payments.topic"),
    ("schema-incompatible", "outputs.large_payments.value"),
];

/// A pipeline with a problem of every kind: limits, client, transform, topics, schemas.
fn wrong() -> TestPipeline {
    let pipeline = filter();
    let large = format!("{}-large", pipeline.name);
    let other = r#"{"type":"record","name":"Other","fields":[{"name":"x","type":"int"}]}"#;
    pipeline.registry.register_avro(&format!("{large}-value"), other).expect("registered");
    pipeline.kafka.delete_topic(&pipeline.in_topic("payments")).expect("deleted");
    pipeline
        .output_to("large_payments", &large, "key: text, value: avro")
        .with("workers: 17")
        .with("kafka: { transaction.timeout.ms: \"12000\" }")
        .with("config: { treshold: \"1\" }")
}

#[track_caller]
fn assert_all_told(text: &str) {
    for (code, field) in PROBLEMS {
        assert!(text.contains(&format!("error[{code}]: {field}\n")), "{code} {field} is missing in\n{text}");
    }
    assert!(text.contains("6 problems"), "{text}");
}

#[test]
fn every_problem_of_a_pipeline_is_told_at_once_by_check_apply_and_run() {
    let pipeline = wrong();
    let file = written(&pipeline, "wrong.yaml", &pipeline.file());
    let servers = ["--kafka", pipeline.kafka.address(), "--registry", pipeline.registry.url()];
    let (code, text) = wasmill(&[&["check", &file], &servers[..]].concat());
    assert_eq!(code, REFUSED, "{text}");
    assert_all_told(&text);

    let host = pipeline.plan("host-1").served().expect("started");
    for arguments in [vec!["apply", "-f", &file, "--dry-run"], vec!["apply", "-f", &file]] {
        let (code, text) = wasmill(&[&arguments[..], &["--url", &host.url()]].concat());
        assert_eq!(code, REFUSED, "{text}");
        assert_all_told(&text);
    }
    // Nothing was uploaded for a pipeline that is refused.
    assert_eq!(get(&host, "transforms").json["items"], serde_json::json!([]));
    assert_eq!(get(&host, "pipelines").json["items"], serde_json::json!([]));
    drop(host);

    let data = pipeline.plan("host-2").dir.join("data");
    let data = ["--data-dir", &data.to_string_lossy(), "--listen", "127.0.0.1:0"].map(str::to_owned);
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    let (code, text) = wasmill(&[&["run", "-f", &file], &servers[..], &data[..]].concat());
    assert_eq!(code, REFUSED, "{text}");
    assert_all_told(&text);
}

#[test]
fn a_dry_run_with_a_local_component_checks_all_of_it_and_keeps_nothing() {
    let pipeline = filter();
    let host = pipeline.plan("host-1").served().expect("started");
    let apply =
        |file: &str, more: &[&str]| wasmill(&[&["apply", "-f", file, "--url", &host.url()], more].concat());
    let good = written(&pipeline, "good.yaml", &pipeline.file());
    let (code, text) = apply(&good, &["--dry-run"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("passes every check; it would be created"), "{text}");
    assert_eq!(get(&host, "transforms").json["items"], serde_json::json!([]));
    assert_eq!(get(&host, "pipelines").json["items"], serde_json::json!([]));
    assert_eq!(pipeline.kafka.partitions(&pipeline.letters()).expect("asked"), 0, "no topic was made");

    // The component is refused, and so is what the pipeline says.
    let component = written(&pipeline, "garbage.wasm", "garbage");
    let garbage: Vec<String> = pipeline
        .file()
        .lines()
        .map(|line| match line.starts_with("transform:") {
            true => format!("transform: {{ file: {component:?} }}"),
            false => line.to_owned(),
        })
        .collect();
    let bad = written(&pipeline, "bad.yaml", &format!("{}\nworkers: 17\n", garbage.join("\n")));
    let (code, text) = apply(&bad, &["--dry-run"]);
    assert_eq!(code, REFUSED, "{text}");
    assert!(text.contains("component-garbage") && text.contains("limit-above-ceiling"), "{text}");

    let (code, text) = apply(&good, &[]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = apply(&good, &["--dry-run"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("would be unchanged"), "{text}");
}

#[test]
fn a_pipeline_without_instances_is_refused_and_takes_none_of_anothers() {
    let pipeline = filter();
    let mut plan = pipeline.plan("host-1");
    plan.settings.push(("WASMILL_LIMITS_INSTANCES_MAX".to_owned(), "3".to_owned()));
    let host = plan.served().expect("started");
    let named = |suffix: &str, workers: u32| {
        let name = format!("name: {}", pipeline.name);
        let text = pipeline.file().replacen(&name, &format!("{name}{suffix}"), 1);
        written(&pipeline, &format!("p{suffix}.yaml"), &format!("{text}workers: {workers}\n"))
    };
    let apply = |file: &str| wasmill(&["apply", "-f", file, "--url", &host.url()]);
    let (code, text) = apply(&named("-one", 2));
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = apply(&named("-two", 2));
    assert_eq!(code, REFUSED, "{text}");
    let taken = format!("2 workers; 2 of 3 instances are taken: `{}-one` 2", pipeline.name);
    assert!(text.contains("error[instances-exhausted]: workers") && text.contains(&taken), "{text}");
    assert!(text.contains("expected: at most 1 workers") && text.contains("limits.instances_max"), "{text}");
    // One that fits is taken, and a paused one makes room.
    let (code, text) = apply(&named("-two", 1));
    assert_eq!(code, Some(0), "{text}");
    let act = |name: &str, action: &str| {
        let url = format!("{}/v1/tenants/default/pipelines/{}{name}/{action}", host.url(), pipeline.name);
        http::request("POST", &url, None).expect("answered")
    };
    let state =
        |name: &str| get(&host, &format!("pipelines/{}{name}/status", pipeline.name)).json["state"].clone();
    let until = |name: &str, wanted: &str| {
        let deadline = std::time::Instant::now() + wasmill_test_support::DONE_MAX;
        while state(name) != wanted {
            assert!(std::time::Instant::now() < deadline, "{name} is {}:\n{}", state(name), host.log_tail());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    until("-one", "running");
    act("-one", "pause");
    until("-one", "paused");
    let (code, text) = apply(&named("-two", 3));
    assert_eq!(code, Some(0), "{text}");
    until("-two", "running");
    // Resumed too soon, it stops by name and leaves the other alone.
    act("-one", "resume");
    until("-one", "stopped");
    let status = get(&host, &format!("pipelines/{}-one/status", pipeline.name));
    assert_eq!(status.json["stop"]["code"], "instances-exhausted", "{}", status.text);
    assert_eq!(state("-two"), "running");
    act("-two", "pause");
    until("-two", "paused");
    act("-one", "restart");
    until("-one", "running");
}
