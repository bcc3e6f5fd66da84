//! The life of a task.

use serde::Serialize;

/// ```text
/// Created --started--> Running --waits--> Waiting --woken--> Running
/// Created --restores--> Restoring --started--> Running
/// Running, Waiting --restores--> Restoring              its state has failed
/// Restoring, Running, Waiting --parts--> Created        an input that shares its state went away
/// any of them --closed--> Closed
/// ```
/// A task without keyed state has nothing to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskPhase {
    /// Assigned; its start position is not resolved yet, or an input that it shares its state with
    /// is not assigned.
    Created,
    /// Paused by itself until its state is there.
    Restoring,
    Running,
    /// Paused by itself until a schema, a registry or a retry is due.
    Waiting,
    /// Given up or lost. Final.
    Closed,
}

/// What happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// Its state begins to be restored.
    Restores,
    Started,
    Waits,
    Woken,
    /// An input that it shares its state with was given up.
    Parts,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {phase:?} cannot take {event:?}")]
pub struct PhaseError {
    phase: TaskPhase,
    event: TaskEvent,
}

impl TaskPhase {
    /// The phase after an event.
    ///
    /// # Errors
    /// When the event has no meaning in this phase.
    pub fn advance(self, event: TaskEvent) -> Result<Self, PhaseError> {
        match (self, event) {
            (Self::Created | Self::Running | Self::Waiting, TaskEvent::Restores) => Ok(Self::Restoring),
            (Self::Created | Self::Restoring, TaskEvent::Started) | (Self::Waiting, TaskEvent::Woken) => {
                Ok(Self::Running)
            }
            (Self::Running | Self::Waiting, TaskEvent::Waits) => Ok(Self::Waiting),
            (Self::Created | Self::Restoring | Self::Running | Self::Waiting, TaskEvent::Parts) => {
                Ok(Self::Created)
            }
            (Self::Created | Self::Restoring | Self::Running | Self::Waiting, TaskEvent::Closed) => {
                Ok(Self::Closed)
            }
            (phase, event) => Err(PhaseError { phase, event }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_task_stays_closed() {
        for event in [
            TaskEvent::Restores,
            TaskEvent::Started,
            TaskEvent::Waits,
            TaskEvent::Woken,
            TaskEvent::Parts,
            TaskEvent::Closed,
        ] {
            TaskPhase::Closed.advance(event).expect_err("closed is final");
        }
    }

    #[test]
    fn a_task_is_restored_before_it_runs_and_again_when_its_state_fails() {
        let restoring = TaskPhase::Created.advance(TaskEvent::Restores).expect("restores");
        assert_eq!(restoring, TaskPhase::Restoring);
        restoring.advance(TaskEvent::Waits).expect_err("it has nothing to wait with yet");
        let running = restoring.advance(TaskEvent::Started).expect("started");
        let waiting = running.advance(TaskEvent::Waits).expect("waits");
        assert_eq!(waiting.advance(TaskEvent::Restores), Ok(TaskPhase::Restoring));
        for phase in [restoring, running, waiting] {
            assert_eq!(phase.advance(TaskEvent::Parts), Ok(TaskPhase::Created));
            assert_eq!(phase.advance(TaskEvent::Closed), Ok(TaskPhase::Closed));
        }
    }

    #[test]
    fn a_task_waits_and_goes_on() {
        let phase = TaskPhase::Created.advance(TaskEvent::Started).expect("started");
        let phase = phase.advance(TaskEvent::Waits).expect("waits");
        assert_eq!(phase, TaskPhase::Waiting);
        assert_eq!(phase.advance(TaskEvent::Woken), Ok(TaskPhase::Running));
        TaskPhase::Created.advance(TaskEvent::Woken).expect_err("not started");
    }
}
