//! The rules of the contract that a guest can see: what it is given, what comes of what it asks.

mod wasm_guests;

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BinaryArray;
use arrow_array::Int64Array;
use arrow_array::ListArray;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use arrow_schema::Field;
use wasmill::model::ids::SchemaId;
use wasmill::model::record_batch::RecordBatch;
use wasmill::pipeline::ports::Guest;
use wasmill::pipeline::ports::InvokeFailure;
use wasmill::wasm::guest::WasmGuest;

const PROCESS: &str =
    "(func (export \"wasmill:transform/handler@0.1.0#process\") (param $batch i32) (result i32)\n";

/// A guest whose `process` is this.
fn guest(data: &str, process: &str, manifest: &str) -> WasmGuest {
    let module = wasm_guests::core_module(&format!("{data}\n{PROCESS}{process})"), manifest);
    wasm_guests::guest(wasm_guests::loader().load(&module).expect("loads"))
}

fn identity(manifest: &str) -> WasmGuest {
    wasm_guests::guest(wasm_guests::loader().load(&wasm_guests::identity_guest(manifest)).expect("loads"))
}

fn manifest(input: &str, output: &str) -> String {
    format!(
        r#"{{"manifest_version":1,"name":"t","inputs":[{{"name":"in",{input}}}],"outputs":[{{"name":"out",{output}}}],"config":[{{"key":"threshold","default":"42"}},{{"key":"other"}}]}}"#
    )
}

fn raw() -> String {
    manifest(r#""value":{"kind":"raw"}"#, r#""value":{"kind":"raw"}"#)
}

fn fatal(outcome: Result<impl Sized, InvokeFailure>) -> String {
    match outcome.map(|_| ()) {
        Err(InvokeFailure::Fatal(message)) => message,
        other => panic!("expected a fatal failure, got {other:?}"),
    }
}

#[test]
fn config_holds_what_the_pipeline_sets_and_the_manifests_defaults() {
    // Answers with the value of a key.
    let process = r"(call $config (i32.const 900) (i32.const 9) (i32.const 640))
        (if (i32.eqz (i32.load8_u (i32.const 640))) (then (return (call $answer_ok))))
        (call $answer_fatal (i32.load (i32.const 644)) (i32.load (i32.const 648)))";
    let module = wasm_guests::core_module(
        &format!("(data (i32.const 900) \"threshold\")\n{PROCESS}{process})"),
        &raw(),
    );
    let component = wasm_guests::loader().load(&module).expect("loads");
    let mut defaulted = wasm_guests::guest(Arc::clone(&component));
    assert_eq!(fatal(defaulted.invoke(&wasm_guests::raw_batch(1), &mut None)), "42");
    let mut spec = wasm_guests::spec(component);
    spec.config.push(("threshold".to_owned(), "7".to_owned()));
    let mut set = WasmGuest::new(spec).expect("a guest");
    assert_eq!(fatal(set.invoke(&wasm_guests::raw_batch(1), &mut None)), "7");
    let mut unset = guest("(data (i32.const 900) \"other_key\")", process, &raw());
    unset.invoke(&wasm_guests::raw_batch(1), &mut None).expect("a key without a value is none");
}

#[test]
fn the_clock_gives_the_watermark_and_the_time() {
    let mut guest = guest(
        "",
        r"(call $watermark (i32.const 640))
        (if (i32.eqz (i32.load8_u (i32.const 640))) (then (unreachable)))
        (if (i64.ne (i64.load (i32.const 648)) (i64.const -77)) (then (unreachable)))
        (if (i64.lt_s (call $processing_time) (i64.const 1700000000000)) (then (unreachable)))
        (call $answer_ok)",
        &raw(),
    );
    let mut batch = wasm_guests::raw_batch(1);
    batch.event_watermark = Some(-77);
    guest.invoke(&batch, &mut None).expect("as said");
    batch.event_watermark = None;
    assert!(matches!(guest.invoke(&batch, &mut None), Err(InvokeFailure::Trap { .. })));
}

#[test]
fn a_retry_keeps_the_instance_and_a_fatal_failure_does_not() {
    let answer = |tag: u8| {
        format!(
            "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const {tag}))
             (i32.store (i32.const 72) (i32.const 60000)) (i32.store (i32.const 76) (i32.const 7)) (i32.const 64)"
        )
    };
    let mut retrying = guest("", &answer(0), &raw());
    for _ in 0..3 {
        let failure =
            retrying.invoke(&wasm_guests::raw_batch(1), &mut None).map(|_| ()).expect_err("asks for a retry");
        assert!(matches!(&failure, InvokeFailure::Retry(m) if m == "unknown"), "{failure:?}");
    }
    assert_eq!((retrying.stats().instances_made, retrying.stats().is_live), (1, true));
    let mut failing = guest("", &answer(1), &raw());
    assert_eq!(fatal(failing.invoke(&wasm_guests::raw_batch(1), &mut None)), "unknown");
    assert!(!failing.stats().is_live);
}

#[test]
fn rejections_come_back_with_their_rows_and_reason() {
    let mut guest = guest(
        r#"(data (i32.const 900) "\02\00\00\00\00\00\00\00too small")"#,
        r"(call $reject (i32.const 900) (i32.const 8) (i32.const 908) (i32.const 9) (i32.const 640))
        (if (i32.load8_u (i32.const 640)) (then (unreachable)))
        (call $answer_ok)",
        &raw(),
    );
    let invoked = guest.invoke(&wasm_guests::raw_batch(3), &mut None).expect("rejects");
    assert!(invoked.emissions.is_empty());
    let [rejection] = invoked.rejections.as_slice() else { panic!("{invoked:?}") };
    assert_eq!((rejection.rows.as_slice(), rejection.reason.as_str()), ([2, 0].as_slice(), "too small"));
    let invoked = guest.invoke(&wasm_guests::raw_batch(3), &mut None).expect("rejects");
    assert_eq!(invoked.rejections.len(), 1, "nothing is left of the call before");
    let failure =
        guest.invoke(&wasm_guests::raw_batch(2), &mut None).map(|_| ()).expect_err("row 2 is not there");
    assert!(matches!(failure, InvokeFailure::Trap { .. }), "{failure:?}");
}

/// Two records with every root.
fn full_batch() -> RecordBatch {
    let mut batch = wasm_guests::batch(Arc::new(BinaryArray::from_opt_vec(vec![Some(b"v"), None])));
    batch.rows.key = Some(Arc::new(StringArray::from(vec![None, Some("k")])));
    batch.rows.timestamp = Some(Arc::new(Int64Array::from(vec![Some(1), None])));
    batch.rows.offset = Some(Arc::new(Int64Array::from(vec![10, 13])));
    let headers = StructArray::from(vec![
        (
            Arc::new(Field::new("key", DataType::Utf8, false)),
            Arc::new(StringArray::from(vec!["a", "a"])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("value", DataType::Binary, true)),
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"x"), None])) as ArrayRef,
        ),
    ]);
    let item = Arc::new(Field::new("item", headers.data_type().clone(), false));
    batch.rows.headers =
        Some(Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([2, 0]), Arc::new(headers), None)));
    batch
}

#[test]
fn every_root_goes_there_and_back() {
    let output = r#""key":{"kind":"typed","schema":"string"},"value":{"kind":"raw"}"#;
    let mut guest = identity(&manifest(r#""value":{"kind":"raw"}"#, output));
    let batch = full_batch();
    let invoked = guest.invoke(&batch, &mut None).expect("identity");
    let rows = &invoked.emissions[0].rows;
    assert_eq!(rows.count, 2);
    assert_eq!(rows.key, batch.rows.key);
    assert_eq!(rows.value, batch.rows.value);
    assert!(rows.value.as_ref().is_some_and(|value| value.is_null(1)), "a tombstone stays one");
    assert_eq!(rows.timestamp, batch.rows.timestamp);
    assert_eq!(rows.headers, batch.rows.headers);
    assert_eq!(rows.offset, None);
}

#[test]
fn a_key_that_the_port_does_not_declare_is_refused() {
    let message = fatal(identity(&raw()).invoke(&full_batch(), &mut None));
    assert!(message.starts_with("key: is present, but the port declares none"), "{message}");
}

#[test]
fn an_output_without_a_value_root_is_refused() {
    let mut batch = wasm_guests::raw_batch(2);
    batch.rows.value = None;
    let message = fatal(identity(&raw()).invoke(&batch, &mut None));
    assert!(message.starts_with("value: is absent"), "{message}");
}

#[test]
fn a_dynamic_port_takes_rows_with_a_schema_alone() {
    let dynamic = manifest(r#""value":{"kind":"dynamic"}"#, r#""value":{"kind":"dynamic"}"#);
    let component = wasm_guests::loader().load(&wasm_guests::identity_guest(&dynamic)).expect("loads");
    let spec = wasm_guests::spec(component);
    let schemas = Arc::clone(&spec.schemas);
    let mut guest = WasmGuest::new(spec).expect("a guest");
    let id = schemas.declare("\"string\"").expect("declared");
    let mut batch = wasm_guests::batch(Arc::new(StringArray::from(vec!["a", "b"])));
    batch.schema = Some(id);
    let invoked = guest.invoke(&batch, &mut None).expect("identity");
    assert_eq!(invoked.emissions[0].schema, Some(id));
    assert_eq!(invoked.emissions[0].rows.value, batch.rows.value);

    batch.schema = None;
    let message = fatal(guest.invoke(&batch, &mut None));
    assert!(message.contains("is dynamic, but no schema is given"), "{message}");
    batch.schema = Some(SchemaId(99));
    assert!(fatal(guest.invoke(&batch, &mut None)).contains("no schema has the id 99"));
    let mut batch = wasm_guests::raw_batch(1);
    batch.schema = Some(id);
    assert!(fatal(identity(&raw()).invoke(&batch, &mut None)).contains("is not dynamic"));
}

#[test]
fn schemas_are_declared_and_read() {
    // Declares a text, reads the schema back by its id, answers with the text.
    let mut guest = guest(
        r#"(data (i32.const 900) "{ \"type\": \"long\" }")"#,
        r"(call $schema_declare (i32.const 900) (i32.const 18) (i32.const 640))
        (if (i32.load8_u (i32.const 640)) (then (unreachable)))
        (call $schema_text (i32.load (i32.const 644)) (i32.const 660))
        (if (i32.load8_u (i32.const 660)) (then (unreachable)))
        (call $answer_fatal (i32.load (i32.const 664)) (i32.load (i32.const 668)))",
        &raw(),
    );
    assert_eq!(fatal(guest.invoke(&wasm_guests::raw_batch(1), &mut None)), "\"long\"");
}

#[test]
fn released_guests_come_back() {
    let mut guest = identity(&raw());
    assert_eq!(guest.stats().memory_bytes, 0);
    guest.invoke(&wasm_guests::raw_batch(5), &mut None).expect("identity");
    assert!(guest.stats().memory_bytes >= 2 * 65536, "{:?}", guest.stats());
    guest.release();
    assert!(!guest.stats().is_live);
    guest.invoke(&wasm_guests::raw_batch(5), &mut None).expect("identity");
    assert_eq!(guest.stats().instances_made, 2);
}

#[test]
fn batches_of_any_size_go_there_and_back() {
    let mut guest = identity(&raw());
    for rows in [0, 1, 2, 1000, 50_000, 3] {
        let batch = wasm_guests::raw_batch(rows);
        let invoked = guest.invoke(&batch, &mut None).expect("identity");
        assert_eq!(invoked.emissions[0].rows.value, batch.rows.value, "{rows} rows");
    }
}
