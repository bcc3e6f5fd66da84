//! What is logged while a test runs.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::telemetry::init::LogOutput;
use crate::telemetry::init::subscriber;

/// A log in memory, without colours. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CapturedLog {
    /// Does `work`; what it logs on this thread is kept here, in the form that the host would write.
    pub(crate) fn during<T>(&self, output: LogOutput, directives: &str, work: impl FnOnce() -> T) -> T {
        let writer = self.clone();
        let subscriber = subscriber(output, directives, false, move || writer.clone()).expect("directives");
        tracing::subscriber::with_default(subscriber, work)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).expect("UTF-8")
    }

    /// The events of a log in JSON.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
    }
}
