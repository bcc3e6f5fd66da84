//! Logs, metrics, and the log lines of guests.

#[cfg(test)]
pub(crate) mod captured_log;
pub mod guest_logs;
pub mod init;
pub mod metric_names;
pub mod metrics;
pub mod pipeline_metrics;
pub mod state_metrics;
