//! Every rule of a manifest.

use super::*;
use crate::model::manifest::EventTime;
use crate::model::manifest::Late;
use crate::model::manifest::PartType;
use crate::model::manifest::Scope;
use crate::model::manifest::TimeToLive;
use crate::model::state::TimeDomain;

const GOOD: &str = r#"{"manifest_version":1,"name":"t",
    "inputs":[{"name":"in","value":{"kind":"typed","schema":"string"}}],
    "outputs":[{"name":"out","key":{"kind":"raw"},"value":{"kind":"dynamic"}}],
    "config":[{"key":"threshold","default":"3"}]}"#;

fn refused(text: &str) -> Refusal {
    parse(text).expect_err(text)
}

#[test]
fn a_good_manifest_is_taken() {
    let manifest = parse(GOOD).expect("good");
    assert_eq!(manifest.inputs[0].name, "in");
    assert_eq!(manifest.outputs[0].value, PartType::Dynamic);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    let refusal = refused(&GOOD.replace("\"config\"", "\"confg\""));
    assert_eq!((refusal.code.0, refusal.field.as_str()), ("manifest-invalid", "manifest.confg"));
    assert_eq!(refusal.remedy, "Did you mean `config`?");
    let refusal = refused(&GOOD.replace("\"schema\"", "\"shema\""));
    assert_eq!(refusal.field, "manifest.inputs[0].value.shema");
    assert_eq!(refusal.remedy, "Did you mean `schema`?");
    let refusal = refused(&GOOD.replace("\"raw\"", "\"row\""));
    assert_eq!(refusal.field, "manifest.outputs[0].key.kind");
    assert_eq!(refusal.remedy, "Did you mean `raw`?");
}

#[test]
fn a_newer_manifest_says_so_even_when_its_keys_are_unknown() {
    let text = GOOD.replace("\"manifest_version\":1", "\"manifest_version\":2,\"state\":[]");
    let refusal = refused(&text);
    assert_eq!((refusal.code.0, refusal.found.as_str()), ("manifest-newer", "2"));
}

#[test]
fn every_rule_names_the_path_of_what_breaks_it() {
    for (from, to, field) in [
        ("\"manifest_version\":1,", "", "manifest.manifest_version"),
        ("\"manifest_version\":1", "\"manifest_version\":\"1\"", "manifest.manifest_version"),
        ("\"name\":\"t\"", "\"name\":\"\"", "manifest.name"),
        ("\"name\":\"in\"", "\"name\":\"In\"", "manifest.inputs[0].name"),
        ("\"string\"", "\"strin\"", "manifest.inputs[0].value.schema"),
        ("{\"kind\":\"raw\"}", "{\"kind\":\"dynamic\"}", "manifest.outputs[0].key"),
        ("{\"kind\":\"raw\"}", "3", "manifest.outputs[0].key"),
        ("\"key\":\"threshold\"", "\"key\":\"\"", "manifest.config[0].key"),
        ("\"name\":\"in\"", "\"name\":7", "manifest"),
    ] {
        let refusal = refused(&GOOD.replacen(from, to, 1));
        assert_eq!((refusal.code.0, refusal.field.as_str()), ("manifest-invalid", field), "{refusal}");
    }
    assert_eq!(refused("{").field, "manifest");
    let twice = GOOD.replace(
        "{\"name\":\"in\",\"value\":{\"kind\":\"typed\",\"schema\":\"string\"}}",
        "{\"name\":\"in\"},{\"name\":\"in\"}",
    );
    assert_eq!(refused(&twice).field, "manifest.inputs[1].name");
}

const STATEFUL: &str = r#"{"manifest_version":1,"name":"t",
    "inputs":[
        {"name":"plain","value":{"kind":"raw"}},
        {"name":"in","event_time":{"field":"at","out_of_orderness_ms":5000,"granularity_ms":250,"late":"drop"},
         "value":{"kind":"typed","schema":{"type":"record","name":"R","fields":[
            {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-micros"}]},
            {"name":"id","type":"string"},
            {"name":"day","type":{"type":"int","logicalType":"date"}},
            {"name":"ms","type":"long"}]}}}],
    "state":[
        {"name":"totals","value":"double"},
        {"name":"seen","description":"ids","value":{"type":"record","name":"Seen","fields":[]},
         "scope":"partition","scan":true,"ttl":{"ms":86400000,"time":"event"}}],
    "timers":["event","processing"]}"#;

#[test]
fn state_timers_and_event_time_are_taken() {
    let manifest = parse(STATEFUL).expect("good");
    let [totals, seen] = manifest.state.as_slice() else { panic!("{:?}", manifest.state) };
    assert_eq!(
        (totals.name.as_str(), totals.scope, totals.scan, totals.ttl),
        ("totals", Scope::Key, false, None)
    );
    assert_eq!(totals.value, "double");
    assert_eq!((seen.scope, seen.scan), (Scope::Partition, true));
    assert_eq!(seen.ttl, Some(TimeToLive { ms: 86_400_000, time: TimeDomain::Event }));
    assert_eq!(manifest.timers, [TimeDomain::Event, TimeDomain::Processing]);
    assert_eq!(manifest.inputs[0].event_time, None);
    let event_time = EventTime {
        field: Some("at".to_owned()),
        out_of_orderness_ms: 5000,
        granularity_ms: 250,
        late: Late::Drop,
    };
    assert_eq!(manifest.inputs[1].event_time.as_ref(), Some(&event_time));
    for field in ["\"ms\"", "\"at\""] {
        parse(&STATEFUL.replacen("\"field\":\"at\"", &format!("\"field\":{field}"), 1)).expect(field);
    }
    let brief = parse(&STATEFUL.replacen(
        "\"field\":\"at\",\"out_of_orderness_ms\":5000,\"granularity_ms\":250,\"late\":\"drop\"",
        "",
        1,
    ));
    let brief = brief.expect("all of it has defaults").inputs[1].event_time.clone().expect("event time");
    assert_eq!((brief.field, brief.granularity_ms, brief.late), (None, 100, Late::Process));
}

#[test]
fn rules_of_state_and_time_name_the_path_of_what_breaks_them() {
    for (from, to, path, found) in [
        ("\"totals\"", "\"Totals\"", "manifest.state[0].name", "`Totals`"),
        ("\"totals\"", "\"a_b\"", "manifest.state[0].name", "`a_b`"),
        ("\"totals\"", "\"\"", "manifest.state[0].name", "``"),
        ("\"totals\"", "\"timers\"", "manifest.state[0].name", "`timers`"),
        ("\"totals\"", "\"meta\"", "manifest.state[0].name", "`meta`"),
        ("\"totals\"", "\"seen\"", "manifest.state[1].name", "`seen` again"),
        ("\"double\"", "\"duble\"", "manifest.state[0].value", "duble"),
        ("\"scope\":\"partition\"", "\"scope\":\"task\"", "manifest.state[1].scope", "`task`"),
        ("\"scope\"", "\"skope\"", "manifest.state[1].skope", "`skope`"),
        ("86400000", "0", "manifest.state[1].ttl.ms", "0"),
        ("86400000", "-1", "manifest.state[1].ttl.ms", "-1"),
        ("86400000", "1.5", "manifest.state[1].ttl.ms", "1.5"),
        ("86400000", "3155760000001", "manifest.state[1].ttl.ms", "3155760000001"),
        ("\"time\":\"event\"", "\"time\":\"wall\"", "manifest.state[1].ttl.time", "`wall`"),
        ("[\"event\",", "[\"evnt\",", "manifest.timers[0]", "`evnt`"),
        ("[\"event\",", "[\"processing\",", "manifest.timers[1]", "\"processing\""),
        ("[\"event\",\"processing\"]", "3", "manifest.timers", "a number"),
        (
            "\"granularity_ms\":250",
            "\"granularity_ms\":0",
            "manifest.inputs[1].event_time.granularity_ms",
            "0",
        ),
        (
            "\"out_of_orderness_ms\":5000",
            "\"out_of_orderness_ms\":-5",
            "manifest.inputs[1].event_time.out_of_orderness_ms",
            "-5",
        ),
        ("\"late\":\"drop\"", "\"late\":\"dorp\"", "manifest.inputs[1].event_time.late", "`dorp`"),
        (
            "\"granularity_ms\"",
            "\"granularity\"",
            "manifest.inputs[1].event_time.granularity",
            "`granularity`",
        ),
        ("\"field\":\"at\"", "\"field\":\"att\"", "manifest.inputs[1].event_time.field", "`att`"),
        (
            "\"field\":\"at\"",
            "\"field\":\"id\"",
            "manifest.inputs[1].event_time.field",
            "`id` of the type `string`",
        ),
        (
            "\"field\":\"at\"",
            "\"field\":\"day\"",
            "manifest.inputs[1].event_time.field",
            "`day` of the type `int`",
        ),
        (
            "\"value\":{\"kind\":\"raw\"}",
            "\"event_time\":{\"field\":\"at\"}",
            "manifest.inputs[0].event_time.field",
            "no declared value type",
        ),
    ] {
        let refusal = refused(&STATEFUL.replacen(from, to, 1));
        assert_eq!((refusal.code.0, refusal.field.as_str()), ("manifest-invalid", path), "{to}: {refusal}");
        assert!(refusal.found.contains(found), "{to}: {refusal}");
    }
}

#[test]
fn event_time_is_needed_by_whatever_goes_by_it() {
    let without = STATEFUL.replacen("\"event_time\"", "\"description\":\"none\",\"event_time\"", 1);
    let start = without.find("\"event_time\"").expect("there");
    let end = without[start..].find('}').expect("its end") + start + 2;
    let without = format!("{}{}", &without[..start], &without[end..]);
    assert_eq!(refused(&without).field, "manifest.state[1].ttl.time");
    let processing = without.replace("\"time\":\"event\"", "\"time\":\"processing\"");
    assert_eq!(refused(&processing).field, "manifest.timers[0]");
    parse(&processing.replace("[\"event\",", "[")).expect("nothing goes by event time");
}

#[test]
fn a_transform_has_so_many_stores_at_most() {
    let stores = |count: usize| {
        let stores: Vec<String> =
            (0..count).map(|at| format!("{{\"name\":\"s{at}\",\"value\":\"long\"}}")).collect();
        GOOD.replace("\"config\"", &format!("\"state\":[{}],\"config\"", stores.join(",")))
    };
    assert_eq!(parse(&stores(64)).expect("64").state.len(), 64);
    let refusal = refused(&stores(65));
    assert_eq!((refusal.field.as_str(), refusal.found.as_str()), ("manifest.state", "65"));
}

#[test]
fn timers_are_listed_if_and_only_if_they_can_be_called() {
    let (timed, plain) = (parse(STATEFUL).expect("good"), parse(GOOD).expect("good"));
    check_timer_export(&timed, true).expect("both");
    check_timer_export(&plain, false).expect("neither");
    let code = |result: Result<(), Refusal>| result.expect_err("one of them").code.0;
    assert_eq!(code(check_timer_export(&timed, false)), "timers-not-exported");
    assert_eq!(code(check_timer_export(&plain, true)), "timers-not-declared");
}

#[test]
fn all_schemas_together_have_so_many_columns() {
    let fields = |ty: &dyn Fn(usize) -> String| {
        (0..60).map(|n| format!(r#"{{"name":"f{n}","type":{}}}"#, ty(n))).collect::<Vec<_>>().join(",")
    };
    let inner =
        format!(r#"{{"type":"record","name":"I","fields":[{}]}}"#, fields(&|_| r#""int""#.to_owned()));
    let outer = fields(&|n| if n == 0 { inner.clone() } else { r#""I""#.to_owned() });
    let output = |n: usize| {
        format!(
            r#"{{"name":"o{n}","value":{{"kind":"typed","schema":{{"type":"record","name":"O","fields":[{outer}]}}}}}}"#
        )
    };
    let manifest = |outputs: usize| {
        let outputs = (0..outputs).map(output).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"manifest_version":1,"name":"t","inputs":[{{"name":"in","value":{{"kind":"raw"}}}}],"outputs":[{outputs}]}}"#
        )
    };
    // 1 + 60 * 61 columns each.
    parse(&manifest(8)).expect("29 288 columns");
    let refusal = refused(&manifest(9));
    assert_eq!((refusal.field.as_str(), refusal.found.as_str()), ("manifest", "32949"));
}
