//! The part of a window that one invocation is given.

use std::ops::Range;
use std::time::Duration;

use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Stage;
use crate::model::failure::Stop;
use crate::model::ids::PortIndex;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RawRecords;
use crate::pipeline::cohort::Cohort;
use crate::pipeline::dead_letter::SetAside;
use crate::pipeline::event_time::EventTimes;
use crate::pipeline::event_time::TimedPart;
use crate::pipeline::event_time::TimedRows;
use crate::pipeline::held_run::HeldRun;
use crate::pipeline::late::Late;
use crate::pipeline::ports::DecodeFailure;
use crate::pipeline::ports::Decoded;
use crate::pipeline::ports::Sink;
use crate::pipeline::run::Lane;
use crate::pipeline::run::RunFailure;
use crate::pipeline::run::RunOf;
use crate::pipeline::run::Wait;
use crate::pipeline::run::rejected;
use crate::pipeline::sending::SourceRows;
use crate::pipeline::task_time::TaskTime;

/// How soon a decoder is asked again for a schema that is being fetched.
const SCHEMA_PENDING_WAIT: Duration = Duration::from_millis(5);

/// Decoded rows for which one watermark holds, and what is not given to the guest.
pub(crate) struct Batch {
    pub(crate) decoded: Decoded,
    /// Of each row; empty without event time.
    pub(crate) times: EventTimes,
    pub(crate) event_watermark: Option<i64>,
    pub(crate) late: Late,
    /// Records that are bad, known so far.
    pub(crate) aside: Vec<SetAside>,
}

impl Batch {
    /// A row to be set aside.
    pub(crate) fn row_aside(&self, row: u32, cause: BadRecord) -> Option<SetAside> {
        let index = *self.decoded.records.get(row as usize)?;
        Some(SetAside { index, cause, omit_value: false })
    }

    /// Records that could not be decoded.
    pub(crate) fn take_bad(&mut self) -> Vec<SetAside> {
        let bad = std::mem::take(&mut self.decoded.bad);
        bad.into_iter().map(|(index, cause)| SetAside { index, cause, omit_value: false }).collect()
    }

    /// Sets aside what the guest rejected.
    pub(crate) fn set_aside_rejected(&mut self, invoked: &Invoked, rows: &mut SourceRows) {
        for rejection in &invoked.rejections {
            for row in &rejection.rows {
                if rows.drop_row(*row) {
                    let aside = self.row_aside(*row, rejected(&rejection.reason, Stage::Transform));
                    self.aside.extend(aside);
                }
            }
        }
    }

    /// Where a part of the batch may end that holds half of its rows, or nothing behind the only one;
    /// none when there is no such part.
    pub(crate) fn end_of_part(&self) -> Option<usize> {
        let end = match *self.decoded.records {
            [] => return None,
            [row] => row as usize + 1,
            _ => self.middle(),
        };
        (end < self.decoded.end).then_some(end)
    }

    /// The raw index at which a batch of at least two rows is halved.
    pub(crate) fn middle(&self) -> usize {
        let records = &self.decoded.records;
        records.get(records.len() / 2).map_or(self.decoded.end, |index| *index as usize)
    }
}

impl<K: Sink> Lane<K> {
    /// Decodes a window, unless that was done before, up to where the watermark advances. Or says
    /// what has to be waited for.
    pub(crate) fn next_batch<R: RawRecords>(
        &mut self,
        of: RunOf<'_>,
        run: &mut HeldRun<R>,
        window: Range<usize>,
        cohort: Option<&mut Cohort>,
    ) -> Result<Result<Batch, Wait>, RunFailure> {
        let mut aside = run.known_bad(window.clone(), of.poison);
        let time = cohort.as_deref().map(|cohort| &cohort.time);
        let settings = time.and_then(|time| time.settings(of.port));
        let timed = match run.take_rest(&window) {
            Some(rest) => rest,
            None => {
                let Some(decoder) = self.inputs.get_mut(of.port.as_usize()) else {
                    return Err(unknown_port(of.port).into());
                };
                let skip: Vec<usize> = aside.iter().map(|a| a.index as usize).collect();
                let range = window.start..run.decode_end(&window);
                match decoder.decode(&run.records, range, &skip) {
                    Ok(decoded) => {
                        let times = match settings {
                            Some(settings) => EventTimes::of(settings, &run.records, &decoded)?,
                            None => EventTimes::default(),
                        };
                        TimedRows::new(decoded, times, window.start)
                    }
                    Err(failure) => return decode_failed(failure, run).map(Err),
                }
            }
        };
        let event_watermark = time.and_then(TaskTime::event_watermark);
        let cut = time.and_then(|time| timed.first_from(time.moves_at(of.port)?));
        let (mut part, rest) = timed.split_after(cut);
        if let Some(rest) = rest {
            run.keep_rest(rest);
        }
        let late = match settings {
            Some(settings) => Late::take_out(settings.late, event_watermark, &mut part)?,
            None => Late::default(),
        };
        let TimedPart { decoded, times } = part;
        aside.retain(|a| (a.index as usize) < decoded.end);
        Ok(Ok(Batch { decoded, times, event_watermark, late, aside }))
    }
}

fn decode_failed<R: RawRecords>(failure: DecodeFailure, run: &mut HeldRun<R>) -> Result<Wait, RunFailure> {
    match failure {
        DecodeFailure::Stop(stop) => Err(stop.into()),
        DecodeFailure::Outage(outage) => Ok(run.attempts.wait_for(&outage)),
        DecodeFailure::SchemaPending(id) => Ok(Wait {
            wait: SCHEMA_PENDING_WAIT,
            code: Code("schema-pending"),
            reason: format!("the schema {id} is being fetched from the registry"),
        }),
    }
}

fn unknown_port(port: PortIndex) -> Stop {
    Stop::new(
        "internal-unknown-port",
        format!("records arrived for input port {}, which has no decoder", port.0),
        "This is a mistake in Wasmill: please report it with the pipeline file",
    )
}
