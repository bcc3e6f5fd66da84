use super::*;
use crate::config::settings_keys::KEYS;

fn input(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Input {
    Input {
        file: (!file.is_empty()).then(|| (PathBuf::from("/etc/wasmill/wasmill.yaml"), file.to_owned())),
        environment: environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        flags: flags.iter().map(|(f, k, v)| ((*f).to_owned(), (*k).to_owned(), (*v).to_owned())).collect(),
    }
}

fn refused(input: &Input) -> Vec<(&'static str, String)> {
    let list = load(input).expect_err("the settings are wrong");
    list.into_iter().map(|refusal| (refusal.code.0, refusal.field)).collect()
}

fn source<'a>(effective: &'a Effective, key: &str) -> (&'a str, &'a str) {
    let row = effective.rows.iter().find(|row| row.key == key).expect("a known key");
    (row.value.as_deref().unwrap_or(""), &row.source)
}

#[test]
fn without_any_source_the_defaults_hold() {
    let effective = load(&Input::default()).expect("valid");
    let settings = &effective.settings;
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8088");
    assert!(settings.kafka.is_none() && settings.registry.is_none() && settings.tokens.is_empty());
    assert_eq!(settings.drain_deadline, Duration::from_secs(25));
    assert_eq!(effective.rows.len(), KEYS.len());
    assert_eq!(source(&effective, "listen"), ("127.0.0.1:8088", "default"));
    assert_eq!(source(&effective, "kafka.brokers"), ("", "not set"));
}

#[test]
fn the_documented_defaults_are_the_real_ones() {
    // Writing every default down must give the same settings as writing nothing.
    let mut flags = Vec::new();
    for key in KEYS.iter().filter(|key| !key.default.is_empty() && !key.path.starts_with("kafka.tls.")) {
        flags.push(("--set", key.path, key.default));
    }
    let written = load(&input("", &[], &flags)).expect("valid").settings;
    assert_eq!(format!("{written:?}"), format!("{:?}", Settings::default()));
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let file = "listen: 127.0.0.1:1\nlog: { level: debug }\nkafka:\n  brokers: [a:9092, 'b:9092']\n";
    let environment =
        [("WASMILL_LISTEN", "127.0.0.1:2"), ("WASMILL_LOG_LEVEL", "warn"), ("HOME", "elsewhere")];
    let effective =
        load(&input(file, &environment, &[("--listen", "listen", "127.0.0.1:3")])).expect("valid");
    assert_eq!(effective.settings.listen.port(), 3);
    assert_eq!(effective.settings.log.level, "warn");
    let kafka = effective.settings.kafka.as_ref().expect("brokers");
    assert_eq!(kafka.brokers, ["a:9092", "b:9092"]);
    assert_eq!(source(&effective, "listen"), ("127.0.0.1:3", "flag --listen"));
    assert_eq!(source(&effective, "log.level"), ("warn", "environment WASMILL_LOG_LEVEL"));
    let (value, from) = source(&effective, "kafka.brokers");
    assert_eq!((value, from), ("a:9092,b:9092", "file /etc/wasmill/wasmill.yaml (line 4, column 12)"));
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    let environment = [
        ("WASMILL_KAFKA_BROKERS", "a:9092, b:9093"),
        ("WASMILL_KAFKA_SASL_MECHANISM", "scram-sha-512"),
        ("WASMILL_KAFKA_SASL_USERNAME", "me"),
        ("WASMILL_KAFKA_SASL_PASSWORD", "hidden"),
        ("WASMILL_KAFKA_TLS_ENABLED", "true"),
        ("WASMILL_REGISTRY_URLS", "http://r:8081,http://s:8081"),
        ("WASMILL_REGISTRY_USERNAME", "me"),
        ("WASMILL_REGISTRY_PASSWORD", "hidden"),
        ("WASMILL_LIMITS_MEMORY_BYTES_MAX", "128MiB"),
        ("WASMILL_DRAIN_DEADLINE_MS", "1000"),
        ("WASMILL_HOST_ID", "host-a"),
        ("WASMILL_SECRET_API", "hidden"),
        ("WASMILL_LOG_FORMAT", ""),
    ];
    let effective = load(&input("", &environment, &[])).expect("valid");
    let settings = &effective.settings;
    let kafka = settings.kafka.as_ref().expect("brokers");
    assert_eq!(kafka.tls, Some(TlsSettings::default()));
    let Some(SaslSettings::ScramSha512 { username, password }) = &kafka.sasl else { panic!("scram") };
    assert_eq!((username.as_str(), password.expose()), ("me", "hidden"));
    let registry = settings.registry.as_ref().expect("urls");
    assert_eq!(registry.urls.len(), 2);
    assert_eq!(registry.credentials.as_ref().expect("both").password.expose(), "hidden");
    assert_eq!(settings.ceilings.memory_bytes_max, 128 << 20);
    assert_eq!(settings.drain_deadline, Duration::from_secs(1));
    assert_eq!(settings.secrets.resolve("api").expect("there").expose(), "hidden");
    // Nothing that is shown holds a secret.
    let shown = format!("{effective:?}{}", serde_json::to_string(&effective.rows).expect("rows"));
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn unknown_keys_variables_and_flags_are_refused_with_the_nearest_known_one() {
    let file = "kafka: { broker: a:1, tls: { cafile: x } }\nlistn: x\n";
    let environment = [("WASMILL_KAFKA_BROKER", "a:1"), ("WASMILL_FROBNICATE", "1")];
    let list = load(&input(file, &environment, &[("--set", "log.levl", "info")])).expect_err("unknown");
    let found: Vec<_> = list.iter().map(|r| (r.code.0, r.field.as_str(), r.remedy.as_str())).collect();
    assert_eq!(
        found,
        [
            ("unknown-key", "kafka.broker", "Did you mean `brokers`?"),
            ("unknown-key", "kafka.tls.cafile", "Did you mean `ca_file`?"),
            ("unknown-key", "listn", "Did you mean `listen`?"),
            ("unknown-variable", "WASMILL_KAFKA_BROKER", "Did you mean `WASMILL_KAFKA_BROKERS`?"),
            (
                "unknown-variable",
                "WASMILL_FROBNICATE",
                "Remove the variable; `wasmill config` lists the settings."
            ),
            ("unknown-key", "--set", "Did you mean `log.level`?"),
        ]
    );
    assert!(list[0].message.contains("line 1, column"), "{}", list[0]);
}

#[test]
fn wrong_values_name_their_source() {
    for (environment, expected) in [
        (("WASMILL_LISTEN", "localhost"), ("invalid-value", "WASMILL_LISTEN")),
        (("WASMILL_DRAIN_DEADLINE_MS", "1s"), ("wrong-type", "WASMILL_DRAIN_DEADLINE_MS")),
        (("WASMILL_KAFKA_TLS_ENABLED", "yes"), ("wrong-type", "WASMILL_KAFKA_TLS_ENABLED")),
        (("WASMILL_KAFKA_BROKERS", "a"), ("invalid-value", "kafka.brokers")),
        (("WASMILL_KAFKA_BROKERS", "http://a:1"), ("invalid-value", "kafka.brokers")),
        (("WASMILL_REGISTRY_URLS", "a:1"), ("invalid-value", "WASMILL_REGISTRY_URLS")),
        (("WASMILL_REGISTRY_URLS", "http://u:p@a:1"), ("invalid-value", "WASMILL_REGISTRY_URLS")),
        (("WASMILL_KAFKA_SASL_MECHANISM", "gssapi"), ("unknown-value", "WASMILL_KAFKA_SASL_MECHANISM")),
        (("WASMILL_KAFKA_SASL_USERNAME", "me"), ("missing-key", "kafka.sasl.mechanism")),
        (("WASMILL_KAFKA_SASL_MECHANISM", "plain"), ("missing-key", "kafka.sasl.username")),
        (("WASMILL_KAFKA_SASL_MECHANISM", "oauthbearer"), ("missing-key", "kafka.sasl.token_file")),
        (("WASMILL_KAFKA_TLS_CA_FILE", "/nonexistent/ca"), ("file-missing", "kafka.tls.ca_file")),
        (("WASMILL_AUTH_TOKEN", "short"), ("token-too-short", "auth")),
        (("WASMILL_AUTH_TOKEN", "sixteen bytes or more"), ("token-invalid", "auth")),
        (("WASMILL_AUTH_TOKEN", "sechzehn-zeichen-lä"), ("token-invalid", "auth")),
        (("WASMILL_AUTH_TOKEN_FILE", "/nonexistent/t"), ("file-missing", "auth.token_file")),
        (("WASMILL_REGISTRY_USERNAME", "me"), ("missing-key", "registry")),
        (("WASMILL_LOG_LEVEL", "lou=der=now"), ("invalid-value", "WASMILL_LOG_LEVEL")),
        (("WASMILL_LIMITS_STACK_BYTES_MAX", "1GiB"), ("out-of-range", "WASMILL_LIMITS_STACK_BYTES_MAX")),
        (("WASMILL_HOST_ID", "Host A"), ("invalid-value", "WASMILL_HOST_ID")),
    ] {
        let found = refused(&input("", &[environment], &[]));
        assert!(found.contains(&(expected.0, expected.1.to_owned())), "{environment:?}: {found:?}");
    }
}

#[test]
fn a_wrong_secret_is_not_shown_in_its_error() {
    let list = load(&input("kafka: { sasl: { password: 31415926 } }\n", &[], &[])).expect_err("no text");
    let shown: String = list.iter().map(ToString::to_string).collect();
    assert!(!shown.contains("31415926"), "{shown}");
    let list =
        load(&input("", &[("WASMILL_REGISTRY_URLS", "http://u:31415926@a:1")], &[])).expect_err("password");
    assert!(!format!("{list:?}").contains("31415926"), "{list:?}");
}

#[test]
fn tokens_come_from_a_file_one_a_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("token");
    std::fs::write(&file, "# ops\n0123456789abcdef\n\n").expect("written");
    let environment = [("WASMILL_AUTH_TOKEN_FILE", file.to_str().expect("UTF-8"))];
    let settings = load(&input("listen: 0.0.0.0:8088\n", &environment, &[])).expect("valid").settings;
    assert_eq!(settings.tokens.iter().map(Secret::expose).collect::<Vec<_>>(), ["0123456789abcdef"]);
}

#[test]
fn a_later_source_replaces_a_secret_whichever_way_it_is_given() {
    let file = "registry: { urls: 'http://r:1', username: me, password_file: /nonexistent/p }\n";
    let effective = load(&input(file, &[("WASMILL_REGISTRY_PASSWORD", "later")], &[])).expect("valid");
    let credentials = effective.settings.registry.expect("registry").credentials.expect("both");
    assert_eq!(credentials.password.expose(), "later");

    let both = "registry: { password_file: /nonexistent/p, password: x, username: me }\n";
    assert!(refused(&input(both, &[], &[])).contains(&("conflicting-keys", "registry.password".to_owned())));
}

#[test]
fn an_object_store_is_named_by_its_address() {
    let store = |url: &str, more: &[(&str, &str)]| {
        let mut environment = vec![("WASMILL_STATE_OBJECT_STORE_URL", url)];
        environment.extend(more);
        load(&input("", &environment, &[])).map(|effective| effective.settings.state.object_store)
    };
    let plain = |kind, bucket: &str, prefix: &str| ObjectStoreSettings {
        kind,
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: None,
        region: None,
        account: None,
        secret: None,
    };
    for (url, expected) in [
        ("/mnt/state", plain(ObjectStoreKind::Folder, "/mnt/state", "")),
        ("file:///mnt/state", plain(ObjectStoreKind::Folder, "/mnt/state", "")),
        ("s3://bucket", plain(ObjectStoreKind::S3, "bucket", "")),
        ("gs://bucket/a/b/", plain(ObjectStoreKind::Google, "bucket", "a/b")),
    ] {
        assert_eq!(store(url, &[]).expect(url), Some(expected), "{url}");
    }
    let (account, secret) = ("WASMILL_STATE_OBJECT_STORE_ACCOUNT", "WASMILL_STATE_OBJECT_STORE_SECRET");
    let endpoint = ("WASMILL_STATE_OBJECT_STORE_ENDPOINT", "http://127.0.0.1:9000");
    let found =
        store("s3://b/p", &[endpoint, (account, "id"), (secret, "hidden")]).expect("valid").expect("set");
    assert_eq!(found.endpoint.expect("set").as_str(), "http://127.0.0.1:9000/");
    assert_eq!((found.account.as_deref(), found.secret.expect("set").expose()), (Some("id"), "hidden"));
    store("az://container", &[(account, "me")]).expect("valid");
    for (url, more, code) in [
        ("state", &[][..], "invalid-value"),
        ("ftp://x/y", &[], "invalid-value"),
        ("s3:///x", &[], "invalid-value"),
        ("s3://id:secret@bucket", &[], "invalid-value"),
        ("/mnt/state", &[endpoint][..], "conflicting-keys"),
        ("az://container", &[], "missing-key"),
        ("s3://b", &[(account, "id")][..], "missing-key"),
    ] {
        let list = store(url, more).expect_err(url);
        assert_eq!(list[0].code.0, code, "{url}");
    }
    let list = load(&input("state: { object_store: { region: x } }", &[], &[])).expect_err("no address");
    assert_eq!((list[0].code.0, list[0].field.as_str()), ("missing-key", "state.object_store.url"));
}

#[test]
fn relative_paths_of_the_file_start_at_its_folder() {
    let settings = load(&input("data_dir: data\n", &[], &[])).expect("valid").settings;
    assert_eq!(settings.data_dir, PathBuf::from("/etc/wasmill/data"));
    let settings = load(&input("", &[("WASMILL_DATA_DIR", "data")], &[])).expect("valid").settings;
    assert_eq!(settings.data_dir, PathBuf::from("data"));
}

#[test]
fn a_file_that_is_empty_or_broken_is_told_apart() {
    load(&input("# nothing yet\n", &[], &[])).expect("valid");
    load(&input("kafka:\n", &[], &[])).expect("valid");
    assert_eq!(
        refused(&input("a: [\n", &[], &[])),
        [("invalid-yaml", "/etc/wasmill/wasmill.yaml".to_owned())]
    );
    assert_eq!(refused(&input("- a\n", &[], &[]))[0].0, "wrong-type");
}

#[test]
fn a_pipeline_above_the_ceilings_is_refused_limit_by_limit() {
    let text = "
version: 1
name: p
transform: { name: t }
inputs: { in: { topic: in, value: raw } }
limits: { memory_bytes_max: 1GiB, invocation_ms_max: 100 }
workers: 17
";
    let spec =
        crate::config::pipeline_file::parse(text, crate::config::pipeline_file::FileFormat::Yaml, None);
    let list = LimitCeilings::default().check(&spec.expect("valid")).expect_err("above");
    let fields: Vec<_> = list.iter().map(|refusal| refusal.field.as_str()).collect();
    assert_eq!(fields, ["limits.memory_bytes_max", "workers"]);
}

#[test]
fn the_page_of_settings_is_the_reference() {
    let page = include_str!("../../../docs/settings.md");
    assert!(
        page.contains(&reference()),
        "put what `wasmill config --reference` prints into docs/settings.md"
    );
}

#[test]
fn the_reference_names_every_key_and_variable() {
    let reference = reference();
    for key in KEYS {
        assert!(
            reference.contains(&format!("`{}`", key.path)) && reference.contains(&key.variable()),
            "{}",
            key.path
        );
    }
}
