//! Runs a transform natively on the columns that would cross the boundary.

use std::borrow::Cow;

use crate::config::Config;
use crate::error::Error;
use crate::error::Result;
use crate::host::Host;
use crate::native::host_link;
use crate::native::state_model::StateModel;
use crate::timers::Fired;
use crate::timers::TimeDomain;
use crate::transform::Instance;
use crate::transform::Transform;
use crate::wire::Batch;
use crate::wire::Failure;
use crate::wire::Rows;
use crate::wire::SchemaId;

/// An instance of a transform, run natively on the same column buffers that cross the boundary to
/// a component: a yardstick for what Wasm costs.
#[allow(missing_debug_implementations, reason = "the transform need not have it")]
pub struct Runner {
    instance: Box<dyn Instance>,
    host: NativeHost,
    model: StateModel,
}

/// One `emit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emission {
    /// Index of the output port in the manifest.
    pub port: u32,
    /// Schema of the values, on dynamic ports.
    pub schema: Option<SchemaId>,
    /// The records.
    pub rows: Rows,
    /// One little-endian u32 a row, the input row it came from; empty if unknown.
    pub sources: Vec<u8>,
}

/// One `reject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Input rows, one little-endian u32 each.
    pub rows: Vec<u8>,
    /// Why.
    pub reason: String,
}

/// What one invocation asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processed {
    /// In the order of the calls.
    pub emissions: Vec<Emission>,
    /// In the order of the calls.
    pub rejections: Vec<Rejection>,
}

#[derive(Default)]
struct NativeHost {
    processed: Processed,
    schemas: Vec<String>,
    processing_time: i64,
}

impl Runner {
    /// Opens an instance with these configuration values. Keys that are left out have the defaults
    /// that the transform declares.
    ///
    /// # Errors
    /// When a value is missing or cannot be parsed.
    pub fn open<T: Transform>(config: &[(&str, &str)]) -> Result<Self> {
        let entries = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let instance = Box::new(T::open(&Config::new(entries))?);
        Ok(Self { instance, host: NativeHost::default(), model: StateModel::new(&T::declaration()) })
    }

    /// One invocation.
    ///
    /// # Errors
    /// When the transform fails as a whole. What it emitted, rejected or wrote to state is dropped.
    pub fn process(&mut self, batch: Batch) -> Result<Processed, Failure> {
        self.model.begin(batch.watermark, self.host.processing_time);
        let processed = self.invoke(|instance, host| instance.process(batch, host))?;
        self.model.keep();
        Ok(processed)
    }

    /// One invocation; none, and nothing of it stays, if it registered a timer for a time that has
    /// passed although it had several records: that timer has to fire before the record that follows.
    pub(crate) fn process_until_due(&mut self, batch: Batch) -> Result<Option<Processed>, Failure> {
        let (watermark, several) = (batch.watermark, batch.rows.count > 1);
        self.model.begin(watermark, self.host.processing_time);
        let processed = self.invoke(|instance, host| instance.process(batch, host))?;
        if several && self.model.has_registered_until(watermark) {
            self.model.undo();
            return Ok(None);
        }
        self.model.keep();
        Ok(Some(processed))
    }

    /// One invocation with timers that are due at `until`, if there are any: at most 1000, and fewer
    /// where one of them registers a timer that comes before others of them.
    ///
    /// # Errors
    /// As [`process`](Self::process). The timers are registered again.
    pub fn fire(
        &mut self,
        domain: TimeDomain,
        until: i64,
        partition: u32,
        watermark: Option<i64>,
    ) -> Result<Option<(Fired, Processed)>, Failure> {
        self.fire_at_most(usize::MAX, domain, until, partition, watermark)
    }

    /// As [`fire`](Self::fire), with at most so many timers.
    pub(crate) fn fire_at_most(
        &mut self,
        mut max: usize,
        domain: TimeDomain,
        until: i64,
        partition: u32,
        watermark: Option<i64>,
    ) -> Result<Option<(Fired, Processed)>, Failure> {
        loop {
            self.model.begin(watermark, self.host.processing_time);
            let Some(fired) = self.model.take_due(domain, until, partition, max) else {
                return Ok(None);
            };
            let given = fired.clone();
            let processed = self.invoke(|instance, host| match instance.timed() {
                Some(timed) => timed.fire(given, host),
                None => Err(Failure::Fatal("the transform has no timers".to_owned())),
            })?;
            let times = fired.times.as_chunks::<8>().0;
            let last = times.last().map(|time| i64::from_le_bytes(*time));
            if domain == TimeDomain::Event && times.len() > 1 && self.model.has_registered_until(last) {
                max = times.len() / 2;
                self.model.undo();
                continue;
            }
            self.model.keep();
            return Ok(Some((fired, processed)));
        }
    }

    /// What it wrote to state is undone if it fails, else still to be kept.
    fn invoke(
        &mut self,
        work: impl FnOnce(&mut dyn Instance, &mut NativeHost) -> Result<(), Failure>,
    ) -> Result<Processed, Failure> {
        self.host.processed = Processed::default();
        let (instance, host) = (&mut *self.instance, &mut self.host);
        match host_link::lend(&mut self.model, || work(instance, host)) {
            Ok(()) => Ok(std::mem::take(&mut self.host.processed)),
            Err(failure) => {
                self.model.undo();
                Err(failure)
            }
        }
    }

    pub(crate) fn state(&self) -> &StateModel {
        &self.model
    }

    pub(crate) fn processing_time(&self) -> i64 {
        self.host.processing_time
    }

    /// Declares a schema as the host does for the writer schemas of dynamic ports. The same text
    /// gives the same id.
    pub fn declare_schema(&mut self, text: &str) -> SchemaId {
        self.host.declare(text)
    }

    /// The text of a schema.
    #[must_use]
    pub fn schema_text(&self, id: SchemaId) -> Option<&str> {
        self.host.schemas.get(id as usize).map(String::as_str)
    }

    /// Sets what [`Context::processing_time`](crate::Context::processing_time) gives.
    pub fn set_processing_time(&mut self, millis: i64) {
        self.host.processing_time = millis;
    }
}

impl NativeHost {
    fn declare(&mut self, text: &str) -> SchemaId {
        let known = self.schemas.iter().position(|schema| schema == text);
        let index = known.unwrap_or_else(|| {
            self.schemas.push(text.to_owned());
            self.schemas.len() - 1
        });
        index as SchemaId
    }
}

impl Host for NativeHost {
    fn emit(
        &mut self,
        port: u32,
        schema: Option<SchemaId>,
        rows: Cow<'_, Rows>,
        sources: Cow<'_, [u8]>,
    ) -> Result<()> {
        let (rows, sources) = (rows.into_owned(), sources.into_owned());
        self.processed.emissions.push(Emission { port, schema, rows, sources });
        Ok(())
    }

    fn reject(&mut self, rows: &[u8], reason: &str) -> Result<()> {
        self.processed.rejections.push(Rejection { rows: rows.to_vec(), reason: reason.to_owned() });
        Ok(())
    }

    fn schema_text(&mut self, id: SchemaId) -> Result<String> {
        let text = self.schemas.get(id as usize).cloned();
        text.ok_or_else(|| Error::fatal(format!("no schema has the id {id}")))
    }

    fn declare_schema(&mut self, text: &str) -> Result<SchemaId> {
        Ok(self.declare(text))
    }

    fn processing_time(&mut self) -> i64 {
        self.processing_time
    }
}
