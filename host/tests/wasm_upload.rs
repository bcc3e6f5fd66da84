//! What an upload must be, and how it is compiled and kept.

mod wasm_guests;

use std::fs;
use std::io::Write;

use wasmill::model::failure::Refusal;
use wasmill::model::limits::COMPONENT_BYTES_MAX;
use wasmill::pipeline::ports::Guest;
use wasmill::wasm::compile::cache::CompileCache;
use wasmill::wasm::compile::compiler::CompileLimits;
use wasmill::wasm::compile::compiler::Compiler;
use wasmill::wasm::compile::process;
use wasmill::wasm::loader::ComponentLoader;
use wasmill::wasm::loader::LoadError;
use wasmill::wasm::upload::componentize::componentize;

#[track_caller]
fn refused(result: Result<impl std::fmt::Debug, LoadError>) -> Refusal {
    match result {
        Err(LoadError::Refused(refusal)) => *refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn healthy() -> Vec<u8> {
    wasm_guests::identity_guest(wasm_guests::RAW_MANIFEST)
}

#[test]
fn what_is_no_webassembly_is_refused() {
    let loader = wasm_guests::loader();
    for garbage in [b"".as_slice(), b"PK\x03\x04 a zip file", b"(component)", &[0; 100]] {
        let refusal = refused(loader.load(garbage));
        assert_eq!(refusal.code.0, "component-garbage", "{refusal}");
    }
    assert!(refused(loader.load(b"(component)")).remedy.contains("wasm-tools parse"));
}

#[test]
fn a_truncated_upload_is_refused_wherever_it_was_cut() {
    let loader = wasm_guests::loader();
    for whole in [healthy(), componentize(&healthy()).expect("wrapped")] {
        for cut in (4..whole.len()).step_by(101) {
            let refusal = refused(loader.load(&whole[..cut]));
            assert!(
                // A cut between two sections leaves a whole file with parts missing.
                ["component-truncated", "component-invalid", "export-missing", "component-core-module"]
                    .contains(&refusal.code.0),
                "cut at {cut}: {refusal}"
            );
        }
        let refusal = refused(loader.load(&whole[..whole.len() / 2]));
        assert_eq!(refusal.code.0, "component-truncated", "{refusal}");
    }
}

#[test]
fn damaged_uploads_never_panic() {
    let loader = wasm_guests::loader();
    let whole = componentize(&healthy()).expect("wrapped");
    for at in (8..whole.len()).step_by(37) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        // Some damage is harmless (a name, a constant); all of it must end in an answer.
        let _ = loader.load(&damaged);
    }
}

#[test]
fn a_file_over_the_cap_is_refused_unread() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"\0asm").expect("written");
    file.as_file().set_len(100 << 20).expect("a sparse file");
    let refusal = refused(wasm_guests::loader().load_file(file.path()));
    assert_eq!(refusal.code.0, "component-too-large");
    assert_eq!(refusal.found, format!("{} bytes", 100 << 20));
    let refusal = refused(wasm_guests::loader().load(&vec![0; COMPONENT_BYTES_MAX + 1]));
    assert_eq!(refusal.code.0, "component-too-large");
}

#[test]
fn a_core_module_and_its_component_are_one_transform() {
    let loader = wasm_guests::loader();
    let module = healthy();
    let component = componentize(&module).expect("wrapped");
    assert_ne!(module, component);
    assert_eq!(componentize(&component).expect("as it is"), component);
    for bytes in [module, component] {
        let loaded = loader.load(&bytes).expect("loads");
        assert_eq!(loaded.manifest().name, "hostile");
        wasm_guests::guest(loaded).invoke(&wasm_guests::raw_batch(3), &mut None).expect("runs");
    }
}

#[test]
fn a_manifest_is_checked_at_upload() {
    let manifest = wasm_guests::RAW_MANIFEST.replace("\"outputs\"", "\"output\"");
    let refusal = refused(wasm_guests::loader().load(&wasm_guests::identity_guest(&manifest)));
    assert_eq!((refusal.code.0, refusal.field.as_str()), ("manifest-invalid", "manifest.output"));
    assert_eq!(refusal.remedy, "Did you mean `outputs`?");
}

#[test]
fn compiled_code_is_kept_and_changed_code_is_compiled_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let loader = |compiler| {
        let cache = CompileCache::open(folder.path(), CompileCache::BYTES_MAX).expect("opened");
        ComponentLoader::new(wasm_guests::engine(), compiler, Some(cache))
    };
    // A compiler that cannot be run: whatever loads, loads from the folder.
    let broken = || Compiler::child("/does/not/exist".into(), Vec::new(), CompileLimits::default());
    let error = loader(broken()).load(&healthy()).expect_err("nothing is kept yet");
    assert!(matches!(error, LoadError::Host(_)), "{error}");
    loader(Compiler::in_process()).load(&healthy()).expect("compiled");
    let kept = loader(broken()).load(&healthy()).expect("kept");
    wasm_guests::guest(kept).invoke(&wasm_guests::raw_batch(3), &mut None).expect("runs");

    let file = fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "native"))
        .expect("a file");
    let mut bytes = fs::read(&file).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("changed");
    let error = loader(broken()).load(&healthy()).expect_err("not trusted any more");
    assert!(matches!(error, LoadError::Host(_)), "{error}");
}

/// The child of the tests below: this test program again, at this very test.
#[test]
#[ignore = "runs only as a child that compiles"]
fn compiling_child() {
    let _ = process::run();
}

fn child(limits: CompileLimits) -> ComponentLoader {
    let program = std::env::current_exe().expect("this program");
    let arguments = ["--exact", "compiling_child", "--ignored", "--test-threads=1"].map(str::to_owned);
    ComponentLoader::new(wasm_guests::engine(), Compiler::child(program, arguments.to_vec(), limits), None)
}

#[test]
fn a_child_process_compiles_what_the_host_runs() {
    let component = child(CompileLimits::default()).load(&healthy()).expect("compiled");
    wasm_guests::guest(component).invoke(&wasm_guests::raw_batch(3), &mut None).expect("runs");
}

#[test]
fn the_child_reports_what_the_compiler_says() {
    // The structure is sound; the body is not, which only the compiler looks at.
    let module = wat_module("(func (export \"bad\") (result i32) i32.const 7)");
    let mut damaged = module.clone();
    let at = module.windows(3).rposition(|bytes| bytes == [0x41, 7, 0x0b]).expect("the body");
    damaged[at] = 0x01;
    damaged[at + 1] = 0x01;
    let refusal = refused(child(CompileLimits::default()).load(&damaged));
    assert_eq!(refusal.code.0, "component-invalid", "{refusal}");
    assert!(refusal.found.contains("type mismatch"), "{refusal}");
}

fn wat_module(fields: &str) -> Vec<u8> {
    wasm_guests::core_module(fields, wasm_guests::RAW_MANIFEST)
}

/// Functions of many instructions.
fn compile_bomb(functions: usize, instructions: usize) -> Vec<u8> {
    let step = "(local.set 0 (f64.add (f64.mul (local.get 0) (local.get 1)) (f64.sqrt (local.get 0))))\n";
    let function =
        format!("(func (param f64 f64) (result f64) {} (local.get 0))\n", step.repeat(instructions));
    wat_module(&function.repeat(functions))
}

#[test]
fn a_compile_bomb_meets_its_limits_of_time() {
    let bomb = compile_bomb(400, 900);
    let refusal = refused(child(CompileLimits { cpu_s_max: 1, ..CompileLimits::default() }).load(&bomb));
    assert_eq!(refusal.code.0, "compile-timeout", "{refusal}");
    assert!(refusal.expected.contains("CPU time"), "{refusal}");
    let refusal = refused(child(CompileLimits { wall_ms_max: 300, ..CompileLimits::default() }).load(&bomb));
    assert_eq!(
        (refusal.code.0, refusal.expected.as_str()),
        ("compile-timeout", "at most 300 ms"),
        "{refusal}"
    );
}

#[test]
fn a_compile_bomb_meets_its_limit_of_memory() {
    let limits = CompileLimits { memory_bytes_max: 400 << 20, ..CompileLimits::default() };
    let refusal = refused(child(limits).load(&compile_bomb(1, 150_000)));
    assert_eq!(refusal.code.0, "compile-memory", "{refusal}");
}
