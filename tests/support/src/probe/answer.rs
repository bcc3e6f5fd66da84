//! What the probe saw.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use crate::avro;
use crate::payments::take_long;
use crate::payments::take_text;
use crate::probe::command::Operation;
use crate::record::ConsumedRecord;

/// A record of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub key: String,
    pub operation: Operation,
    /// That of the command, or the tag of a timer.
    pub entry: String,
    pub number: Option<i64>,
    pub entries: Vec<(String, i64)>,
    /// The event watermark; the time of a timer.
    pub time: Option<i64>,
    /// Of the record.
    pub timestamp: i64,
}

impl Answer {
    pub(super) fn of(record: &ConsumedRecord) -> Result<Self> {
        let (_, mut body) = avro::split(record.value.as_deref().context("an answer without a value")?)?;
        let key = String::from_utf8(record.key.clone().context("an answer without a key")?)?;
        let operation = Operation::of(take_long(&mut body)?)?;
        let entry = take_text(&mut body)?;
        let number = option(&mut body)?;
        let mut entries = Vec::new();
        loop {
            let count = take_long(&mut body)?;
            if count < 0 {
                // The size of the block follows, which is for those who skip it.
                take_long(&mut body)?;
            }
            if count == 0 {
                break;
            }
            for _ in 0..count.unsigned_abs() {
                entries.push((take_text(&mut body)?, take_long(&mut body)?));
            }
        }
        let time = option(&mut body)?;
        ensure!(body.is_empty(), "{} bytes follow an answer", body.len());
        let timestamp = record.timestamp_ms.context("an answer without a timestamp")?;
        Ok(Self { key, operation, entry, number, entries, time, timestamp })
    }
}

/// `["null", "long"]`
fn option(body: &mut &[u8]) -> Result<Option<i64>> {
    match take_long(body)? {
        0 => Ok(None),
        1 => Ok(Some(take_long(body)?)),
        branch => bail!("a union of two has no branch {branch}"),
    }
}
