//! The contract between host and guest, rule by rule, through the whole host.

use serde_json::Value as Json;
use serde_json::json;
use wasmill_test_support::ConsumedRecord;
use wasmill_test_support::TestPipeline;
use wasmill_test_support::TestRecord;
use wasmill_test_support::avro;

const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"com.example.contract","fields":[
{"name":"what","type":"string"},{"name":"to","type":["null","string"],"default":null}]}"#;

/// The time of every order that sets none.
const AT: i64 = 1_700_000_000_000;

/// A pipeline of the probe, both ports bound to `first`'s topic or each to its own.
fn probe(shared: bool) -> (TestPipeline, u32) {
    let pipeline = TestPipeline::new("contract-probe", 2)
        .and_then(|pipeline| pipeline.input("orders", "key: text, value: avro"))
        .and_then(|pipeline| {
            pipeline.output("first", "key: text, value: avro, partition_by: source-partition")
        })
        .expect("a pipeline");
    let pipeline = if shared {
        let topic = pipeline.out_topic("first");
        pipeline.output_to("second", &topic, "key: text, value: avro, partition_by: source-partition")
    } else {
        pipeline.output("second", "key: text, value: avro, partition_by: source-partition").expect("a topic")
    };
    let id = register(&pipeline, "orders", ORDER);
    (pipeline, id)
}

fn register(pipeline: &TestPipeline, port: &str, schema: &str) -> u32 {
    let subject = format!("{}-value", pipeline.in_topic(port));
    pipeline.registry.register_avro(&subject, schema).expect("a schema")
}

fn order(schema: u32, what: &str, to: Option<&str>) -> TestRecord {
    // Avro by hand: text, branch, text.
    let mut value = wasmill_test_support::payments::frame(schema);
    wasmill_test_support::payments::text(&mut value, what);
    wasmill_test_support::payments::long(&mut value, i64::from(to.is_some()));
    if let Some(to) = to {
        wasmill_test_support::payments::text(&mut value, to);
    }
    TestRecord::new("k", value).on(0).at(AT).header("h", "1").header("h", "2").null_header("n")
}

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

fn text<'a>(json: &'a Json, field: &str) -> &'a str {
    json[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {json}"))
}

fn header(name: &str, value: Option<&str>) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), value.map(|value| value.as_bytes().to_vec()))
}

#[test]
fn absent_parts_are_copied_and_present_ones_replace() {
    let (pipeline, schema) = probe(false);
    let original = vec![header("h", Some("1")), header("h", Some("2")), header("n", None)];
    let copied = (Some("k"), Some(AT), original.clone());
    type Case<'a> = (TestRecord, (Option<&'a str>, Option<i64>, Vec<(String, Option<Vec<u8>>)>));
    let mut cases: Vec<Case<'_>> = vec![
        (order(schema, "copy", None), copied.clone()),
        (order(schema, "key", Some("other")), (Some("other"), Some(AT), original.clone())),
        (order(schema, "key", Some("")), (Some(""), Some(AT), original.clone())),
        (order(schema, "null-key", None), (None, Some(AT), original.clone())),
        (order(schema, "timestamp", Some("1234")), (Some("k"), Some(1234), original.clone())),
        (
            order(schema, "headers", Some("a=1,a=2,b,a=1")),
            (
                Some("k"),
                Some(AT),
                vec![
                    header("a", Some("1")),
                    header("a", Some("2")),
                    header("b", None),
                    header("a", Some("1")),
                ],
            ),
        ),
        (order(schema, "no-headers", None), (Some("k"), Some(AT), Vec::new())),
    ];
    let unkeyed = TestRecord { key: None, ..order(schema, "copy", None) };
    cases.push((unkeyed, (None, Some(AT), original)));
    let bare = TestRecord { headers: Vec::new(), ..order(schema, "copy", None) };
    cases.push((bare, (Some("k"), Some(AT), Vec::new())));
    let records: Vec<TestRecord> = cases.iter().map(|(record, _)| record.clone()).collect();
    feed(&pipeline, "orders", records);
    pipeline.run().expect("every record dealt with");

    let found = outputs(&pipeline, "first");
    assert_eq!(found.len(), cases.len());
    for (offset, ((record, (key, timestamp, headers)), output)) in cases.iter().zip(&found).enumerate() {
        let what = format!("{record:?}");
        assert_eq!(output.key.as_deref(), key.map(str::as_bytes), "{what}");
        assert_eq!(output.timestamp_ms, *timestamp, "{what}");
        assert_eq!(output.headers, *headers, "{what}");
        // The guest saw every part as it was.
        let seen_key = record.key.as_ref().map_or("<null>", |_| "k");
        let seen_headers = if record.headers.is_empty() { "" } else { " h=1 h=2 n=<null>" };
        let seen = json_of(&pipeline, output);
        assert_eq!(text(&seen, "saw"), format!("{seen_key}@{AT}#{offset}{seen_headers}"), "{what}");
    }
    assert_eq!(outputs(&pipeline, "second"), []);
    assert_eq!(pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read"), []);
}

#[test]
fn a_timestamp_that_is_taken_away_is_the_brokers_choice() {
    let (pipeline, schema) = probe(false);
    feed(&pipeline, "orders", vec![order(schema, "no-timestamp", None)]);
    pipeline.run().expect("every record dealt with");
    let found = outputs(&pipeline, "first");
    let at = found[0].timestamp_ms.expect("the broker or client sets one");
    assert!(at > AT + 1_000_000_000, "{at} is not the time of sending");
}

#[test]
fn tombstones_pass_in_both_directions() {
    let (pipeline, schema) = probe(false);
    let incoming = TestRecord::tombstone("gone").on(0).at(AT).header("h", "1");
    let unkeyed = TestRecord { key: None, ..incoming.clone() };
    feed(
        &pipeline,
        "orders",
        vec![
            order(schema, "copy", None),
            incoming,
            order(schema, "tombstone", None),
            unkeyed,
            order(schema, "copy", None),
        ],
    );
    pipeline.run().expect("every record dealt with");
    let found = outputs(&pipeline, "first");
    let is_null: Vec<bool> = found.iter().map(|record| record.value.is_none()).collect();
    assert_eq!(is_null, [false, true, true, true, false]);
    let keys: Vec<_> = found.iter().map(|record| record.key.as_deref()).collect();
    let k = Some(&b"k"[..]);
    assert_eq!(keys, [k, Some(b"gone"), k, None, k]);
    assert_eq!(found[1].headers, [header("h", Some("1"))]);
    assert_eq!(found[1].timestamp_ms, Some(AT));
    // The SDK forwards an incoming tombstone to every output of the same key schema.
    assert_eq!(outputs(&pipeline, "second").len(), 2);
}

#[test]
fn ports_on_one_topic_are_merged_by_source_then_emission() {
    let (pipeline, schema) = probe(true);
    let mut records = Vec::new();
    for id in 0..50 {
        records.push(
            TestRecord::new(format!("k{id}"), order(schema, "ports", None).value.expect("a value")).on(0),
        );
        records.push(TestRecord { key: Some(format!("c{id}").into()), ..order(schema, "copy", None) });
    }
    feed(&pipeline, "orders", records);
    pipeline.run().expect("every record dealt with");
    let found: Vec<(String, String)> = outputs(&pipeline, "first")
        .iter()
        .map(|record| {
            let key = String::from_utf8(record.key.clone().expect("a key")).expect("text");
            let seen = json_of(&pipeline, record);
            (key, text(&seen, "saw").to_owned())
        })
        .collect();
    assert_eq!(found.len(), 200);
    for (id, group) in found.chunks(4).enumerate() {
        let [a, b, c, copy] = group else { panic!("four outputs an id") };
        for output in [a, b, c] {
            assert_eq!(output.0, format!("k{id}"));
        }
        // What each port emitted stays in order; the first port's one record stands among them.
        let mut saw: Vec<&str> = [a, b, c].iter().map(|output| output.1.as_str()).collect();
        saw.retain(|saw| *saw != "2");
        assert_eq!(saw, ["1", "3"]);
        assert_eq!(copy.0, format!("c{id}"));
    }
}

#[test]
fn a_rejected_record_loses_its_outputs_on_every_port() {
    let (pipeline, schema) = probe(false);
    feed(
        &pipeline,
        "orders",
        vec![
            order(schema, "ports", None),
            order(schema, "reject", Some("why")),
            order(schema, "unheard of", None),
            order(schema, "ports", None),
        ],
    );
    pipeline.run().expect("every record dealt with");
    let saw = |port| -> Vec<String> {
        let found = outputs(&pipeline, port);
        found.iter().map(|record| text(&json_of(&pipeline, record), "saw").to_owned()).collect()
    };
    assert_eq!(saw("first"), ["2", "2"]);
    assert_eq!(saw("second"), ["1", "3", "1", "3"]);
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    let reasons: Vec<_> = letters
        .iter()
        .filter_map(|letter| letter.header_text("__connect.errors.exception.message"))
        .collect();
    assert_eq!(reasons, ["rejected after its outputs: why", "`unheard of` is no order"]);
}

#[test]
fn offsets_and_partitions_reach_the_guest_although_offsets_have_gaps() {
    let (pipeline, schema) = probe(false);
    let topic = pipeline.in_topic("orders");
    for round in 0..3 {
        let id = format!("{}-{round}", pipeline.name);
        let record = || [order(schema, "copy", None).on(1)];
        pipeline.kafka.produce_aborted(&id, &topic, record()).expect("aborted");
        pipeline.kafka.produce_committed(&id, &topic, record()).expect("committed");
    }
    // A plain record at the end, so that the last offset is not a marker.
    feed(&pipeline, "orders", vec![order(schema, "copy", None).on(1)]);
    pipeline.run().expect("every record dealt with");
    let offsets: Vec<String> = outputs(&pipeline, "first")
        .iter()
        .map(|record| {
            assert_eq!(record.partition, 1);
            let seen = json_of(&pipeline, record);
            let saw = text(&seen, "saw");
            saw.split(['#', ' ']).nth(1).expect("an offset").to_owned()
        })
        .collect();
    assert_eq!(offsets, ["2", "6", "10", "12"]);
}

const PAYMENT_V2: &str = r#"{"type":"record","name":"Payment","namespace":"payments","fields":[
{"name":"currency","type":"string","default":"EUR"},
{"name":"card_present","type":"boolean"},{"name":"id","type":"int"},{"name":"account","type":"string"},
{"name":"amount","type":"float"},{"name":"country","type":"string"},
{"name":"note","type":["null","string"],"default":null},{"name":"ts","type":"long"}]}"#;

#[test]
fn writer_schemas_mixed_in_a_batch_are_read_as_one() {
    let pipeline = TestPipeline::new("route-by-country", 1)
        .and_then(|pipeline| pipeline.input("payments", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("domestic", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("foreign", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("unknown", "key: text, value: avro"))
        .expect("a pipeline");
    let v1_text = wasmill_test_support::payments::PAYMENT_SCHEMA;
    let v1 = register(&pipeline, "payments", v1_text);
    let v2 = register(&pipeline, "payments", PAYMENT_V2);
    let countries = ["DE", "FR", "??", "AT", "US", "Germany"];
    let payment = |id: i64| {
        json!({
            "id": id, "account": format!("a-{id}"), "amount": 0.5 * id as f64, "country": countries[id as usize % 6],
            "ts": AT + id, "card_present": id % 2 == 0,
        })
    };
    let records = (0..300)
        .map(|id| {
            let mut value = payment(id);
            // Runs of one to three records of each schema.
            let bytes = if id % 5 < 2 || id % 7 == 0 {
                avro::encode_json(v1_text, v1, &value)
            } else {
                value["currency"] = json!("USD");
                value["note"] = json!("n");
                avro::encode_json(PAYMENT_V2, v2, &value)
            };
            TestRecord::new(format!("a-{id}"), bytes.expect("a payment"))
        })
        .collect();
    feed(&pipeline, "payments", records);
    pipeline.run().expect("every record dealt with");
    for (port, wanted) in [("domestic", [0, 3]), ("foreign", [1, 4]), ("unknown", [2, 5])] {
        let expected: Vec<Json> = (0..300).filter(|id| wanted.contains(&(id % 6))).map(payment).collect();
        let found: Vec<Json> =
            outputs(&pipeline, port).iter().map(|record| json_of(&pipeline, record)).collect();
        assert_eq!(found, expected, "{port}");
    }
}

const CUSTOMER: &str = r#"{"type":"record","name":"Customer","fields":[
{"name":"id","type":"long"},{"name":"email","type":["null","string"]},
{"name":"address","type":{"type":"record","name":"Address","fields":[
 {"name":"street","type":"string"},{"name":"email","type":"string"}]}}]}"#;
const DEVICE: &str = r#"{"type":"record","name":"Device","fields":[
{"name":"email","type":"string"},{"name":"serial","type":"int"},
{"name":"tags","type":{"type":"map","values":"string"}}]}"#;

#[test]
fn a_dynamic_port_takes_every_schema_of_its_topic() {
    let pipeline = TestPipeline::new("mask-fields", 1)
        .and_then(|pipeline| pipeline.input("records", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("masked", "key: text, value: avro"))
        .expect("a pipeline")
        .with("config: { fields: email, keep_last: \"2\" }");
    let customer_id = register(&pipeline, "records", CUSTOMER);
    let device_id = register(&pipeline, "records", DEVICE);
    let customer = |id: i64, email: Json, deep: &str| json!({"id": id, "email": email, "address": {"street": "Main", "email": deep}});
    let device =
        |serial: i32, email: &str| json!({"email": email, "serial": serial, "tags": {"email": "kept"}});
    let mut records = Vec::new();
    let mut expected = Vec::new();
    for id in 0..30 {
        let (plain, masked) = if id % 3 == 0 {
            (avro::encode_json(DEVICE, device_id, &device(id, "d@x")), device(id, "*@x"))
        } else if id % 3 == 1 {
            (
                avro::encode_json(CUSTOMER, customer_id, &customer(i64::from(id), json!("ab@cd"), "a")),
                customer(i64::from(id), json!("***cd"), "a"),
            )
        } else {
            (
                avro::encode_json(CUSTOMER, customer_id, &customer(i64::from(id), Json::Null, "xyz")),
                customer(i64::from(id), Json::Null, "*yz"),
            )
        };
        records.push(TestRecord::new(format!("k{id}"), plain.expect("a record")));
        expected.push(masked);
    }
    records.insert(7, TestRecord::tombstone("gone"));
    expected.insert(7, Json::Null);
    feed(&pipeline, "records", records);
    pipeline.run().expect("every record dealt with");
    let found: Vec<Json> =
        outputs(&pipeline, "masked").iter().map(|record| json_of(&pipeline, record)).collect();
    assert_eq!(found, expected);
}

const SHOP_ORDER: &str = r#"{"type":"record","name":"Order","namespace":"com.example.shop","fields":[
{"name":"order_id","type":"string"},{"name":"customer","type":"string"},
{"name":"placed_at","type":{"type":"long","logicalType":"timestamp-millis"}},
{"name":"channel","type":{"type":"enum","name":"Channel","symbols":["STORE","WEB","KIOSK"],"default":"STORE"}},
{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
 {"name":"product","type":"string"},{"name":"quantity","type":"int"},
 {"name":"unit_price","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
 {"name":"voucher","type":["null","string"],"default":null}]}}}]}"#;

#[test]
fn one_record_becomes_many_under_keys_and_times_of_their_own() {
    use apache_avro::Decimal;
    use apache_avro::types::Value;
    let pipeline = TestPipeline::new("explode-order", 1)
        .and_then(|pipeline| pipeline.input("orders", "key: text, value: avro"))
        .and_then(|pipeline| pipeline.output("sales", "key: text, value: avro"))
        .expect("a pipeline");
    let id = register(&pipeline, "orders", SHOP_ORDER);
    let text = |value: &str| Value::String(value.to_owned());
    let line = |product: &str, quantity: i32, cents: i64| {
        Value::Record(vec![
            ("product".to_owned(), text(product)),
            ("quantity".to_owned(), Value::Int(quantity)),
            ("unit_price".to_owned(), Value::Decimal(Decimal::from(cents.to_be_bytes()))),
            ("voucher".to_owned(), Value::Union(0, Box::new(Value::Null))),
        ])
    };
    let shop_order = |name: &str, channel: u32, symbol: &str, lines: Vec<Value>| {
        let value = Value::Record(vec![
            ("order_id".to_owned(), text(name)),
            ("customer".to_owned(), text("ann")),
            ("placed_at".to_owned(), Value::TimestampMillis(AT)),
            ("channel".to_owned(), Value::Enum(channel, symbol.to_owned())),
            ("lines".to_owned(), Value::Array(lines)),
        ]);
        TestRecord::new("ann", avro::encode(SHOP_ORDER, id, value).expect("an order")).at(1).header("h", "1")
    };
    let many: Vec<Value> = (0..500).map(|n| line("bulk", n + 1, 1)).collect();
    feed(
        &pipeline,
        "orders",
        vec![
            shop_order("o-1", 1, "WEB", vec![line("ink", 2, 499), line("pen", 3, -120)]),
            shop_order("o-2", 0, "STORE", vec![]),
            // One bad line takes its whole order along.
            shop_order("o-3", 0, "STORE", vec![line("ink", 1, 499), line("pen", 0, 120)]),
            // A channel that the guest does not know has a default there.
            shop_order("o-4", 2, "KIOSK", many),
        ],
    );
    pipeline.run().expect("every record dealt with");
    let found = outputs(&pipeline, "sales");
    assert_eq!(found.len(), 502);
    let keys: Vec<_> = found[..3].iter().map(|record| record.key.as_deref().expect("a key")).collect();
    assert_eq!(keys, [&b"ink"[..], b"pen", b"bulk"]);
    for (n, record) in found.iter().enumerate() {
        assert_eq!(record.timestamp_ms, Some(AT));
        assert_eq!(record.headers, [header("h", Some("1"))]);
        let value = record.value.as_deref().expect("a sale");
        let Value::Record(sale) = avro::decode(&pipeline.registry, value).expect("a sale of its schema")
        else {
            panic!("a sale is a record")
        };
        let field = |name: &str| sale.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let (order, line, channel, cents) = match n {
            0 => ("o-1", 0, "WEB", 998),
            1 => ("o-1", 1, "WEB", -360),
            _ => ("o-4", n as i32 - 2, "OTHER", n as i64 - 1),
        };
        assert_eq!(field("order_id"), Some(text(order)));
        assert_eq!(field("line"), Some(Value::Int(line)));
        let Some(Value::Enum(_, symbol)) = field("channel") else { panic!("{sale:?}") };
        assert_eq!(symbol, channel);
        let Some(Value::Decimal(total)) = field("total") else { panic!("{sale:?}") };
        let bytes: Vec<u8> = (&total).try_into().expect("bytes of a decimal");
        let fill = if bytes[0] >= 0x80 { 0xff } else { 0 };
        let unscaled =
            bytes.iter().fold(if fill == 0 { 0_i64 } else { -1 }, |sum, byte| (sum << 8) | i64::from(*byte));
        assert_eq!(unscaled, cents, "the total of {order} line {line}");
    }
    let letters = pipeline.kafka.read_committed(&pipeline.letters()).expect("letters read");
    let [letter] = letters.as_slice() else { panic!("one letter, got {letters:?}") };
    let reason = letter.header_text("__connect.errors.exception.message");
    assert_eq!(reason, Some("line 1 of order o-3 has the quantity 0"));
}
