//! The calls of state and timers, natively: they go to the model of the runner that runs on this
//! thread.

use std::cell::RefCell;

use crate::binaries::Binaries;
use crate::native::state_model::StateModel;
use crate::state::link::Refusal;
use crate::state::link::ScanPage;
use crate::state::link::ScanRange;
use crate::timers::TimeDomain;

thread_local! {
    static MODEL: RefCell<Option<StateModel>> = const { RefCell::new(None) };
}

/// Lends the model to the calls that `work` makes.
pub(crate) fn lend<R>(model: &mut StateModel, work: impl FnOnce() -> R) -> R {
    MODEL.set(Some(std::mem::take(model)));
    let result = work();
    *model = MODEL.take().unwrap_or_default();
    result
}

fn with<R>(call: impl FnOnce(&mut StateModel) -> Result<R, Refusal>) -> Result<R, Refusal> {
    MODEL.with_borrow_mut(|model| match model {
        Some(model) => call(model),
        None => Err(Refusal::Invalid("it is read and written only while records are processed".to_owned())),
    })
}

pub(crate) fn get_many(store: u32, keys: &Binaries) -> Result<Binaries, Refusal> {
    with(|model| model.get_many(store, keys))
}

pub(crate) fn put_many(store: u32, keys: &Binaries, values: &Binaries) -> Result<(), Refusal> {
    with(|model| model.put_many(store, keys, values))
}

pub(crate) fn scan(
    store: u32,
    range: &ScanRange,
    limit: u32,
    cursor: Option<&[u8]>,
) -> Result<ScanPage, Refusal> {
    with(|model| model.scan(store, range, limit, cursor))
}

pub(crate) fn register(
    domain: TimeDomain,
    keys: &Binaries,
    tags: &Binaries,
    times: &[u8],
) -> Result<(), Refusal> {
    with(|model| model.register(domain, keys, tags, times))
}

pub(crate) fn cancel(domain: TimeDomain, keys: &Binaries, tags: &Binaries) -> Result<(), Refusal> {
    with(|model| model.cancel(domain, keys, tags))
}
