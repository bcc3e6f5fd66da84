//! SIGTERM and SIGINT as a wish to stop.

use anyhow::Context;
use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::worker::stop_signal::StopSignal;

/// Set at the first SIGTERM or SIGINT. A second one ends the process at once.
///
/// # Errors
/// When the system takes no handler.
pub fn terminated(runtime: &Runtime) -> Result<StopSignal> {
    let stop = StopSignal::default();
    let _inside = runtime.enter();
    let mut term = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut int = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let set = stop.clone();
    runtime.spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if first {
                set.set();
            } else {
                tracing::warn!("second signal: ending without a drain");
                std::process::exit(130);
            }
        }
    });
    Ok(stop)
}
