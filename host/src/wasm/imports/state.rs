//! `wasmill:transform/state`.

use wasmtime::StoreContextMut;
use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::Linker;
use wasmtime::component::Lower;
use wasmtime::component::WasmList;

use crate::model::binaries::BinariesBuf;
use crate::model::binaries::BinariesError;
use crate::model::state::SCAN_ENTRIES_MAX;
use crate::model::state::STATE_KEY_BYTES_MAX;
use crate::model::state::STATE_VALUE_BYTES_MAX;
use crate::model::state::Scan;
use crate::model::state::ScanPage;
use crate::model::state::StoreIndex;
use crate::pipeline::state_ports::StateFailure;
use crate::wasm::binaries::BinariesIn;
use crate::wasm::binaries::BinariesOut;
use crate::wasm::binaries::check_lens;
use crate::wasm::binaries::check_state_keys;
use crate::wasm::deadline::Verdict;
use crate::wasm::imports::interface;
use crate::wasm::imports::lending::Halt;
use crate::wasm::imports::lending::answer;
use crate::wasm::imports::lending::with_state;
use crate::wasm::state::GuestState;

/// Keys that are looked up between two looks at the deadline: a guest cannot keep the thread by
/// asking for millions at once.
const KEYS_PER_LOOK: usize = 4096;

#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
enum StateErrorOut {
    #[component(name = "unknown-store")]
    UnknownStore,
    #[component(name = "invalid-keys")]
    InvalidKeys(String),
    #[component(name = "invalid-values")]
    InvalidValues(String),
    #[component(name = "invalid-scan")]
    InvalidScan(String),
    #[component(name = "limit-exceeded")]
    LimitExceeded(u64),
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct ScanRangeIn {
    key: WasmList<u8>,
    prefix: WasmList<u8>,
    start: Option<WasmList<u8>>,
    end: Option<WasmList<u8>>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct PageOut {
    suffixes: BinariesOut,
    values: BinariesOut,
    cursor: Option<Vec<u8>>,
}

type PutParams = (u32, BinariesIn, BinariesIn);
type ScanParams = (u32, ScanRangeIn, u32, Option<WasmList<u8>>);

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    let mut state = linker.instance(&interface("state"))?;
    state.func_wrap("get-many", |mut store, (index, keys): (u32, BinariesIn)| {
        let found = get_many(&mut store, index, &keys);
        Ok((answer(store, found, refusal)?,))
    })?;
    state.func_wrap("put-many", |mut store, (index, keys, values): PutParams| {
        let done = put_many(&mut store, index, &keys, &values);
        Ok((answer(store, done, refusal)?,))
    })?;
    state.func_wrap("delete-many", |mut store, (index, keys): (u32, BinariesIn)| {
        let done = delete_many(&mut store, index, &keys);
        Ok((answer(store, done, refusal)?,))
    })?;
    state.func_wrap("scan", |mut store, (index, range, limit, cursor): ScanParams| {
        let page = scan(&mut store, index, &range, limit, cursor.as_ref());
        Ok((answer(store, page, refusal)?,))
    })
}

fn refusal(failure: StateFailure) -> StateErrorOut {
    match failure {
        StateFailure::UnknownStore(_) => StateErrorOut::UnknownStore,
        StateFailure::Values(why) => StateErrorOut::InvalidValues(why),
        StateFailure::Scan(why) => StateErrorOut::InvalidScan(why),
        StateFailure::Limit { limit_bytes } => StateErrorOut::LimitExceeded(limit_bytes),
        other => StateErrorOut::InvalidKeys(other.to_string()),
    }
}

fn get_many(
    store: &mut StoreContextMut<'_, GuestState>,
    index: u32,
    keys: &BinariesIn,
) -> Result<BinariesOut, Halt> {
    let index = usable(store, index, StateFailure::Keys)?;
    let memory_bytes = store.data().limiter.limit_bytes();
    let mut deadline = store.data().deadline;
    let found = with_state(store, |state, memory| {
        let keys = keys.read(memory).map_err(invalid_keys)?;
        check_state_keys(keys).map_err(StateFailure::Keys)?;
        let mut values = BinariesBuf::with_bytes_max(memory_bytes);
        values.reserve(keys.len());
        for (look, keys) in keys.chunks(KEYS_PER_LOOK).enumerate() {
            if look > 0 && deadline.tick() == Verdict::Stop {
                return Ok(None);
            }
            state.get_many(index, keys, &mut values)?;
            if values.overflowed() {
                return Ok(None);
            }
        }
        Ok::<_, StateFailure>(Some(values))
    })?;
    let state = store.data_mut();
    state.deadline = deadline;
    let Some(values) = found else {
        // Unless its time is up, it asked for more than its memory can hold.
        if deadline.expired().is_none() {
            state.limiter.refuse();
        }
        return Err(Halt::Trap(wasmtime::Error::msg("the values under these keys cannot be given out")));
    };
    Ok(values.into())
}

fn put_many(
    store: &mut StoreContextMut<'_, GuestState>,
    index: u32,
    keys: &BinariesIn,
    values: &BinariesIn,
) -> Result<(), Halt> {
    let index = usable(store, index, StateFailure::Keys)?;
    let mut room = store.data().invocation.state_room;
    with_state(store, |state, memory| {
        let keys = keys.read(memory).map_err(invalid_keys)?;
        let values = values.read(memory).map_err(|error| StateFailure::Values(error.to_string()))?;
        if keys.len() != values.len() {
            let (keys, values) = (keys.len(), values.len());
            return Err(StateFailure::Values(format!(
                "there are {values} values for {keys} keys; expected one for each"
            )));
        }
        check_state_keys(keys).map_err(StateFailure::Keys)?;
        check_lens(values, "value", STATE_VALUE_BYTES_MAX).map_err(StateFailure::Values)?;
        room.take(keys.len(), keys.data_len().saturating_add(values.data_len()))?;
        state.put_many(index, keys, values)
    })?;
    store.data_mut().invocation.state_room = room;
    Ok(())
}

fn delete_many(
    store: &mut StoreContextMut<'_, GuestState>,
    index: u32,
    keys: &BinariesIn,
) -> Result<(), Halt> {
    let index = usable(store, index, StateFailure::Keys)?;
    let mut room = store.data().invocation.state_room;
    with_state(store, |state, memory| {
        let keys = keys.read(memory).map_err(invalid_keys)?;
        check_state_keys(keys).map_err(StateFailure::Keys)?;
        room.take(keys.len(), keys.data_len())?;
        state.delete_many(index, keys)
    })?;
    store.data_mut().invocation.state_room = room;
    Ok(())
}

fn scan(
    store: &mut StoreContextMut<'_, GuestState>,
    index: u32,
    range: &ScanRangeIn,
    limit: u32,
    cursor: Option<&WasmList<u8>>,
) -> Result<PageOut, Halt> {
    let index = usable(store, index, StateFailure::Scan)?;
    let declared = store.data().context.stores.get(index.as_usize());
    if let Some(declared) = declared.filter(|declared| !declared.scan) {
        return Err(refused_scan(format!(
            "the store `{}` is not declared with `scan`; expected `\"scan\": true` in the manifest",
            declared.name
        )));
    }
    if !(1..=SCAN_ENTRIES_MAX).contains(&limit) {
        return Err(refused_scan(format!("the limit is {limit}; expected 1 to {SCAN_ENTRIES_MAX}")));
    }
    let page = with_state(store, |state, memory| {
        let part = |list: &WasmList<u8>, what| part(list, memory, what);
        let scan = Scan {
            key: part(&range.key, "key")?,
            prefix: part(&range.prefix, "prefix")?,
            start: range.start.as_ref().map(|start| part(start, "start")).transpose()?,
            end: range.end.as_ref().map(|end| part(end, "end")).transpose()?,
            limit,
            cursor: cursor.map(|cursor| part(cursor, "cursor")).transpose()?,
        };
        let mut page = ScanPage::default();
        state.scan(index, &scan, &mut page)?;
        Ok::<_, StateFailure>(page)
    })?;
    Ok(PageOut { suffixes: page.suffixes.into(), values: page.values.into(), cursor: page.cursor })
}

/// A part of a scan, where it lies in the guest's memory.
fn part<'a>(
    list: &WasmList<u8>,
    memory: &'a StoreContextMut<'_, GuestState>,
    what: &str,
) -> Result<&'a [u8], StateFailure> {
    let bytes = list.as_le_slice(memory);
    if bytes.len() > STATE_KEY_BYTES_MAX {
        return Err(StateFailure::Scan(format!(
            "`{what}` has {} bytes; expected at most {STATE_KEY_BYTES_MAX}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// A store that the manifest declares, during a call that may use it.
fn usable(
    store: &StoreContextMut<'_, GuestState>,
    index: u32,
    refusal: impl FnOnce(String) -> StateFailure,
) -> Result<StoreIndex, StateFailure> {
    let state = store.data();
    if index as usize >= state.context.stores.len() {
        return Err(StateFailure::UnknownStore(index));
    }
    if !state.invocation.may_use_state {
        return Err(refusal("state can only be used during `process` and `on-timers`".to_owned()));
    }
    Ok(StoreIndex(index))
}

fn invalid_keys(error: BinariesError) -> StateFailure {
    StateFailure::Keys(error.to_string())
}

fn refused_scan(why: String) -> Halt {
    Halt::State(StateFailure::Scan(why))
}
