//! Components that are none, or not ours: each is refused with its own code, by `wasmill check` and
//! by the API, and the host goes on. What was taken survives a restart.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DRAIN_MAX;
use wasmill_test_support::Sidecar;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::guest;
use wasmill_test_support::http;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::payments_filter;
use wasmill_test_support::wasmill;

const COMPONENT: &str = "application/wasm";

/// What is refused, with its code.
fn hostile() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = std::fs::read(guest("payments-filter").expect("a guest")).expect("read");
    let wasi = r#"(component (import "wasi:cli/environment@0.2.3" (instance
        (export "get-environment" (func (result (list (tuple string string))))))))"#;
    let other = r#"(component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func $run (canon lift (core func $i "run")))
        (instance $runner (export "run" (func $run)))
        (export "example:job/runner@1.0.0" (instance $runner)))"#;
    let core = "(module (func (export \"run\")))";
    let wasm = |text: &str| wat::parse_str(text).expect("text of WebAssembly");
    vec![
        ("forbidden import", wasm(wasi), "import-forbidden"),
        ("none of ours", wasm(other), "export-missing"),
        ("core module", wasm(core), "component-core-module"),
        ("garbage", b"#!/bin/sh\nexit 1\n".to_vec(), "component-garbage"),
        ("truncated", good[..good.len() / 2].to_vec(), "component-truncated"),
        ("truncated head", good[..6].to_vec(), "component-truncated"),
        ("damaged", damaged(&good), "component-invalid"),
    ]
}

/// A component whose first section has an id that does not exist.
fn damaged(good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    bytes[8] = 0x77;
    bytes
}

/// 100 MB that begin as a component does.
fn huge() -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.resize(100 << 20, 0);
    bytes
}

fn check(file: &Path) -> (Option<i32>, String) {
    wasmill(&["check", &file.to_string_lossy()])
}

#[test]
fn check_names_what_is_wrong_with_a_component() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut cases = hostile();
    cases.push(("100 MB", huge(), "component-too-large"));
    cases.push(("empty", Vec::new(), "component-garbage"));
    for (what, bytes, code) in cases {
        let file = dir.path().join("upload.wasm");
        std::fs::write(&file, bytes).expect("written");
        let (status, text) = check(&file);
        assert_eq!(status, Some(3), "{what}: {text}");
        assert!(text.contains(code), "{what}: {text}");
    }
    let (status, text) = check(&guest("payments-filter").expect("a guest"));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("payments") && text.contains("large_payments"), "{text}");
}

fn served(pipeline: &TestPipeline) -> Sidecar {
    pipeline.plan("host-1").served().expect("an API")
}

fn upload(host: &Sidecar, name: &str, bytes: Vec<u8>) -> http::Answer {
    let url = format!("{}/v1/tenants/default/transforms/{name}/versions", host.url());
    http::request("POST", &url, Some((COMPONENT, bytes))).expect("answered")
}

fn get(host: &Sidecar, path: &str) -> http::Answer {
    http::request("GET", &format!("{}/v1/tenants/default/{path}", host.url()), None).expect("answered")
}

fn filter() -> (TestPipeline, u32) {
    payments_filter::pipeline(2).expect("a pipeline")
}

#[test]
fn the_api_refuses_each_with_its_own_code_and_goes_on() {
    let (pipeline, _) = filter();
    let host = served(&pipeline);
    for (what, bytes, code) in hostile() {
        let answer = upload(&host, "hostile", bytes);
        // A core module that says nothing of its world may still be wrapped; all others are refused alike.
        assert_eq!((answer.status, answer.code()), (422, code), "{what}: {}", answer.text);
        let field = &answer.json["errors"][0];
        assert_eq!(field["code"], code, "{what}: {}", answer.text);
        for part in ["message", "found", "expected", "remedy"] {
            assert!(field[part].as_str().is_some_and(|text| !text.is_empty()), "{what}: {part}: {field}");
        }
    }
    let answer = upload(&host, "hostile", huge());
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert!(answer.text.contains("bytes"), "{}", answer.text);
    let answer = upload(&host, "hostile", Vec::new());
    assert_eq!((answer.status, answer.code()), (400, "empty-body"), "{}", answer.text);
    // Nothing of it was kept, and a good one is taken.
    assert_eq!(get(&host, "transforms/hostile/versions").status, 404);
    let good = std::fs::read(guest("payments-filter").expect("a guest")).expect("read");
    assert_eq!(upload(&host, "good", good).status, 201);
}

#[test]
fn uploads_and_pipelines_survive_a_restart() {
    let (pipeline, schema) = filter();
    let payments: Vec<Payment> = Payments::new(21, 50).take(600).collect();
    let feed = |part: &[Payment]| payments_filter::feed(&pipeline, schema, part).expect("written");
    let good = std::fs::read(guest("payments-filter").expect("a guest")).expect("read");
    let name = pipeline.name.clone();
    let of_upload = pipeline
        .file()
        .lines()
        .map(|line| if line.starts_with("transform:") { "transform: { name: filter }" } else { line })
        .collect::<Vec<_>>()
        .join("\n");

    let mut host = served(&pipeline);
    let answer = upload(&host, "filter", good.clone());
    assert_eq!(answer.status, 201, "{}", answer.text);
    let digest = answer.json["digest"].as_str().expect("a digest").to_owned();
    let url = format!("{}/v1/tenants/default/pipelines/{name}", host.url());
    let put =
        http::request("PUT", &url, Some(("application/yaml", of_upload.into_bytes()))).expect("answered");
    assert_eq!(put.status, 201, "{}", put.text);
    feed(&payments[..200]);
    pipeline.wait_until_done(&mut host).expect("the first part");
    pipeline.drain(&mut host).expect("drained");

    // Once after an end in good order, once after a kill.
    for part in [200..400, 400..600] {
        feed(&payments[part]);
        host = served(&pipeline);
        let kept = get(&host, "transforms/filter/versions/1");
        assert_eq!(kept.json["digest"], *digest, "{}", kept.text);
        let shown = get(&host, &format!("pipelines/{name}"));
        assert_eq!((shown.status, &shown.json["desired"]), (200, &"running".into()), "{}", shown.text);
        pipeline.wait_until_done(&mut host).expect("it runs by itself");
        host.kill();
    }
    payments_filter::check_outputs(&pipeline, &payments).expect("each output once");

    // A pause and a deletion are kept too.
    host = served(&pipeline);
    let action = |host: &Sidecar, method: &str, path: &str| {
        let url = format!("{}/v1/tenants/default/pipelines/{name}{path}", host.url());
        http::request(method, &url, None).expect("answered")
    };
    let paused = action(&host, "POST", "/pause");
    assert!(paused.status < 300, "{}", paused.text);
    host.terminate(DRAIN_MAX).expect("ended");
    host = served(&pipeline);
    let shown = get(&host, &format!("pipelines/{name}"));
    assert_eq!(shown.json["desired"], "paused", "{}", shown.text);
    let deleted = action(&host, "DELETE", "");
    assert!(deleted.status < 300, "{}", deleted.text);
    let until = Instant::now() + Duration::from_secs(30);
    while get(&host, &format!("pipelines/{name}")).status != 404 {
        assert!(Instant::now() < until, "it is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    host.kill();
    host = served(&pipeline);
    assert_eq!(get(&host, &format!("pipelines/{name}")).status, 404);
    assert_eq!(get(&host, "transforms/filter/versions/1").status, 200);
}
