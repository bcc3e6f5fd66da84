//! Brokers that ask who is there: SASL over TLS with a certificate of one's own authority. A wrong password
//! and a wrong certificate are named within seconds, and no secret is shown anywhere.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wasmill_test_support::SecureBroker;
use wasmill_test_support::Sidecar;
use wasmill_test_support::SidecarPlan;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::guest;
use wasmill_test_support::http;
use wasmill_test_support::payments::Payment;
use wasmill_test_support::payments::Payments;
use wasmill_test_support::payments_filter;
use wasmill_test_support::shared_registry;

/// How soon a connection that is refused must be named, on a machine that is busy with other tests.
const NAMED_WITHIN: Duration = Duration::from_secs(15);

/// The broker of all tests that do not restart it.
fn shared() -> &'static SecureBroker {
    static BROKER: OnceLock<SecureBroker> = OnceLock::new();
    BROKER.get_or_init(|| SecureBroker::start().expect("a broker with a secure listener"))
}

fn filter(broker: &SecureBroker) -> (TestPipeline, u32) {
    let registry = shared_registry().expect("a registry");
    TestPipeline::on(broker.client(), registry, "payments-filter", 2)
        .and_then(payments_filter::bound)
        .and_then(payments_filter::registered)
        .expect("a pipeline")
}

/// A host that comes to the secure listener with these settings, and says all that it ever says.
fn plan(pipeline: &TestPipeline, broker: &SecureBroker, settings: &[(&str, &str)]) -> SidecarPlan {
    let mut plan = pipeline.plan("host-1");
    broker.address().clone_into(&mut plan.brokers);
    plan.settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    plan.settings.push((
        "WASMILL_LOG_LEVEL".to_owned(),
        "debug,wasmill=trace,wasmill::api=info,librdkafka=trace".to_owned(),
    ));
    plan
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// What a host says of itself to those who may ask.
fn everything_said(host: &Sidecar, paths: &[&str]) -> String {
    let answers = paths.iter().map(|path| {
        let url = format!("{}{path}", host.url());
        http::request("GET", &url, None).map_or_else(|error| error.to_string(), |answer| answer.text)
    });
    answers.chain([host.log()]).collect::<Vec<_>>().join("\n")
}

fn assert_not_shown(secret: &str, said: &str) {
    assert!(!said.is_empty());
    let line = said.lines().find(|line| line.contains(secret));
    assert_eq!(line, None, "a secret is shown");
}

/// Waits until the host is not ready and names `code`, and returns what it says then.
fn wait_for_reason(host: &mut Sidecar, code: &str) -> String {
    let until = Instant::now() + NAMED_WITHIN;
    loop {
        let said = everything_said(host, &["/readyz"]);
        let ready = http::request("GET", &format!("{}/readyz", host.url()), None);
        if ready.is_ok_and(|answer| answer.status == 503) && said.contains(code) {
            return said;
        }
        assert!(!host.has_ended(), "it waits, it does not end:\n{}", host.log_tail());
        assert!(Instant::now() < until, "no {code} within {NAMED_WITHIN:?}:\n{said}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A JSON web token that nobody signed, valid for an hour.
fn unsigned_token() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let claims = format!(r#"{{"sub":"wasmill","iat":{now},"exp":{}}}"#, now + 3600);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims))
}

#[test]
fn a_pipeline_runs_over_tls_with_every_mechanism_and_shows_no_secret() {
    let broker = shared();
    let (pipeline, schema) = filter(broker);
    let payments: Vec<Payment> = Payments::new(31, 40).take(300).collect();
    let ca_file = broker.authority_file();
    // The line break at its end does not belong to it.
    let password_file = broker.write_file("password", &format!("{}\n", broker.password())).expect("written");
    let token = unsigned_token();
    let token_file = broker.write_file("token", &token).expect("written");
    let user = ("WASMILL_KAFKA_SASL_USERNAME", broker.user());
    let ca = ("WASMILL_KAFKA_TLS_CA_FILE", text(&ca_file));
    let mechanism = |name| ("WASMILL_KAFKA_SASL_MECHANISM", name);
    let logins = [
        vec![ca, mechanism("plain"), user, ("WASMILL_KAFKA_SASL_PASSWORD_FILE", text(&password_file))],
        vec![ca, mechanism("scram-sha-512"), user, ("WASMILL_KAFKA_SASL_PASSWORD", broker.password())],
        vec![ca, mechanism("oauthbearer"), ("WASMILL_KAFKA_SASL_TOKEN_FILE", text(&token_file))],
    ];
    // One pipeline goes on under each login in turn.
    for (login, part) in logins.iter().zip(payments.chunks(100)) {
        payments_filter::feed(&pipeline, schema, part).expect("written");
        let plan = plan(&pipeline, broker, login);
        let mut host = plan.start().expect("started");
        pipeline.wait_until_done(&mut host).expect("every record dealt with");
        let said = everything_said(&host, &["/readyz", "/metrics"]);
        pipeline.drain(&mut host).expect("drained");
        let (code, shown) = plan.run_to_end(&["config"]).expect("settings shown");
        assert_eq!(code, Some(0), "{shown}");
        let (_, as_json) = plan.run_to_end(&["config", "--format", "json"]).expect("settings shown");
        for secret in [broker.password(), token.as_str()] {
            assert_not_shown(secret, &said);
            assert_not_shown(secret, &(shown.clone() + &as_json));
            assert_not_shown(secret, &host.log());
        }
    }
    payments_filter::check_outputs(&pipeline, &payments).expect("each output once");
}

#[test]
fn a_wrong_password_is_named_by_the_host_and_by_a_check_and_not_shown() {
    let broker = shared();
    let (pipeline, _) = filter(broker);
    let ca_file = broker.authority_file();
    for mechanism in ["plain", "scram-sha-512"] {
        let wrong = format!("not{}", broker.password());
        let plan = plan(
            &pipeline,
            broker,
            &[
                ("WASMILL_KAFKA_TLS_CA_FILE", text(&ca_file)),
                ("WASMILL_KAFKA_SASL_MECHANISM", mechanism),
                ("WASMILL_KAFKA_SASL_USERNAME", broker.user()),
                ("WASMILL_KAFKA_SASL_PASSWORD", &wrong),
            ],
        );
        let mut host = plan.start().expect("started");
        let said = wait_for_reason(&mut host, "broker-authentication");
        assert!(said.contains("kafka.sasl"), "where to look: {said}");
        assert_not_shown(&wrong, &everything_said(&host, &["/readyz", "/metrics"]));
        host.kill();

        let began = Instant::now();
        let (code, said) = plan.run_to_end(&["check", text(&plan.pipeline_file())]).expect("checked");
        assert!(began.elapsed() < NAMED_WITHIN, "{:?}: {said}", began.elapsed());
        assert_ne!(code, Some(0), "{said}");
        assert!(said.contains("broker-authentication"), "{said}");
        assert_not_shown(&wrong, &said);
    }
}

#[test]
fn a_wrong_password_is_named_by_the_api_and_not_shown() {
    let broker = shared();
    let (pipeline, _) = filter(broker);
    let ca_file = broker.authority_file();
    let wrong = format!("not{}", broker.password());
    let plan = plan(
        &pipeline,
        broker,
        &[
            ("WASMILL_KAFKA_TLS_CA_FILE", text(&ca_file)),
            ("WASMILL_KAFKA_SASL_MECHANISM", "plain"),
            ("WASMILL_KAFKA_SASL_USERNAME", broker.user()),
            ("WASMILL_KAFKA_SASL_PASSWORD", &wrong),
        ],
    );
    let mut host = plan.serve().expect("started");
    host.wait_until_alive().expect("an API");
    let api = format!("{}/v1/tenants/default", host.url());
    let component = std::fs::read(guest("payments-filter").expect("a guest")).expect("read");
    let url = format!("{api}/transforms/filter/versions");
    let uploaded = http::request("POST", &url, Some(("application/wasm", component))).expect("answered");
    assert_eq!(uploaded.status, 201, "{}", uploaded.text);
    let document: Vec<String> = pipeline
        .file()
        .lines()
        .map(|line| {
            if line.starts_with("transform:") { "transform: { name: filter }" } else { line }.to_owned()
        })
        .collect();
    let url = format!("{api}/pipelines/{}", pipeline.name);
    let body = ("application/yaml", document.join("\n").into_bytes());
    let put = http::request("PUT", &url, Some(body)).expect("answered");
    assert!(put.status < 300, "{}", put.text);
    let until = Instant::now() + NAMED_WITHIN;
    let shown = loop {
        let shown = http::request("GET", &format!("{url}/status"), None).expect("answered");
        if shown.text.contains("broker-authentication") {
            break shown;
        }
        assert!(Instant::now() < until, "not named: {}\n{}", shown.text, host.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    };
    for said in [
        put.text,
        shown.text,
        everything_said(&host, &["/readyz", "/metrics", "/v1/openapi.json", "/v1/tenants/default/pipelines"]),
    ] {
        assert_not_shown(&wrong, &said);
    }
}

#[test]
fn a_certificate_that_is_not_trusted_or_of_another_name_is_named() {
    let broker = shared();
    let (pipeline, _) = filter(broker);
    let (trusted, stranger) = (broker.authority_file(), broker.stranger_file());
    let by_name = broker.address().replace("127.0.0.1", "localhost");
    let login = [
        ("WASMILL_KAFKA_SASL_MECHANISM", "plain"),
        ("WASMILL_KAFKA_SASL_USERNAME", broker.user()),
        ("WASMILL_KAFKA_SASL_PASSWORD", broker.password()),
    ];
    let of = |ca_file: &Path, brokers: &str, more: &[(&str, &str)]| {
        let settings = [&login[..], &[("WASMILL_KAFKA_TLS_CA_FILE", text(ca_file))], more].concat();
        let mut plan = plan(&pipeline, broker, &settings);
        brokers.clone_into(&mut plan.brokers);
        plan
    };
    let mut host = of(&stranger, broker.address(), &[]).start().expect("started");
    let said = wait_for_reason(&mut host, "broker-tls");
    assert!(said.contains("kafka.tls") && said.contains("certificate"), "where to look: {said}");
    assert_not_shown(broker.password(), &everything_said(&host, &["/readyz"]));
    host.kill();

    let no_check = [("WASMILL_KAFKA_TLS_VERIFY_HOSTNAME", "false")];
    for (plan, named) in [
        (of(&stranger, broker.address(), &[]), Some("broker-tls")),
        (of(&trusted, &by_name, &[]), Some("broker-tls")),
        (of(&trusted, &by_name, &no_check), None),
    ] {
        let began = Instant::now();
        let (code, said) = plan.run_to_end(&["check", text(&plan.pipeline_file())]).expect("checked");
        assert!(began.elapsed() < NAMED_WITHIN, "{:?}: {said}", began.elapsed());
        match named {
            Some(named) => assert!(code != Some(0) && said.contains(named), "{said}"),
            None => assert_eq!(code, Some(0), "{said}"),
        }
    }
}

#[test]
fn an_authority_file_without_a_certificate_is_refused_at_the_start() {
    let broker = shared();
    let (pipeline, _) = filter(broker);
    let empty = broker.write_file("empty.pem", "no certificate").expect("written");
    let plan = plan(&pipeline, broker, &[("WASMILL_KAFKA_TLS_CA_FILE", text(&empty))]);
    let mut host = plan.start().expect("started");
    let status = host.wait(NAMED_WITHIN).expect("it ends by itself");
    let log = host.log_tail();
    assert!(!status.success(), "{log}");
    assert!(log.contains("ssl.ca.location"), "{log}");
}

#[test]
fn a_password_that_no_longer_holds_is_waited_for() {
    let mut broker = SecureBroker::start().expect("a broker with a secure listener");
    let (pipeline, schema) = filter(&broker);
    let payments: Vec<Payment> = Payments::new(32, 40).take(200).collect();
    let (first, rest) = payments.split_at(100);
    let feed = |part: &[Payment]| payments_filter::feed(&pipeline, schema, part).expect("written");
    feed(first);
    let ca_file = broker.authority_file();
    let mut host = plan(
        &pipeline,
        &broker,
        &[
            ("WASMILL_KAFKA_TLS_CA_FILE", text(&ca_file)),
            ("WASMILL_KAFKA_SASL_MECHANISM", "plain"),
            ("WASMILL_KAFKA_SASL_USERNAME", broker.user()),
            ("WASMILL_KAFKA_SASL_PASSWORD", broker.password()),
        ],
    )
    .start()
    .expect("started");
    pipeline.wait_until_done(&mut host).expect("the first part");

    let password = broker.password().to_owned();
    broker.restart_with_password("another").expect("restarted");
    wait_for_reason(&mut host, "broker-authentication");
    assert_not_shown(&password, &everything_said(&host, &["/readyz", "/metrics"]));
    broker.restart_with_password(&password).expect("restarted");
    feed(rest);
    pipeline.wait_until_done(&mut host).expect("it goes on by itself");
    pipeline.drain(&mut host).expect("drained");
    payments_filter::check_outputs(&pipeline, &payments).expect("each output once");
}
