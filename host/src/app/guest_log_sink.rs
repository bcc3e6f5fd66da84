//! A guest's log lines into its pipeline's log.

use std::sync::Arc;

use crate::model::ids::PipelineId;
use crate::model::ids::WorkerIndex;
use crate::telemetry::guest_logs::GuestLogs;
use crate::telemetry::guest_logs::LogLevel as KeptLevel;
use crate::telemetry::pipeline_metrics::PipelineMetrics;
use crate::wasm::guest_log::GuestLogSink;
use crate::wasm::guest_log::LogLevel;

/// Appends to the pipeline's log and the host's own, and counts what was dropped.
pub struct PipelineLogSink {
    pub id: PipelineId,
    pub logs: Arc<GuestLogs>,
    pub metrics: PipelineMetrics,
    pub worker: WorkerIndex,
}

impl GuestLogSink for PipelineLogSink {
    fn level_min(&self) -> Option<LogLevel> {
        Some(LogLevel::Debug)
    }

    fn line(&self, level: LogLevel, target: &str, message: &str) {
        let level = match level {
            LogLevel::Trace => KeptLevel::Trace,
            LogLevel::Debug => KeptLevel::Debug,
            LogLevel::Info => KeptLevel::Info,
            LogLevel::Warn => KeptLevel::Warn,
            LogLevel::Error => KeptLevel::Error,
        };
        if self.logs.append(now_ms(), self.worker, level, target, message) {
            let pipeline = &self.id;
            match level {
                KeptLevel::Trace | KeptLevel::Debug => {
                    tracing::debug!(target: "guest", %pipeline, from = target, "{message}");
                }
                KeptLevel::Info => tracing::info!(target: "guest", %pipeline, from = target, "{message}"),
                KeptLevel::Warn => tracing::warn!(target: "guest", %pipeline, from = target, "{message}"),
                KeptLevel::Error => tracing::error!(target: "guest", %pipeline, from = target, "{message}"),
            }
        }
    }

    fn dropped(&self, lines: u64) {
        self.metrics.log_lines_dropped(lines);
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
