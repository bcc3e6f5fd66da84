//! A guest's log lines into its pipeline's log.

use std::sync::Arc;

use crate::model::ids::PipelineId;
use crate::model::ids::WorkerIndex;
use crate::telemetry::guest_logs::GuestLogs;
use crate::telemetry::guest_logs::LogLevel as KeptLevel;
use crate::telemetry::pipeline_metrics::PipelineMetrics;
use crate::wasm::guest_log::GuestLogSink;
use crate::wasm::guest_log::LogLevel;

/// Appends to the pipeline's log, and to the host's own under the target `guest`; counts what was dropped.
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
        let Some(line) = self.logs.append(now_ms(), self.worker, level, target, message) else {
            return;
        };
        // The line as it is kept: the guest's own text could end a line of the host's log and forge others.
        let (pipeline, from, message) = (&self.id, &line.target, &line.message);
        match level {
            KeptLevel::Trace | KeptLevel::Debug => {
                tracing::debug!(target: "guest", %pipeline, from, "{message}");
            }
            KeptLevel::Info => tracing::info!(target: "guest", %pipeline, from, "{message}"),
            KeptLevel::Warn => tracing::warn!(target: "guest", %pipeline, from, "{message}"),
            KeptLevel::Error => tracing::error!(target: "guest", %pipeline, from, "{message}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::PipelineName;
    use crate::model::ids::TenantName;
    use crate::telemetry::captured_log::CapturedLog;
    use crate::telemetry::init::LogOutput;
    use crate::telemetry::metrics::Metrics;

    const FORGED: &str = "hello\nERROR wasmill::kafka: the cluster is gone\r\n\u{1b}[2Jbye";
    const SHOWN: &str = "hello ERROR wasmill::kafka: the cluster is gone   [2Jbye";

    /// What both logs hold after a line of a guest whose text and target forge others.
    fn logged(directives: &str) -> (Arc<GuestLogs>, String) {
        let pipeline = PipelineName::new("p").expect("a name");
        let id = PipelineId { tenant: TenantName::default_tenant(), pipeline };
        let (logs, log) = (Arc::new(GuestLogs::new(10)), CapturedLog::default());
        let metrics = Metrics::new().expect("metrics").pipeline(&id);
        let sink = PipelineLogSink { id, logs: Arc::clone(&logs), metrics, worker: WorkerIndex(0) };
        log.during(LogOutput::Text, directives, || {
            sink.line(LogLevel::Info, "my\nERROR crate", FORGED);
        });
        (logs, log.text())
    }

    #[test]
    fn a_guest_forges_no_lines_in_either_log() {
        let (logs, text) = logged("info");
        let page = logs.page(0, 10, KeptLevel::Trace);
        assert_eq!(page.lines[0].message, SHOWN);
        let lines: Vec<&str> = text.lines().collect();
        let [line] = lines.as_slice() else { panic!("one line, got {text:?}") };
        assert!(line.contains(SHOWN) && line.contains("INFO guest:"), "{line}");
        assert!(line.contains("default/p") && line.contains("my ERROR crate"), "{line}");
        assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    }

    #[test]
    fn a_directive_keeps_guests_out_of_the_hosts_log() {
        let (logs, text) = logged("info,guest=off");
        assert_eq!((logs.page(0, 10, KeptLevel::Trace).lines.len(), text.as_str()), (1, ""));
    }
}
