//! What crossing the boundary costs: Arrow in the host, identity guest, validated Arrow in the host.
//!
//! `cargo run -p wasmill --example boundary`

#[path = "../tests/wasm_guests/mod.rs"]
mod wasm_guests;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use wasmill::pipeline::ports::Guest;
use wasmill::wasm::guest::WasmGuest;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[{"name":"id","type":"long"},{"name":"account","type":"string"},{"name":"amount","type":"double"},{"name":"country","type":"string"},{"name":"ts","type":"long"},{"name":"card_present","type":"boolean"}]}"#;

fn payments(rows: usize) -> ArrayRef {
    let numbers = || 0..rows as i64;
    let columns: Vec<(&str, DataType, ArrayRef)> = vec![
        ("id", DataType::Int64, Arc::new(Int64Array::from_iter_values(numbers()))),
        (
            "account",
            DataType::Utf8,
            Arc::new(StringArray::from_iter_values(
                numbers().map(|n| format!("acct-{}", n * 7919 % 100_000)),
            )),
        ),
        ("amount", DataType::Float64, Arc::new(Float64Array::from_iter_values(numbers().map(|n| n as f64)))),
        (
            "country",
            DataType::Utf8,
            Arc::new(StringArray::from_iter_values(numbers().map(|n| ["DE", "US", "NL"][n as usize % 3]))),
        ),
        ("ts", DataType::Int64, Arc::new(Int64Array::from_iter_values(numbers()))),
        (
            "card_present",
            DataType::Boolean,
            Arc::new(BooleanArray::from_iter(numbers().map(|n| Some(n % 2 == 0)))),
        ),
    ];
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, data_type, array)| (Field::new(name, data_type, false), array))
        .unzip();
    Arc::new(StructArray::new(fields.into(), arrays, None))
}

/// CPU time of this thread, from the kernel's books.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel's books");
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number"))
}

/// CPU time of one call in the best of some rounds: what the code needs when nothing disturbs it.
fn measure(guest: &mut WasmGuest, rows: usize) -> Duration {
    let batch = wasm_guests::batch(payments(rows));
    let invoked = guest.invoke(&batch, &mut None).expect("identity");
    assert_eq!(invoked.emissions.len(), 1);
    assert_eq!(invoked.emissions[0].rows.value.as_deref(), batch.rows.value.as_deref());
    let calls = (12_000_000 / (rows + 300)) as u32;
    (0..10)
        .map(|_| {
            let start = cpu_time();
            for _ in 0..calls {
                std::hint::black_box(guest.invoke(&batch, &mut None).expect("identity"));
            }
            (cpu_time() - start) / calls
        })
        .min()
        .expect("rounds")
}

fn main() {
    let part = format!(r#"{{"kind":"typed","schema":{SCHEMA}}}"#);
    let manifest = format!(
        r#"{{"manifest_version":1,"name":"identity","inputs":[{{"name":"in","value":{part}}}],"outputs":[{{"name":"out","value":{part}}}]}}"#
    );
    let component = match std::env::args_os().nth(1) {
        Some(path) => wasm_guests::loader().load_file(path.as_ref()),
        None => wasm_guests::loader().load(&wasm_guests::identity_guest(&manifest)),
    };
    let mut guest = wasm_guests::guest(component.expect("loaded"));
    let thousand = measure(&mut guest, 1000);
    println!("boundary_ns_per_record {:.2} ns", thousand.as_nanos() as f64 / 1000.0);
    let one = measure(&mut guest, 1);
    println!("boundary_us_per_call {:.2} us", one.as_nanos() as f64 / 1000.0);
}
