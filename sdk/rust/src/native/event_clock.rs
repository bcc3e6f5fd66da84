//! Event time of a test, as the host keeps it.

#![allow(clippy::panic, reason = "the test kit tells a test what is wrong by panicking")]

use crate::avro_type::Kind;
use crate::columns::Columns;
use crate::columns::Pass;
use crate::manifest::Declaration;
use crate::manifest::EventTime;
use crate::manifest::Part;
use crate::schema::Schema;
use crate::wire::Rows;

/// An input that has sent nothing for so long no longer holds the watermark back.
const IDLE_MS: i64 = 60_000;

/// The event clocks of a task's inputs, and the event watermark that follows from them.
#[derive(Debug)]
pub(crate) struct EventClocks {
    /// By input port; none where it has no event time.
    ports: Vec<Option<Clock>>,
    watermark: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    declared: EventTime,
    watermark: Option<i64>,
    /// Processing time of its latest record.
    seen_at: i64,
}

impl EventClocks {
    pub(crate) fn new(declaration: &Declaration) -> Self {
        let clock = |declared: EventTime| Clock { declared, watermark: None, seen_at: 0 };
        let ports =
            declaration.inputs.iter().map(|(port, _)| port.event_time.map(|event| clock(event.event_time)));
        Self { ports: ports.collect(), watermark: None }
    }

    /// Sets the processing time from which inputs that send nothing become idle.
    pub(crate) fn start(&mut self, now: i64) {
        self.ports.iter_mut().flatten().for_each(|clock| clock.seen_at = now);
    }

    pub(crate) fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    pub(crate) fn set_watermark(&mut self, watermark: Option<i64>) {
        self.watermark = watermark;
    }

    /// What is declared of an input.
    pub(crate) fn declared(&self, port: usize) -> Option<EventTime> {
        self.ports.get(port).copied().flatten().map(|clock| clock.declared)
    }

    /// Whether a record of this event time is behind the watermark.
    pub(crate) fn is_late(&self, time: Option<i64>) -> bool {
        matches!((time, self.watermark), (Some(time), Some(watermark)) if time < watermark)
    }

    /// Takes the event time of a record; says whether the watermark has moved.
    pub(crate) fn observe(&mut self, port: usize, time: Option<i64>, now: i64) -> bool {
        if let Some(Some(clock)) = self.ports.get_mut(port) {
            clock.seen_at = now;
            if let Some(time) = time {
                let behind = time.saturating_sub_unsigned(clock.declared.out_of_orderness_ms);
                clock.advance(behind);
            }
        }
        self.recompute(now)
    }

    /// Lets every input's watermark reach a point in time.
    pub(crate) fn advance(&mut self, to: i64, now: i64) -> bool {
        if self.ports.iter().all(Option::is_none) {
            let before = self.watermark;
            self.watermark = before.max(Some(to));
            return self.watermark != before;
        }
        for clock in self.ports.iter_mut().flatten() {
            clock.seen_at = now;
            clock.advance(to);
        }
        self.recompute(now)
    }

    /// The smallest watermark of the inputs that are not idle; it never goes back.
    pub(crate) fn recompute(&mut self, now: i64) -> bool {
        let before = self.watermark;
        let active = self.ports.iter().flatten().filter(|clock| now.saturating_sub(clock.seen_at) <= IDLE_MS);
        // `None`, of an input without a watermark yet, is the smallest.
        if let Some(smallest) = active.map(|clock| clock.watermark).min() {
            self.watermark = before.max(smallest);
        }
        self.watermark != before
    }
}

impl Clock {
    /// Moves the watermark to the step of the granularity at or before a point in time.
    fn advance(&mut self, to: i64) {
        let step = i64::try_from(self.declared.granularity_ms).unwrap_or(i64::MAX);
        let at = to.div_euclid(step).saturating_mul(step);
        self.watermark = self.watermark.max(Some(at));
    }
}

/// The event time of every record of a batch.
pub(crate) fn event_times(port: &str, value: &Part, declared: EventTime, rows: &Rows) -> Vec<Option<i64>> {
    let count = rows.count as usize;
    let Some(field) = declared.field else {
        return times(rows, rows.timestamp, None, count, 1);
    };
    let schema = Schema::parse(&value.schema()).unwrap_or_else(|error| panic!("{error}"));
    let found = schema.children.iter().position(|child| child.name == field);
    let Some((index, child)) = found.and_then(|index| Some((index, schema.children.get(index)?))) else {
        panic!("input `{port}`: event_time = \"{field}\", but the record has no such field");
    };
    let per_milli = match (child.schema.kind, child.schema.logical.as_deref()) {
        (Kind::Long, None | Some("timestamp-millis")) => 1,
        (Kind::Long, Some("timestamp-micros")) => 1000,
        (Kind::Long, Some("timestamp-nanos")) => 1_000_000,
        _ => panic!(
            "input `{port}`: event_time = \"{field}\" is neither a timestamp nor a long of milliseconds"
        ),
    };
    let column = rows.value.and_then(|root| rows.columns.get(root as usize)?.children.get(index).copied());
    times(rows, column, rows.value, count, per_milli)
}

/// The times of a column; none in a null row, also of the root.
fn times(
    rows: &Rows,
    column: Option<u32>,
    root: Option<u32>,
    count: usize,
    per_milli: i64,
) -> Vec<Option<i64>> {
    let Some(column) = column else {
        return vec![None; count];
    };
    let columns = Columns::new(&rows.columns, Pass::All);
    let read = || {
        let validity = columns.validity(column, count)?;
        let of_root = root.map(|root| columns.validity(root, count)).transpose()?;
        let values = crate::columns::values::<8>(columns.get(column, 2, 0)?, 1, count)?;
        let time = |(row, value): (usize, &[u8; 8])| {
            let null = validity.is_null(row) || of_root.is_some_and(|root| root.is_null(row));
            (!null).then(|| i64::from_le_bytes(*value).div_euclid(per_milli))
        };
        Ok::<_, crate::ColumnError>(values.iter().enumerate().map(time).collect())
    };
    read().unwrap_or_else(|error| panic!("the event times cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(ports: &[Option<u64>]) -> EventClocks {
        let clock = |out_of_orderness_ms| Clock {
            declared: EventTime { field: None, out_of_orderness_ms, granularity_ms: 100, drop_late: false },
            watermark: None,
            seen_at: 0,
        };
        EventClocks { ports: ports.iter().map(|port| port.map(clock)).collect(), watermark: None }
    }

    #[test]
    fn the_watermark_advances_in_steps_and_never_back() {
        let mut clocks = clocks(&[Some(50)]);
        let mut moved = Vec::new();
        for time in [Some(149), Some(150), None, Some(249), Some(250), Some(100), Some(1000)] {
            moved.push((clocks.observe(0, time, 0), clocks.watermark()));
        }
        let expected = [
            (true, Some(0)),
            (true, Some(100)),
            (false, Some(100)),
            (false, Some(100)),
            (true, Some(200)),
            (false, Some(200)),
            (true, Some(900)),
        ];
        assert_eq!(moved, expected);
        assert!(clocks.is_late(Some(899)) && !clocks.is_late(Some(900)) && !clocks.is_late(None));
    }

    #[test]
    fn times_before_the_epoch_have_steps_too() {
        let mut clocks = clocks(&[Some(0)]);
        clocks.observe(0, Some(-1), 0);
        assert_eq!(clocks.watermark(), Some(-100));
    }

    #[test]
    fn the_slowest_input_that_is_not_idle_counts() {
        let mut clocks = clocks(&[Some(0), None, Some(0)]);
        assert!(!clocks.observe(0, Some(500), 0));
        assert!(!clocks.observe(1, Some(900), 0), "it has no event time");
        assert!(clocks.observe(2, Some(300), 0));
        assert_eq!(clocks.watermark(), Some(300));
        assert!(clocks.observe(0, Some(800), 60_001), "the other is idle");
        assert_eq!(clocks.watermark(), Some(800));
        assert!(!clocks.observe(2, Some(400), 60_002), "back, and behind");
        assert_eq!(clocks.watermark(), Some(800));
    }
}
