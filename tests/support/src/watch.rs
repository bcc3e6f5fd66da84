//! Looking at a host while it works.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::http;
use crate::sidecar::Sidecar;
use crate::test_pipeline::DONE_MAX;

/// The value of a metric of a host, summed over its labels; 0 without any.
///
/// # Errors
/// When the host does not answer.
pub fn metric(host: &Sidecar, name: &str) -> Result<f64> {
    metric_of(host, name, "")
}

/// The same, summed over the series that have `label`, such as `code="state-disk"`.
///
/// # Errors
/// As of [`metric`].
pub fn metric_of(host: &Sidecar, name: &str, label: &str) -> Result<f64> {
    let text = http::request("GET", &format!("{}/metrics", host.url()), None)?.text;
    let value = |line: &str| {
        let (labelled, value) = line.rsplit_once(' ')?;
        let labels = labelled.strip_prefix(name)?.strip_prefix('{')?;
        labels.contains(label).then(|| value.parse::<f64>().ok())?
    };
    Ok(text.lines().filter_map(value).sum())
}

/// Waits until something is so, for as long as a host may take.
///
/// # Errors
/// When it never is, or the host ends by itself; the log's end is in the message.
pub fn wait_for(
    host: &mut Sidecar,
    what: &str,
    mut is_so: impl FnMut(&Sidecar) -> Result<bool>,
) -> Result<()> {
    let until = Instant::now() + DONE_MAX;
    while !is_so(host)? {
        ensure!(!host.has_ended(), "the host ended by itself:\n{}", host.log_tail());
        if Instant::now() > until {
            bail!("it never {what}; the log ends:\n{}", host.log_tail());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
