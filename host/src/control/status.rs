//! How a pipeline is doing.

use std::time::SystemTime;

use crate::control::lifecycle::Phase;
use crate::control::lifecycle::StopReason;
use crate::control::pipeline_record::Desired;
use crate::control::pipeline_record::PipelineRecord;
use crate::control::runner::RunState;
use crate::control::runner::RunStatus;
use crate::model::pipeline_state::PipelineState;
use crate::model::status::Waiting;
use crate::model::status::WorkerStatus;

#[derive(Debug, Clone, PartialEq)]
pub struct PipelineStatus {
    pub record: PipelineRecord,
    pub state: PipelineState,
    /// What the whole of it waits for.
    pub waiting: Option<Waiting>,
    /// Why it stopped by itself. Stays until it is resumed, restarted or changed.
    pub stop: Option<StopReason>,
    pub workers: Vec<WorkerStatus>,
}

impl PipelineStatus {
    pub(crate) fn new(record: PipelineRecord, phase: Phase, run: RunStatus) -> Self {
        let Judgement { state, waiting, stop } = Judgement::of(record.desired, phase, run.state);
        Self { record, state, waiting, stop, workers: run.workers }
    }
}

/// What desire, phase and workers come to together.
pub(crate) struct Judgement {
    pub(crate) state: PipelineState,
    waiting: Option<Waiting>,
    stop: Option<StopReason>,
}

impl Judgement {
    pub(crate) fn of(desired: Desired, phase: Phase, run: RunState) -> Self {
        let waits =
            |since: SystemTime, code, reason: &str| Waiting { since, code, reason: reason.to_owned() };
        let (state, waiting, stop) = match (phase, run) {
            (Phase::Stopped(_, reason), _) => (PipelineState::Stopped, None, Some(reason)),
            (Phase::Running(_), RunState::Stopped(stop)) => {
                (PipelineState::Stopped, None, Some(StopReason::Failed(stop)))
            }
            (Phase::Running(_), RunState::Retrying { since, code, reason }) => {
                (PipelineState::Retrying, Some(waits(since, code, &reason)), None)
            }
            (Phase::Running(_), RunState::Running) => (PipelineState::Running, None, None),
            (Phase::Delayed(_, delay) | Phase::Starting(Some(delay)) | Phase::Forgetting(Some(delay)), _) => {
                let waiting = waits(delay.since, delay.outage.code, &delay.outage.message);
                (PipelineState::Retrying, Some(waiting), None)
            }
            (Phase::Draining, _) => (PipelineState::Draining, None, None),
            (Phase::Idle, _) if desired == Desired::Paused => (PipelineState::Paused, None, None),
            _ => (PipelineState::Starting, None, None),
        };
        let state = if desired == Desired::Deleted { PipelineState::Deleting } else { state };
        Self { state, waiting, stop }
    }
}
