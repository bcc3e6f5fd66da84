//! Every format of keys and values, through the whole host.

use serde_json::Value as Json;
use serde_json::json;
use wasmill_test_support::ConsumedRecord;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::avro;

fn feed(pipeline: &TestPipeline, port: &str, records: Vec<TestRecord>) {
    pipeline.kafka.produce(&pipeline.in_topic(port), records).expect("records written");
}

fn outputs(pipeline: &TestPipeline, port: &str) -> Vec<ConsumedRecord> {
    pipeline.kafka.read_committed(&pipeline.out_topic(port)).expect("outputs read")
}

fn json_of(pipeline: &TestPipeline, record: &ConsumedRecord) -> Json {
    record.value.as_deref().map_or(Json::Null, |bytes| {
        avro::decode_json(&pipeline.registry, bytes).expect("a value of its schema")
    })
}

#[test]
fn raw_lines_become_json() {
    let pipeline = TestPipeline::new("parse-logs", 1)
        .and_then(|pipeline| pipeline.input("lines", "value: raw"))
        .and_then(|pipeline| pipeline.output("requests", "value: json"))
        .expect("a pipeline");
    let lines = [
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
        "no log line",
        r#"::1 - - [01/Jan/2024:00:00:00 +0000] "POST /a?b=c HTTP/1.1" 204 -"#,
        "\u{feff}",
    ];
    let mut records: Vec<TestRecord> = lines.iter().map(|line| TestRecord::new([0xff, 0], *line)).collect();
    records.push(TestRecord::unkeyed([0xff, 0xfe]));
    feed(&pipeline, "lines", records);
    pipeline.run().expect("every record dealt with");
    let found = outputs(&pipeline, "requests");
    let json: Vec<Json> = found
        .iter()
        .map(|record| serde_json::from_slice(record.value.as_deref().expect("a request")).expect("JSON"))
        .collect();
    assert_eq!(
        json,
        [
            json!({
                "host": "127.0.0.1", "user": "frank", "at": "2000-10-10T20:55:36Z", "method": "GET",
                "path": "/apache_pb.gif", "protocol": "HTTP/1.0", "status": 200, "bytes": 2326
            }),
            json!({
                "host": "::1", "user": null, "at": "2024-01-01T00:00:00Z", "method": "POST",
                "path": "/a?b=c", "protocol": "HTTP/1.1", "status": 204, "bytes": null
            }),
        ]
    );
    // A key that is no text passes through: nobody declared it.
    assert_eq!(found[0].key.as_deref(), Some(&[0xff, 0][..]));
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    assert_eq!(letters.len(), 3);
    assert_eq!(letters[2].value.as_deref(), Some(&[0xff, 0xfe][..]));
}

#[test]
fn json_in_gives_avro_out_and_bad_json_is_set_aside() {
    let pipeline = TestPipeline::new("payments-filter", 1)
        .and_then(|pipeline| pipeline.input("payments", "key: text, value: json"))
        .and_then(|pipeline| pipeline.output("large_payments", "key: text, value: avro"))
        .expect("a pipeline");
    let payment = |amount: &str| {
        let text = format!(
            r#"{{"id": 9007199254740993, "account": "a", "amount": {amount}, "country": "DE", "ts": 7,
                "card_present": false, "more": [1, {{}}]}}"#
        );
        TestRecord::new("a", text)
    };
    feed(
        &pipeline,
        "payments",
        vec![
            payment("500"),
            payment("500.5"),
            payment("\"much\""),
            TestRecord::new("a", "{"),
            TestRecord::new("a", "{\"id\": 1}"),
            payment("1e3"),
        ],
    );
    pipeline.run().expect("every record dealt with");
    let found: Vec<Json> =
        outputs(&pipeline, "large_payments").iter().map(|record| json_of(&pipeline, record)).collect();
    let large = |amount: f64| json!({"account": "a", "amount": amount, "ts": 7});
    assert_eq!(found, [large(500.5), large(1000.0)]);
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    let codes: Vec<_> = letters.iter().filter_map(|letter| letter.header_text("wasmill.code")).collect();
    assert_eq!(codes, ["json-type", "json-invalid", "json-missing"]);
}

#[test]
fn keys_of_every_primitive_format_are_read_and_written() {
    let formats = [
        ("flags", "key: boolean, value: text"),
        ("ints", "key: int32, value: text"),
        ("longs", "key: int64, value: text"),
        ("doubles", "key: float64, value: text"),
    ];
    let mut pipeline = TestPipeline::new("key-probe", 1).expect("a pipeline");
    for (port, formats) in formats {
        pipeline = pipeline.input(port, formats).and_then(|p| p.output(port, formats)).expect("topics");
    }
    let record = |key: &[u8]| TestRecord::new(key, "v");
    // A good key, one of the wrong size, a null key (of which the guest makes nothing).
    let unkeyed = || TestRecord::unkeyed("v");
    feed(&pipeline, "flags", vec![record(&[1]), record(&[7]), unkeyed(), record(&[0])]);
    feed(&pipeline, "ints", vec![record(&(-2_i32).to_be_bytes()), record(&[1; 8]), unkeyed()]);
    feed(&pipeline, "longs", vec![record(&41_i64.to_be_bytes()), record(&[1; 4]), unkeyed()]);
    feed(&pipeline, "doubles", vec![record(&0.5_f64.to_be_bytes()), record(&[]), unkeyed()]);
    pipeline.run().expect("every record dealt with");
    let pairs = |port| -> Vec<(Vec<u8>, String)> {
        let found = outputs(&pipeline, port);
        found
            .into_iter()
            .map(|r| (r.key.expect("a key"), String::from_utf8(r.value.expect("a value")).expect("text")))
            .collect()
    };
    let pair = |key: &[u8], value: &str| (key.to_vec(), value.to_owned());
    assert_eq!(pairs("flags"), [pair(&[0], "v Some(true)"), pair(&[1], "v Some(false)")]);
    assert_eq!(pairs("ints"), [pair(&(-1_i32).to_be_bytes(), "v Some(-2)")]);
    assert_eq!(pairs("longs"), [pair(&42_i64.to_be_bytes(), "v Some(41)")]);
    assert_eq!(pairs("doubles"), [pair(&1.5_f64.to_be_bytes(), "v Some(0.5)")]);
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    assert_eq!(letters.len(), 4);
    for letter in &letters {
        assert_eq!(letter.header_text("__connect.errors.stage"), Some("KEY_DECODE"));
        let code = letter.header_text("wasmill.code").expect("a code");
        assert!(code.starts_with("primitive-"), "{code}");
        assert_eq!(letter.value.as_deref(), Some(&b"v"[..]));
    }
}
