//! Time in tests: watermarks, the clock, and timers that they make due.

#![allow(clippy::panic, reason = "the test kit tells a test what is wrong by panicking")]

use crate::native::test_harness::Input;
use crate::native::test_harness::TestHarness;
use crate::timers::TimeDomain;
use crate::wire::Column;
use crate::wire::Failure;
use crate::wire::Rows;

impl TestHarness {
    /// Sets the event watermark of the batches to come, in milliseconds. At first there is none. No
    /// timers fire: see [`advance_event_time`](Self::advance_event_time).
    pub fn set_watermark(&mut self, millis: Option<i64>) {
        self.clocks.set_watermark(millis);
    }

    /// Sets the wall clock of the batches to come, in milliseconds since the Unix epoch. No timers fire:
    /// see [`advance_processing_time`](Self::advance_processing_time).
    pub fn set_processing_time(&mut self, millis: i64) {
        if self.inputs.is_empty() {
            self.clocks.start(millis);
        }
        self.runner.set_processing_time(millis);
    }

    /// Lets the event watermark reach a time, in milliseconds since the Unix epoch, as records of every
    /// input would, in steps of the declared granularity; timers that are due fire.
    ///
    /// # Panics
    /// When the transform fails.
    pub fn advance_event_time(&mut self, millis: i64) {
        self.clocks.advance(millis, self.runner.processing_time());
        self.fire_event_timers().unwrap_or_else(|failure| panic!("the transform failed: {failure}"));
    }

    /// Lets the wall clock reach a time, in milliseconds since the Unix epoch; timers that are due fire.
    ///
    /// # Panics
    /// When the transform fails.
    pub fn advance_processing_time(&mut self, millis: i64) {
        self.set_processing_time(millis);
        self.clocks.recompute(millis);
        let mut fire = || {
            self.fire_event_timers()?;
            while self.fire(TimeDomain::Processing, millis)? {}
            Ok::<_, Failure>(())
        };
        fire().unwrap_or_else(|failure| panic!("the transform failed: {failure}"));
    }

    /// The event watermark, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn watermark(&self) -> Option<i64> {
        self.clocks.watermark()
    }

    /// Fires the timers that are due by event time, until there are none.
    pub(crate) fn fire_event_timers(&mut self) -> Result<(), Failure> {
        while let Some(watermark) = self.clocks.watermark() {
            if !self.fire(TimeDomain::Event, watermark)? {
                break;
            }
        }
        Ok(())
    }

    /// Fires timers that are due. Says whether there were any.
    fn fire(&mut self, domain: TimeDomain, until: i64) -> Result<bool, Failure> {
        let watermark = self.clocks.watermark();
        let max = self.batch_size.next(usize::MAX);
        let fired = self.runner.fire_at_most(max, domain, until, self.partition, watermark)?;
        let Some((fired, processed)) = fired else {
            return Ok(false);
        };
        // What the host copies to a record that sets no key and no timestamp of its own.
        let mut rows = Rows { count: fired.keys.count, ..Rows::default() };
        let times = Column { buffers: vec![Vec::new(), fired.times.clone()], ..Column::default() };
        rows.timestamp = Some(0);
        rows.columns.push(times);
        if let Some(keys) = self.declaration.state.as_ref().and_then(|state| state.timer_keys) {
            let column = (keys.column)(fired.keys.clone(), &mut rows.columns);
            rows.key = Some(column.unwrap_or_else(|error| panic!("{error}")));
        }
        self.inputs.push(Input { rows, numbers: None });
        self.stage(processed, Some(&fired));
        Ok(true)
    }
}
