//! From wasmtime's errors to failures with a cause.

use std::fmt::Write;

use wasmtime::PoolConcurrencyLimitError;
use wasmtime::Trap;
use wasmtime::WasmBacktrace;

use crate::pipeline::ports::InvokeFailure;
use crate::wasm::cut::cut;
use crate::wasm::state::GuestState;

/// Longest message of a guest that is kept, in bytes.
pub(in crate::wasm) const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Most frames of a guest's backtrace that are kept.
const FRAMES_MAX: usize = 32;

/// Names the cause of a call's error: a limit that was met, or the guest's own trap.
pub(in crate::wasm) fn failure(error: &wasmtime::Error, state: &GuestState, limit_ms: u64) -> InvokeFailure {
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return InvokeFailure::Retry(format!("this host runs as many instances as it can: {error}"));
    }
    if let Some(failure) = state.invocation.state_failure() {
        return InvokeFailure::State(failure.clone());
    }
    if let Some(expired) = state.deadline.expired() {
        return InvokeFailure::Deadline { limit_ms, by_cpu_time: expired.by_cpu_time };
    }
    if state.limiter.refused() {
        return InvokeFailure::Memory { limit_bytes: state.limiter.limit_bytes() as u64 };
    }
    if state.invocation.output_refused() {
        return InvokeFailure::Output { limit_bytes: state.context.limits.output_bytes_per_batch_max };
    }
    if let Some(limit_bytes) = state.invocation.state_limit() {
        return InvokeFailure::StateLimit { limit_bytes };
    }
    InvokeFailure::Trap { message: message(error), backtrace: backtrace(error) }
}

/// What went wrong, in one line.
pub(in crate::wasm) fn message(error: &wasmtime::Error) -> String {
    let text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
    cut(text, MESSAGE_BYTES_MAX).replace('\n', "; ")
}

/// The guest's frames, innermost first, one a line. Empty when there are none.
pub(in crate::wasm) fn backtrace(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
    for frame in frames.iter().take(FRAMES_MAX) {
        let module = frame.module().name().unwrap_or("?");
        let offset = frame.module_offset().unwrap_or_default();
        // Inlined functions share a frame; each symbol is one of them.
        if frame.symbols().is_empty() {
            let function =
                frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), function_name);
            let _ = writeln!(text, "{module}!{function} at {offset:#x}");
        }
        for symbol in frame.symbols() {
            let function =
                symbol.name().map_or_else(|| format!("function {}", frame.func_index()), function_name);
            let _ = write!(text, "{module}!{function} at {offset:#x}");
            if let Some(file) = symbol.file() {
                let _ = write!(text, " ({file}:{})", symbol.line().unwrap_or_default());
            }
            text.push('\n');
        }
    }
    if frames.len() > FRAMES_MAX {
        let _ = writeln!(text, "and {} more", frames.len() - FRAMES_MAX);
    }
    cut(&text, 2 * MESSAGE_BYTES_MAX).to_owned()
}

fn function_name(name: &str) -> String {
    cut(name, 256).to_owned()
}
