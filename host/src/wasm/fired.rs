//! Timers that are due, as they cross to a guest.

use wasmtime::component::ComponentType;
use wasmtime::component::Lift;
use wasmtime::component::Lower;

use crate::model::state::FiredTimers;
use crate::model::state::TimeDomain;
use crate::wasm::binaries::BinariesLent;

#[derive(Debug, Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(in crate::wasm) enum TimeDomainCase {
    #[component(name = "event")]
    Event,
    #[component(name = "processing")]
    Processing,
}

impl From<TimeDomainCase> for TimeDomain {
    fn from(case: TimeDomainCase) -> Self {
        match case {
            TimeDomainCase::Event => Self::Event,
            TimeDomainCase::Processing => Self::Processing,
        }
    }
}

impl From<TimeDomain> for TimeDomainCase {
    fn from(domain: TimeDomain) -> Self {
        match domain {
            TimeDomain::Event => Self::Event,
            TimeDomain::Processing => Self::Processing,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(in crate::wasm) struct FiredOut<'a> {
    partition: u32,
    watermark: Option<i64>,
    domain: TimeDomainCase,
    keys: BinariesLent<'a>,
    tags: BinariesLent<'a>,
    times: &'a [u8],
}

impl<'a> FiredOut<'a> {
    /// `times` are those of `fired`, as [`times_le`] gives them.
    pub(in crate::wasm) fn new(fired: &'a FiredTimers, times: &'a [u8]) -> Self {
        Self {
            partition: u32::try_from(fired.partition.0).unwrap_or_default(),
            watermark: fired.event_watermark,
            domain: fired.domain.into(),
            keys: (&fired.keys).into(),
            tags: (&fired.tags).into(),
            times,
        }
    }
}

/// The times of timers as little-endian bytes.
pub(in crate::wasm) fn times_le(fired: &FiredTimers) -> Vec<u8> {
    fired.times.iter().flat_map(|time| time.to_le_bytes()).collect()
}
