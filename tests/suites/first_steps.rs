//! The way of the README, from nothing to one's own deployed transform: `wasmill new`, test, build, check,
//! a playground, upload, a pipeline, records in and records out.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use wasmill_test_support::DRAIN_MAX;
use wasmill_test_support::Sidecar;
use wasmill_test_support::http;
use wasmill_test_support::run_python;
use wasmill_test_support::wasmill_in;
use xtask::wasm_target::Route;
use xtask::wasm_target::TARGET;

const README: &str = include_str!("../../README.md");
/// How long the playground may take for its seven records.
const OUT_WITHIN: Duration = Duration::from_secs(60);

/// Where the project is made anew, and what was built of the last one is kept: cargo compiles again only what
/// has changed, as long as the path is the same.
fn folder() -> PathBuf {
    xtask::checkout::target_dir().join("first-steps")
}

/// Runs a cargo command in the project.
fn cargo(project: &Path, configure: impl FnOnce(&mut Command)) {
    let mut cargo = xtask::command::cargo();
    configure(&mut cargo);
    cargo.current_dir(project).env("CARGO_TARGET_DIR", folder().join("build"));
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{cargo:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn example(name: &str) -> PathBuf {
    xtask::checkout::root().join("docs/examples").join(name)
}

/// A block of the README that holds a line.
fn readme_block(line: &str) -> &'static str {
    let mut blocks =
        README.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap_or_default().1);
    blocks.find(|block| block.lines().any(|found| found == line)).expect("a block of the README")
}

#[test]
fn a_new_project_goes_from_nothing_to_records_in_and_out() {
    let project = folder().join("big-spender");
    if project.exists() {
        std::fs::remove_dir_all(&project).expect("the last run's project goes");
    }
    std::fs::create_dir_all(folder()).expect("a folder");
    let (code, text) = wasmill_in(&folder(), &["new", "big-spender"]);
    assert_eq!(code, Some(0), "{text}");

    cargo(&project, |cargo| {
        cargo.arg("test");
    });
    let route =
        Route::ready().expect("a compiler").expect("the target for guests, as the other suites need it");
    cargo(&project, |cargo| {
        cargo.args(["build", "--release", "--target", TARGET]);
        route.apply(cargo);
    });
    // Where the README's commands, and the project's own pipeline file, look for it.
    let component = format!("target/{TARGET}/release/big_spender.wasm");
    let built = folder().join("build").join(TARGET).join("release/big_spender.wasm");
    std::fs::create_dir_all(project.join(&component).parent().expect("a folder")).expect("made");
    std::fs::copy(&built, project.join(&component)).expect("the component is there");

    let (code, text) = wasmill_in(&project, &["check", &component]);
    assert_eq!(code, Some(0), "{text}");
    for line in readme_block("big-spender  Keeps payments over a threshold.").trim_end().lines() {
        assert!(text.lines().any(|shown| shown == line), "the README shows `{line}`:\n{text}");
    }

    let ready = project.join("dev.json");
    let topics = ["--topic", "payments:4", "--topic", "large-payments:4", "--ready-file", "dev.json"];
    let mut dev = Sidecar::dev(&project, &topics).expect("started");
    let until = Instant::now() + OUT_WITHIN;
    while std::fs::metadata(&ready).map_or(0, |file| file.len()) == 0 {
        assert!(!dev.has_ended() && Instant::now() < until, "no playground:\n{}", dev.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }

    let tenant = format!("{}/v1/tenants/default", dev.url());
    let bytes = std::fs::read(&built).expect("read");
    let url = format!("{tenant}/transforms/big-spender/versions");
    let upload = http::request("POST", &url, Some(("application/wasm", bytes))).expect("answered");
    assert_eq!((upload.status, &upload.json["version"]), (201, &1.into()), "{}", upload.text);
    let steps = readme_block("cat > big-spender.yaml <<'END'");
    let file =
        steps.split_once("<<'END'\n").and_then(|(_, rest)| rest.split_once("\nEND\n")).expect("a file").0;
    let url = format!("{tenant}/pipelines/big-spender");
    let put =
        http::request("PUT", &url, Some(("application/yaml", file.as_bytes().to_vec()))).expect("answered");
    assert_eq!(put.status, 201, "{}", put.text);
    // The same by one command, from the project's file: the component is known, the pipeline names its version.
    let (code, text) = wasmill_in(&project, &["apply", "-f", "pipeline.yaml", "--url", &dev.url()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("`big-spender` version 1 is uploaded"), "{text}");

    let ready = ready.to_string_lossy().into_owned();
    let printed = run_python(&example("produce.py"), &[&ready]).expect("seven payments written");
    assert!(printed.contains("7 records"), "{printed}");
    let expected: Vec<&str> =
        readme_block("big-spender.dlq  acct-0  guest-rejected: payment 4 has no amount")
            .trim_end()
            .lines()
            .collect();
    let until = Instant::now() + OUT_WITHIN;
    let mut shown = loop {
        let shown = run_python(&example("consume.py"), &[&ready, "large-payments", "big-spender.dlq"]);
        // The dead letters' topic is there once the pipeline has started.
        let shown = shown.unwrap_or_default();
        if shown.lines().count() >= expected.len() {
            break shown;
        }
        assert!(!dev.has_ended() && Instant::now() < until, "{shown}\n{}", dev.log_tail());
    };
    // All but the times is as the README says.
    let without_time = |line: &str| line.split("'ts'").next().unwrap_or_default().to_owned();
    shown = shown.lines().map(|line| without_time(line) + "\n").collect();
    let mut shown: Vec<&str> = shown.lines().collect();
    let readme: Vec<String> = expected.into_iter().map(without_time).collect();
    let mut expected: Vec<&str> = readme.iter().map(String::as_str).collect();
    shown.sort_unstable();
    expected.sort_unstable();
    assert_eq!(shown, expected);
    let status = dev.terminate(DRAIN_MAX).expect("it drains");
    assert!(status.success(), "{status}:\n{}", dev.log_tail());
}
