//! Asks a component for its manifest, in a throw-away instance.

use std::sync::Arc;

use crate::model::failure::Refusal;
use crate::model::limits::Limits;
use crate::model::schema_table::SchemaTable;
use crate::pipeline::ports::InvokeFailure;
use crate::wasm::columns::shape::ColumnShape;
use crate::wasm::compiled::Program;
use crate::wasm::guest_log::GuestLog;
use crate::wasm::guest_log::NoGuestLogs;
use crate::wasm::instance::begin;
use crate::wasm::instance::new_store;
use crate::wasm::state::GuestContext;
use crate::wasm::state::Invocation;
use crate::wasm::trap;
use crate::wasm::upload::refusal::refuse;

/// Wall time for making the instance and for `describe` together, in milliseconds.
pub const DESCRIBE_MS_MAX: u64 = 5_000;
/// Memory of the instance in bytes.
pub const DESCRIBE_MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Longest manifest in bytes.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Why there is no manifest.
#[derive(Debug)]
pub(in crate::wasm) enum DescribeError {
    Refused(Refusal),
    /// The host has no room for an instance now.
    Busy(String),
}

/// The manifest's text.
pub(in crate::wasm) fn describe(program: &Program) -> Result<String, DescribeError> {
    let limits = Limits { memory_bytes_max: DESCRIBE_MEMORY_BYTES_MAX, ..Limits::default() };
    let context = Arc::new(GuestContext {
        outputs: Vec::new(),
        stores: Vec::new(),
        timers: Vec::new(),
        config: Vec::new(),
        limits,
        schemas: Arc::new(SchemaTable::default()),
        timestamp_shape: ColumnShape::timestamp(),
        headers_shape: ColumnShape::headers(),
    });
    let _place = program.engine.describing().enter();
    let mut store = new_store(program, &context, GuestLog::new(Arc::new(NoGuestLogs), 0));
    let mut call = || {
        let _running = begin(program, &mut store, DESCRIBE_MS_MAX, Invocation::default());
        let instance = program.pre.instantiate(&mut store)?;
        let describe = instance.get_typed_func::<(), (String,)>(&mut store, program.describe)?;
        let (text,) = describe.call(&mut store, ())?;
        Ok(text)
    };
    let described: wasmtime::Result<String> = call();
    match described {
        Ok(text) if text.len() > MANIFEST_BYTES_MAX => Err(DescribeError::Refused(refuse(
            "manifest-invalid",
            "manifest",
            "the manifest is too long",
            format!("{} bytes", text.len()),
            format!("at most {MANIFEST_BYTES_MAX} bytes"),
            "Shorten descriptions and schemas.",
        ))),
        Ok(text) => Ok(text),
        Err(error) => Err(refusal(&error, &trap::failure(&error, store.data(), DESCRIBE_MS_MAX))),
    }
}

fn refusal(error: &wasmtime::Error, failure: &InvokeFailure) -> DescribeError {
    let field = "component.exports.describe";
    DescribeError::Refused(match failure {
        InvokeFailure::Retry(message) => return DescribeError::Busy(message.clone()),
        InvokeFailure::Deadline { limit_ms, .. } => refuse(
            "describe-timeout",
            field,
            "`describe` took too long",
            format!("no answer after {limit_ms} ms"),
            format!("the manifest within {limit_ms} ms"),
            "Return a constant: `describe` must not compute, and nothing heavy may run before it.",
        ),
        InvokeFailure::Memory { limit_bytes } => refuse(
            "describe-memory",
            field,
            "`describe` needs too much memory",
            format!("more than {limit_bytes} bytes"),
            format!("at most {limit_bytes} bytes"),
            "Lower the initial memory of the module (for C: `-Wl,-z,stack-size=`), and allocate nothing large before `open`.",
        ),
        _ => {
            let backtrace = trap::backtrace(error);
            let at = if backtrace.is_empty() {
                String::new()
            } else {
                format!(", in {}", backtrace.trim_end().replace('\n', ", "))
            };
            refuse(
                "describe-trapped",
                field,
                "`describe` did not return",
                format!("{}{at}", trap::message(error)),
                "the manifest as JSON",
                "Run the transform in the SDK's test harness, which shows where it fails.",
            )
        }
    })
}
