//! How a guest's calls reach the keyed state that is lent to it.

use wasmtime::StoreContextMut;

use crate::model::failure::Stop;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::TaskState;
use crate::wasm::state::GuestState;

/// How a call on the state ends that has no answer.
pub(super) enum Halt {
    State(StateFailure),
    /// The call of the guest ends here.
    Trap(wasmtime::Error),
}

impl From<StateFailure> for Halt {
    fn from(failure: StateFailure) -> Self {
        Self::State(failure)
    }
}

/// Runs `call` on the state, beside the guest's memory. The state is taken out of the store
/// meanwhile, so that the memory can be borrowed, and is always put back.
///
/// # Errors
/// What `call` says. Without a state the pipeline stops: whoever declares a store or a timer is
/// lent one.
pub(super) fn with_state<T, E: From<StateFailure>>(
    store: &mut StoreContextMut<'_, GuestState>,
    call: impl FnOnce(&mut dyn TaskState, &StoreContextMut<'_, GuestState>) -> Result<T, E>,
) -> Result<T, E> {
    let Some(mut state) = store.data_mut().task_state.take() else {
        return Err(StateFailure::from(Stop::new(
            "internal-state",
            "the transform uses keyed state, but was called without",
            "This is a mistake in Wasmill: please report it with the pipeline file",
        ))
        .into());
    };
    let outcome = call(state.as_mut(), store);
    store.data_mut().task_state = Some(state);
    outcome
}

/// The answer to the guest: what was found, or a refusal that is the guest's to handle. What is not
/// its fault ends the call.
pub(super) fn answer<T, R>(
    mut store: StoreContextMut<'_, GuestState>,
    outcome: Result<T, Halt>,
    refusal: impl FnOnce(StateFailure) -> R,
) -> wasmtime::Result<Result<T, R>> {
    let failure = match outcome {
        Ok(found) => return Ok(Ok(found)),
        Err(Halt::Trap(error)) => return Err(error),
        Err(Halt::State(failure)) => failure,
    };
    let invocation = &mut store.data_mut().invocation;
    match failure {
        StateFailure::Storage { .. } | StateFailure::Stop(_) => {
            let error = wasmtime::Error::msg(failure.to_string());
            invocation.state_failed(failure);
            Err(error)
        }
        StateFailure::Limit { limit_bytes } => {
            invocation.state_limit_met(limit_bytes);
            Ok(Err(refusal(failure)))
        }
        refused => Ok(Err(refusal(refused))),
    }
}
