use indexmap::IndexMap;
use serde_json::json;

use super::*;
use crate::app::contract::Contract;
use crate::app::topics;
use crate::config::pipeline_file;
use crate::config::pipeline_file::FileFormat;
use crate::model::ids::TenantName;

fn manifest(more: serde_json::Value) -> Manifest {
    let mut manifest = json!({
        "manifest_version": 1,
        "name": "counts",
        "inputs": [
            {
                "name": "payments",
                "value": { "kind": "raw" },
                "event_time": { "out_of_orderness_ms": 50, "late": "drop" },
            },
            { "name": "accounts", "value": { "kind": "raw" } },
        ],
        "outputs": [{ "name": "totals", "value": { "kind": "raw" } }],
    });
    for (key, value) in more.as_object().expect("an object") {
        manifest[key] = value.clone();
    }
    serde_json::from_value(manifest).expect("a manifest")
}

fn stateful() -> Manifest {
    manifest(json!({
        "state": [{ "name": "total", "value": "long" }, { "name": "seen", "value": "boolean" }],
        "timers": ["event"],
    }))
}

/// Binds the transform in a pipeline `p` with these bindings of its three ports, and more lines.
fn bind(manifest: &Manifest, ports: [&str; 3], lines: &str) -> Result<Contract, Vec<Refusal>> {
    let [payments, accounts, totals] = ports;
    let text = format!(
        "version: 1\nname: p\ntransform: {{ name: t }}\n\
         inputs:\n  payments: {{ value: raw, {payments} }}\n  accounts: {{ value: raw, {accounts} }}\n\
         outputs:\n  totals: {{ value: raw, {totals} }}\n{lines}\n"
    );
    let spec = pipeline_file::parse(&text, FileFormat::Yaml, None).expect("a pipeline file");
    let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: spec.name.clone() };
    let mut refusals = topics::check(&spec);
    let contract = Contract::bind(&id, &spec, &IndexMap::new(), manifest, &mut refusals);
    if refusals.is_empty() { Ok(contract) } else { Err(refusals) }
}

const PORTS: [&str; 3] = ["topic: payments", "topic: accounts", "topic: totals"];

fn refused(manifest: &Manifest, ports: [&str; 3], lines: &str) -> Vec<(&'static str, String)> {
    let refusals = bind(manifest, ports, lines).expect_err("it does not fit");
    refusals.into_iter().map(|refusal| (refusal.code.0, refusal.field)).collect()
}

#[test]
fn every_store_has_its_changelog_and_timers_keep_their_index() {
    let names = |manifest: &Manifest| -> Vec<(u32, String)> {
        let contract = bind(manifest, PORTS, "").expect("it fits");
        let topic = |changelog: &Changelog| {
            let (topic, _) = &contract.topics[changelog.sink.0 as usize];
            assert_eq!(*topic, changelog.topic);
            (changelog.index.0, topic.to_string())
        };
        contract.changelogs.iter().map(topic).collect()
    };
    let name = |store: &str| format!("wasmill.default.p.{store}.changelog");
    assert_eq!(
        names(&stateful()),
        [(0, name("total")), (1, name("seen")), (2, name("timers")), (3, name("meta"))]
    );
    let without_timers = manifest(json!({ "state": [{ "name": "total", "value": "long" }] }));
    assert_eq!(names(&without_timers), [(0, name("total")), (2, name("meta"))]);
    // Event clocks alone are kept too.
    assert_eq!(names(&manifest(json!({}))), [(1, name("meta"))]);
    let mut stateless = manifest(json!({}));
    stateless.inputs[0].event_time = None;
    assert_eq!(names(&stateless), []);
}

#[test]
fn what_the_pipeline_sets_of_event_time_replaces_what_the_port_declares() {
    let of = |payments: &str| {
        let contract = bind(&stateful(), [payments, PORTS[1], PORTS[2]], "").expect("it fits");
        assert_eq!(contract.inputs[1].event_time, None);
        let topics = contract.topics.clone();
        (contract.inputs[0].event_time.clone().expect("the port has it"), topics)
    };
    let declared = PortEventTime {
        field: None,
        out_of_orderness_ms: 50,
        idle_ms: EVENT_TIME_IDLE_MS,
        granularity_ms: 100,
        late: PortLate::Drop,
    };
    assert_eq!(of("topic: payments").0, declared);
    let set = "topic: payments, event_time: { out_of_orderness_ms: 7, idle_ms: 8, granularity_ms: 9, late: process }";
    let replaced = PortEventTime {
        out_of_orderness_ms: 7,
        idle_ms: 8,
        granularity_ms: 9,
        late: PortLate::Process,
        ..declared.clone()
    };
    assert_eq!(of(set).0, replaced);
    let (side, topics) = of("topic: payments, event_time: { late: { topic: payments-late } }");
    let PortLate::Topic(index) = side.late else { panic!("a topic of late records") };
    assert_eq!(topics[index.0 as usize], ("payments-late".into(), PartitionBy::Key));
}

#[test]
fn state_at_least_once_must_be_accepted() {
    let lines = "delivery: at-least-once";
    assert_eq!(refused(&stateful(), PORTS, lines), [("duplicate-updates", "delivery".to_owned())]);
    bind(&stateful(), PORTS, &format!("{lines}\naccept_duplicate_updates: true")).expect("accepted");
    // Event clocks come out the same however often a record is read.
    bind(&manifest(json!({})), PORTS, lines).expect("nothing counts twice");
}

#[test]
fn a_table_needs_state_and_an_override_a_declaration() {
    let table = [PORTS[0], "topic: accounts, as: table", PORTS[2]];
    bind(&stateful(), table, "").expect("it fits");
    let field = "inputs.accounts.as".to_owned();
    assert_eq!(refused(&manifest(json!({})), table, ""), [("table-without-state", field)]);
    let undeclared = [PORTS[0], "topic: accounts, event_time: { idle_ms: 5 }", PORTS[2]];
    let field = "inputs.accounts.event_time".to_owned();
    assert_eq!(refused(&stateful(), undeclared, ""), [("event-time-undeclared", field)]);
}

#[test]
fn changelogs_and_topics_of_late_records_keep_apart_from_other_topics() {
    let changelog = "topic: wasmill.default.p.total.changelog";
    let of_another = "topic: wasmill.default.q.total.changelog";
    let late = |topic: &str| format!("topic: payments, event_time: {{ late: {{ topic: {topic} }} }}");
    let code = |ports: [&str; 3], lines: &str| {
        let found = refused(&stateful(), ports, lines);
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].0, found[0].1.clone())
    };
    let expect = |code, field: &str| (code, field.to_owned());
    assert_eq!(code([changelog, PORTS[1], PORTS[2]], ""), expect("topic-loop", "inputs.payments.topic"));
    // What another pipeline keeps may be read, but not written.
    bind(&stateful(), [of_another, PORTS[1], PORTS[2]], "").expect("it may be read");
    assert_eq!(code([PORTS[0], PORTS[1], of_another], ""), expect("changelog-topic", "outputs.totals.topic"));
    let lines = "on_bad_record: { topic: wasmill.default.q.total.changelog }";
    assert_eq!(code(PORTS, lines), expect("changelog-topic", "on_bad_record.topic"));
    let field = "inputs.payments.event_time.late.topic";
    let ports = [&*late("wasmill.default.p.meta.changelog"), PORTS[1], PORTS[2]];
    assert_eq!(code(ports, ""), expect("changelog-topic", field));
    assert_eq!(code([&late("accounts"), PORTS[1], PORTS[2]], ""), expect("topic-loop", field));
    let ports = [&*late("totals"), PORTS[1], "topic: totals, partition_by: round-robin"];
    assert_eq!(code(ports, ""), expect("partition-by-differs", field));
    // One topic for late records of several ports, or for outputs too, is no clash.
    bind(&stateful(), [&late("totals"), PORTS[1], PORTS[2]], "").expect("it fits");
}
