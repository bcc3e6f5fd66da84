//! `wasmill:transform/timers`.

use wasmtime::StoreContextMut;
use wasmtime::component::ComponentType;
use wasmtime::component::Linker;
use wasmtime::component::Lower;
use wasmtime::component::WasmList;

use crate::model::binaries::BinariesRef;
use crate::model::state::STATE_KEY_BYTES_MAX;
use crate::model::state::TIMER_TAG_BYTES_MAX;
use crate::model::state::TimeDomain;
use crate::pipeline::state_ports::StateFailure;
use crate::wasm::binaries::BinariesIn;
use crate::wasm::binaries::check_present;
use crate::wasm::fired::TimeDomainCase;
use crate::wasm::imports::interface;
use crate::wasm::imports::lending::Halt;
use crate::wasm::imports::lending::answer;
use crate::wasm::imports::lending::with_state;
use crate::wasm::state::GuestState;

/// Bytes that the time of a timer counts.
const TIME_BYTES: usize = 8;

#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum TimerErrorOut {
    #[component(name = "invalid-timers")]
    InvalidTimers(String),
    #[component(name = "not-declared")]
    NotDeclared,
    #[component(name = "limit-exceeded")]
    LimitExceeded(u64),
}

/// A refusal beside those of the state.
enum Refused {
    NotDeclared,
    Halt(Halt),
}

impl From<StateFailure> for Refused {
    fn from(failure: StateFailure) -> Self {
        Self::Halt(failure.into())
    }
}

type RegisterParams = (TimeDomainCase, BinariesIn, BinariesIn, WasmList<u8>);
type CancelParams = (TimeDomainCase, BinariesIn, BinariesIn);

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut timers = linker.instance(&interface("timers"))?;
    timers.func_wrap("register", |mut store, (domain, keys, tags, times): RegisterParams| {
        let done = register(&mut store, domain.into(), &keys, &tags, &times);
        Ok((answer_timers(store, done)?,))
    })?;
    timers.func_wrap("cancel", |mut store, (domain, keys, tags): CancelParams| {
        let done = cancel(&mut store, domain.into(), &keys, &tags);
        Ok((answer_timers(store, done)?,))
    })
}

fn answer_timers(
    store: StoreContextMut<'_, GuestState>,
    done: Result<(), Refused>,
) -> wasmtime::Result<Result<(), TimerErrorOut>> {
    let done = match done {
        Ok(()) => Ok(()),
        Err(Refused::NotDeclared) => return Ok(Err(TimerErrorOut::NotDeclared)),
        Err(Refused::Halt(halt)) => Err(halt),
    };
    answer(store, done, |failure| match failure {
        StateFailure::Limit { limit_bytes } => TimerErrorOut::LimitExceeded(limit_bytes),
        other => TimerErrorOut::InvalidTimers(other.to_string()),
    })
}

fn register(
    store: &mut StoreContextMut<'_, GuestState>,
    domain: TimeDomain,
    keys: &BinariesIn,
    tags: &BinariesIn,
    times: &WasmList<u8>,
) -> Result<(), Refused> {
    check_usable(store, domain)?;
    let mut room = store.data().invocation.state_room;
    with_state(store, |state, memory| {
        let (keys, tags) = timers(keys.read(memory), tags.read(memory))?;
        let (times, rest) = times.as_le_slice(memory).as_chunks::<TIME_BYTES>();
        if times.len() != keys.len() || !rest.is_empty() {
            return Err(StateFailure::Timers(format!(
                "`times` has {} bytes; expected {TIME_BYTES} for each of the {} keys",
                times.len() * TIME_BYTES + rest.len(),
                keys.len()
            )));
        }
        room.take(keys.len(), keys.data_len() + tags.data_len() + times.len() * TIME_BYTES)?;
        let times: Vec<i64> = times.iter().map(|time| i64::from_le_bytes(*time)).collect();
        state.register_timers(domain, keys, tags, &times)
    })?;
    store.data_mut().invocation.state_room = room;
    Ok(())
}

fn cancel(
    store: &mut StoreContextMut<'_, GuestState>,
    domain: TimeDomain,
    keys: &BinariesIn,
    tags: &BinariesIn,
) -> Result<(), Refused> {
    check_usable(store, domain)?;
    let mut room = store.data().invocation.state_room;
    with_state(store, |state, memory| {
        let (keys, tags) = timers(keys.read(memory), tags.read(memory))?;
        room.take(keys.len(), keys.data_len() + tags.data_len())?;
        state.cancel_timers(domain, keys, tags)
    })?;
    store.data_mut().invocation.state_room = room;
    Ok(())
}

fn check_usable(store: &StoreContextMut<'_, GuestState>, domain: TimeDomain) -> Result<(), Refused> {
    let state = store.data();
    if !state.context.timers.contains(&domain) {
        return Err(Refused::NotDeclared);
    }
    if !state.invocation.may_use_state {
        let why = "timers can only be registered and cancelled during `process` and `on-timers`";
        return Err(StateFailure::Timers(why.to_owned()).into());
    }
    Ok(())
}

/// Keys and tags, as many of each, none absent or too long.
fn timers<'a, E: ToString>(
    keys: Result<BinariesRef<'a>, E>,
    tags: Result<BinariesRef<'a>, E>,
) -> Result<(BinariesRef<'a>, BinariesRef<'a>), StateFailure> {
    let keys = keys.map_err(|error| StateFailure::Timers(format!("keys: {}", error.to_string())))?;
    let tags = tags.map_err(|error| StateFailure::Timers(format!("tags: {}", error.to_string())))?;
    if keys.len() != tags.len() {
        let (keys, tags) = (keys.len(), tags.len());
        return Err(StateFailure::Timers(format!(
            "there are {tags} tags for {keys} keys; expected one for each"
        )));
    }
    check_present(keys, "key", STATE_KEY_BYTES_MAX).map_err(StateFailure::Timers)?;
    check_present(tags, "tag", TIMER_TAG_BYTES_MAX).map_err(StateFailure::Timers)?;
    Ok((keys, tags))
}
