//! A transform without state: it emits every value as it is.

use arrow_array::Array;
use arrow_array::Int64Array;

use crate::model::ids::PortIndex;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RecordBatch;
use crate::model::record_batch::Rejection;
use crate::model::record_batch::Rows;
use crate::model::state::FiredTimers;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::World;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::state_ports::StateSlot;

pub(crate) struct Echo(pub(crate) Shared);

impl World {
    /// What the script makes of a value that the guest is given: a failure, or whether it is rejected.
    pub(super) fn verdict(&mut self, value: i64) -> Result<bool, InvokeFailure> {
        if self.traps.contains(&value) {
            return Err(trap());
        }
        if let Some(left @ 1..) = self.retries.get_mut(&value) {
            *left -= 1;
            return Err(InvokeFailure::Retry("scripted".to_owned()));
        }
        Ok(self.rejects.contains(&value))
    }
}

pub(super) fn trap() -> InvokeFailure {
    InvokeFailure::Trap { message: "scripted".to_owned(), backtrace: "main".to_owned() }
}

impl Guest for Echo {
    fn invoke(&mut self, batch: &RecordBatch, _: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        let mut world = self.0.borrow_mut();
        world.calls += 1;
        let column = batch.rows.value.as_ref().expect("a value root");
        let values = column.as_any().downcast_ref::<Int64Array>().expect("numbers").values();
        let mut rejections = Vec::new();
        for (row, value) in (0..).zip(values) {
            if world.verdict(*value)? {
                rejections.push(Rejection { rows: vec![row], reason: "scripted".to_owned() });
            }
        }
        world.watermarks.extend(values.iter().map(|value| (*value, batch.event_watermark)));
        let sources = (0..batch.rows.count as u32).collect();
        let rows = Rows { count: batch.rows.count, value: Some(column.clone()), ..Rows::default() };
        Ok(Invoked {
            emissions: vec![Emission { port: PortIndex(0), schema: None, rows, sources }],
            rejections,
        })
    }
    fn fire(&mut self, _: &FiredTimers, _: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        Err(InvokeFailure::Fatal("this transform has no timers".to_owned()))
    }
    fn release(&mut self) {}
}
