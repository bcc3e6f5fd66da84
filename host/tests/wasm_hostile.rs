//! Each attack of `guests/hostile/` meets its limit with the right error, beside a healthy guest of
//! the same host that keeps working.

mod wasm_guests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use wasm_guests::attacks::Host;
use wasm_guests::attacks::limits;
use wasmill::model::limits::LOG_LINE_BYTES_MAX;
use wasmill::pipeline::ports::Guest;
use wasmill::pipeline::ports::InvokeFailure;
use wasmill::wasm::guest::WasmGuest;
use wasmill::wasm::guest_log::GuestLogSink;
use wasmill::wasm::guest_log::LogLevel;

#[test]
fn guests_that_never_return_meet_the_deadline() {
    let mut host = Host::new();
    for name in ["spin", "bulk_fill"] {
        let start = Instant::now();
        let failure = host.attack(name, limits(|l| l.invocation_ms_max = 50));
        assert!(matches!(failure, InvokeFailure::Deadline { limit_ms: 50, .. }), "{name}: {failure:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{name}: {:?}", start.elapsed());
    }
}

#[test]
fn a_deadline_is_by_cpu_time_when_the_thread_was_busy_all_along() {
    let mut host = Host::new();
    // On a busy machine a run may be cut by the wall; one of many is not.
    let by_cpu = (0..20).any(|_| {
        matches!(
            host.attack("spin", limits(|l| l.invocation_ms_max = 20)),
            InvokeFailure::Deadline { by_cpu_time: true, .. }
        )
    });
    assert!(by_cpu);
}

#[test]
fn recursion_ends_as_a_trap_with_the_guests_frames() {
    let failure = Host::new().attack("recursion", |_| ());
    let InvokeFailure::Trap { message, backtrace } = failure else { panic!("{failure:?}") };
    assert!(message.contains("call stack exhausted"), "{message}");
    assert!(backtrace.contains("dive"), "{backtrace}");
}

#[test]
fn growth_meets_the_memory_limit() {
    let mut host = Host::new();
    for name in ["memory_growth", "table_growth"] {
        let failure = host.attack(name, limits(|l| l.memory_bytes_max = 4 << 20));
        let InvokeFailure::Memory { limit_bytes } = failure else { panic!("{name}: {failure:?}") };
        assert_eq!(limit_bytes, 4 << 20, "{name}");
    }
}

#[test]
fn floods_meet_the_output_limit() {
    let mut host = Host::new();
    for name in [
        "emit_flood",
        "emit_overlap",
        "emit_weightless",
        "emit_weightless_items",
        "emit_empty_columns",
        "reject_flood",
    ] {
        let failure = host.attack(name, limits(|l| l.output_bytes_per_batch_max = 1 << 20));
        let InvokeFailure::Output { limit_bytes } = failure else { panic!("{name}: {failure:?}") };
        assert_eq!(limit_bytes, 1 << 20, "{name}");
    }
}

#[derive(Default)]
struct Counted {
    lines: AtomicU64,
    dropped: AtomicU64,
    longest: AtomicU64,
}

impl GuestLogSink for Counted {
    fn level_min(&self) -> Option<LogLevel> {
        Some(LogLevel::Info)
    }
    fn line(&self, level: LogLevel, target: &str, message: &str) {
        assert_eq!((level, target), (LogLevel::Info, "unknown"));
        self.lines.fetch_add(1, Relaxed);
        self.longest.fetch_max(message.len() as u64, Relaxed);
    }
    fn dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Relaxed);
    }
}

#[test]
fn log_lines_are_cut_and_limited_in_rate_across_instances() {
    let mut host = Host::new();
    let component = host.loader.load(&wasm_guests::hostile_guest("log_flood")).expect("loads");
    let counted = Arc::new(Counted::default());
    let mut spec = wasm_guests::spec(component);
    spec.limits.invocation_ms_max = 50;
    spec.logs = Arc::clone(&counted) as Arc<dyn GuestLogSink>;
    let mut guest = WasmGuest::new(spec).expect("a guest");
    let start = Instant::now();
    for _ in 0..4 {
        let failure = guest.invoke(&wasm_guests::raw_batch(1), &mut None).map(|_| ()).expect_err("floods");
        assert!(matches!(failure, InvokeFailure::Deadline { .. }), "{failure:?}");
    }
    guest.release();
    let windows = start.elapsed().as_secs() + 1;
    let lines = counted.lines.load(Relaxed);
    assert!((100..=100 * windows).contains(&lines), "{lines} lines in {windows} s");
    assert!(counted.dropped.load(Relaxed) > 100, "the rest is counted");
    assert_eq!(counted.longest.load(Relaxed), LOG_LINE_BYTES_MAX as u64);
    host.check_healthy("log_flood");
}

#[test]
fn what_breaks_the_format_is_refused_as_a_value() {
    let mut host = Host::new();
    for (name, part) in [
        ("bad_lengths", "value: buffer 1 has 3 bytes; expected 12 for 2 rows"),
        ("bad_offsets", "value: row 1 has the offsets [5, 2]"),
        ("cyclic_children", "value.item: is column 0; expected an index larger than its parent's, 0"),
        ("shared_child", "value.b: refers to column 1, which has another parent already"),
        ("invalid_utf8", "value: Encountered non UTF-8 data"),
        ("wrong_null_count", "value: `null-count` is 1, but the validity buffer marks 0 of 1 rows as null"),
        ("emit_too_many_columns", "there are 1000000 columns; expected at most 4096"),
        ("unknown_port", "unknown-port"),
        ("bad_sources", "entry 0 is row 1000000, but the batch has 10 rows"),
        ("reject_out_of_range", "entry 0 is row 2147483647, but the batch has 10 rows"),
    ] {
        let failure = host.attack(name, |_| ());
        let InvokeFailure::Fatal(message) = &failure else { panic!("{name}: {failure:?}") };
        assert!(message.contains(part), "{name}: {message}");
    }
}

#[test]
fn rejections_beside_rows_of_unknown_source_break_the_contract() {
    let failure = Host::new().attack("reject_and_emit", |_| ());
    let InvokeFailure::Contract(message) = &failure else { panic!("{failure:?}") };
    assert!(message.contains("`sources`"), "{message}");
}

#[test]
fn traps_carry_message_and_frames() {
    let mut host = Host::new();
    let failure = host.attack("trap", |_| ());
    let InvokeFailure::Trap { message, backtrace } = failure else { panic!("{failure:?}") };
    assert!(message.contains("unreachable"), "{message}");
    assert!(backtrace.lines().next().is_some_and(|line| line.contains("innermost")), "{backtrace}");
    let failure = host.attack("wild_allocator", |_| ());
    let InvokeFailure::Fatal(message) = &failure else { panic!("{failure:?}") };
    assert!(message.contains("realloc"), "{message}");
}

#[test]
fn an_instance_that_does_not_open_stops_the_pipeline() {
    let failure = Host::new().attack("refuse_to_open", |_| ());
    let InvokeFailure::Fatal(message) = &failure else { panic!("{failure:?}") };
    assert_eq!(message, "`open` failed: no threshold");
}

#[test]
fn an_open_that_never_returns_is_stopped() {
    let mut host = Host::new();
    let component = host.loader.load(&wasm_guests::hostile_guest("spin_in_open")).expect("loads");
    let mut guest = wasm_guests::guest(component);
    let failure = guest.invoke(&wasm_guests::raw_batch(1), &mut None).map(|_| ()).expect_err("spins");
    let InvokeFailure::Fatal(message) = &failure else { panic!("{failure:?}") };
    assert!(message.contains("longer than 10000 ms"), "{message}");
    host.check_healthy("spin_in_open");
}

#[test]
fn uploads_are_refused_with_a_stable_code() {
    let mut host = Host::new();
    for (name, code, found) in [
        ("trap_in_start", "describe-trapped", "unreachable"),
        ("trap_in_describe", "describe-trapped", "unreachable"),
        ("spin_in_describe", "describe-timeout", "5000 ms"),
        ("garbage_manifest", "manifest-invalid", "expected value"),
        ("large_memory", "component-too-complex", "memory"),
        ("wasi_core", "import-forbidden", "`wasi_snapshot_preview1` (`fd_write`)"),
        ("wasi_component", "import-forbidden", "`wasi:cli/environment@0.2.3`"),
        ("not_ours", "export-missing", "example:job/runner@1.0.0"),
        ("core_module", "component-core-module", "component-type"),
        ("wrong_import_type", "import-mismatch", "emit"),
    ] {
        let refusal = host.refusal(name);
        assert_eq!(refusal.code.0, code, "{name}: {refusal}");
        assert!(refusal.found.contains(found), "{name}: {refusal}");
    }
    assert!(host.refusal("wasi_core").remedy.contains("wasm32-unknown-unknown"));
}

#[test]
fn every_hostile_guest_is_tested() {
    let tests = [include_str!("wasm_hostile.rs"), include_str!("wasm_hostile_state.rs")];
    for entry in std::fs::read_dir(wasm_guests::repository().join("guests/hostile")).expect("the folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if let Some(guest) = name.strip_suffix(".wat")
            && guest != "prelude"
            && !guest.starts_with("default_")
        {
            assert!(tests.iter().any(|text| text.contains(&format!("\"{guest}\""))), "{guest}");
        }
    }
}
