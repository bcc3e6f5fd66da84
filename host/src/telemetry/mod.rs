//! Logs, metrics, and the log lines of guests.

pub mod fields;
pub mod guest_logs;
pub mod init;
pub mod metric_names;
pub mod metrics;
pub mod pipeline_metrics;
pub mod state_metrics;
