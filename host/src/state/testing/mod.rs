//! A task whose changelogs are lists, for tests.

mod rig;

use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value as Json;
use serde_json::json;

use crate::model::binaries::BinariesBuf;
use crate::model::manifest::Manifest;
use crate::pipeline::state_ports::ValueCheck;
use crate::pipeline::state_ports::ValueSchemas;
use crate::pipeline::state_ports::ValueUpgrade;
use crate::state::host::StateClock;

pub(super) use rig::CHECKPOINT_MS;
pub(super) use rig::Rig;
pub(super) use rig::temporary;

/// A clock that tests set.
#[derive(Debug)]
pub(super) struct TestClock {
    start: Instant,
    passed: Mutex<Duration>,
}

/// The Unix time at which test clocks begin.
pub(super) const START_MS: i64 = 1_700_000_000_000;

impl TestClock {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), passed: Mutex::default() }
    }

    pub(super) fn pass(&self, ms: u64) {
        *self.passed.lock().expect("no panic") += Duration::from_millis(ms);
    }
}

impl StateClock for TestClock {
    fn now(&self) -> Instant {
        self.start + *self.passed.lock().expect("no panic")
    }

    fn unix_ms(&self) -> i64 {
        START_MS + self.passed.lock().expect("no panic").as_millis() as i64
    }
}

/// Schemas of which `{"v": n}` reads all `{"v": m}` with m <= n: an upgrade appends n - m bytes of
/// `+`. A value that begins with `!` is of no schema.
pub(super) struct TestSchemas;

fn version(schema: &str) -> Result<u64, String> {
    let schema: Json = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    schema["v"].as_u64().ok_or_else(|| "it has no v".to_owned())
}

impl ValueSchemas for TestSchemas {
    fn canonical(&self, schema: &Json) -> Result<String, String> {
        Ok(schema.to_string())
    }

    fn check(&self, _: &str) -> Result<Box<dyn ValueCheck>, String> {
        Ok(Box::new(TestCheck))
    }

    fn upgrade(&self, writer: &str, reader: &str) -> Result<Box<dyn ValueUpgrade>, String> {
        let (writer, reader) = (version(writer)?, version(reader)?);
        let grow = reader.checked_sub(writer).ok_or_else(|| format!("{writer} is newer than {reader}"))?;
        Ok(Box::new(TestUpgrade(grow as usize)))
    }
}

struct TestCheck;

impl ValueCheck for TestCheck {
    fn check(&mut self, body: &[u8]) -> Result<(), String> {
        if body.first() == Some(&b'!') { Err("found `!`".to_owned()) } else { Ok(()) }
    }
}

struct TestUpgrade(usize);

impl ValueUpgrade for TestUpgrade {
    fn upgrade(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(body);
        out.extend(std::iter::repeat_n(b'+', self.0));
        Ok(())
    }
}

/// A manifest with these stores, two inputs, `in` and `other`, and timers of both domains.
pub(super) fn manifest(stores: Json) -> Manifest {
    let manifest = json!({
        "manifest_version": 1, "name": "test", "timers": ["event", "processing"], "state": stores,
        "inputs": [{ "name": "in" }, { "name": "other" }],
    });
    serde_json::from_value(manifest).expect("a manifest")
}

/// Present byte strings.
pub(super) fn binaries<B: AsRef<[u8]>>(entries: impl IntoIterator<Item = B>) -> BinariesBuf {
    entries.into_iter().map(Some).collect()
}

/// A state key.
pub(super) fn state_key(key: &[u8], suffix: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    crate::state::format::write_state_key(key, suffix, &mut out);
    out
}
