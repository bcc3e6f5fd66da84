//! The life of a task.

use serde::Serialize;

/// ```text
/// Created --started--> Running <--woken-- Waiting
///    |                    |  \--waits------^ |
///    |                    |                  |
///    +------drained-------+--------drained---+--> Closed
/// ```
/// A stateless task has nothing to restore; `Restoring` belongs to keyed state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskPhase {
    /// Assigned; its start position is not resolved yet.
    Created,
    Running,
    /// Paused by itself until a schema, a registry or a retry is due.
    Waiting,
    /// Given up or lost. Final.
    Closed,
}

/// What happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    Started,
    Waits,
    Woken,
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
            (Self::Created, TaskEvent::Started) | (Self::Waiting, TaskEvent::Woken) => Ok(Self::Running),
            (Self::Running | Self::Waiting, TaskEvent::Waits) => Ok(Self::Waiting),
            (Self::Created | Self::Running | Self::Waiting, TaskEvent::Closed) => Ok(Self::Closed),
            (phase, event) => Err(PhaseError { phase, event }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_task_stays_closed() {
        for event in [TaskEvent::Started, TaskEvent::Waits, TaskEvent::Woken, TaskEvent::Closed] {
            TaskPhase::Closed.advance(event).expect_err("closed is final");
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
