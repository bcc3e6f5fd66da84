//! A transform with state and timers: a running sum per key, which ends when its key is silent.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::BinaryArray;
use arrow_array::Int64Array;

use crate::model::binaries::BinariesBuf;
use crate::model::ids::PortIndex;
use crate::model::position::Partition;
use crate::model::record_batch::Emission;
use crate::model::record_batch::Invoked;
use crate::model::record_batch::RecordBatch;
use crate::model::record_batch::Rejection;
use crate::model::record_batch::Rows;
use crate::model::state::FiredTimers;
use crate::model::state::StoreIndex;
use crate::model::state::TimeDomain;
use crate::model::state_key::StateKey;
use crate::pipeline::fakes::SILENCE_MS;
use crate::pipeline::fakes::Shared;
use crate::pipeline::fakes::UNENCODABLE;
use crate::pipeline::fakes::World;
use crate::pipeline::fakes::echo::trap;
use crate::pipeline::ports::Guest;
use crate::pipeline::ports::InvokeFailure;
use crate::pipeline::state_ports::StateFailure;
use crate::pipeline::state_ports::StateSlot;
use crate::pipeline::state_ports::TaskState;

const SUMS: StoreIndex = StoreIndex(0);
pub(crate) const TAG: &[u8] = b"silent";

/// Emits the sum so far for every record. [`SILENCE_MS`] after the last record of a key, by the
/// domain that it is made with, it emits the sum negated and forgets it.
pub(crate) struct Counter {
    pub(crate) world: Shared,
    pub(crate) domain: TimeDomain,
    pub(crate) known: Known,
}

/// Sums by partition and key that an instance remembers from call to call, as the contract lets it.
pub(crate) type Known = BTreeMap<(Partition, Vec<u8>), Option<i64>>;

/// Sums of one partition, read from the state when first asked for.
pub(crate) struct Sums<'a> {
    pub(crate) state: &'a mut dyn TaskState,
    partition: Partition,
    known: &'a mut Known,
}

impl<'a> Sums<'a> {
    pub(crate) fn new(state: &'a mut dyn TaskState, partition: Partition, known: &'a mut Known) -> Self {
        Self { state, partition, known }
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<i64>, InvokeFailure> {
        if let Some(known) = self.known.get(&(self.partition, key.to_vec())) {
            return Ok(*known);
        }
        let mut values = BinariesBuf::default();
        let keys: BinariesBuf = [Some(state_key(key))].into_iter().collect();
        self.state.get_many(SUMS, keys.as_ref(), &mut values).map_err(failed)?;
        let found = values.as_ref().get(0).map(from_avro);
        self.known.insert((self.partition, key.to_vec()), found);
        Ok(found)
    }

    pub(crate) fn set(&mut self, key: &[u8], sum: Option<i64>) -> Result<(), InvokeFailure> {
        self.known.insert((self.partition, key.to_vec()), sum);
        let keys: BinariesBuf = [Some(state_key(key))].into_iter().collect();
        let values: BinariesBuf = [sum.map(avro)].into_iter().collect();
        self.state.put_many(SUMS, keys.as_ref(), values.as_ref()).map_err(failed)
    }
}

/// A record that was added up.
pub(crate) struct AddedRow<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: i64,
    pub(crate) time: i64,
}

/// Adds the value of every record to the sum of its key and emits that. `then` does what else a record is for.
pub(crate) fn add_up(
    world: &mut World,
    batch: &RecordBatch,
    state: &mut StateSlot,
    known: &mut Known,
    mut then: impl FnMut(&mut World, &mut dyn TaskState, &AddedRow<'_>) -> Result<(), InvokeFailure>,
) -> Result<Invoked, InvokeFailure> {
    world.calls += 1;
    let state = state.as_deref_mut().expect("a state is lent");
    let mut sums = Sums::new(state, batch.partition, known);
    let values = numbers(batch.rows.value.as_ref());
    let times = batch.rows.timestamp.as_ref().expect("a timestamp root");
    let keys = batch.rows.key.as_ref().expect("a key root");
    let keys = keys.as_any().downcast_ref::<BinaryArray>().expect("bytes");
    let (mut emitted, mut sources, mut rejections) = (Vec::new(), Vec::new(), Vec::new());
    for (row, value) in values.iter().copied().enumerate() {
        if world.verdict(value)? {
            rejections.push(Rejection { rows: vec![row as u32], reason: "scripted".to_owned() });
            continue;
        }
        let key = keys.value(row);
        let sum = sums.get(key)?.unwrap_or(0) + value;
        sums.set(key, Some(sum))?;
        then(world, sums.state, &AddedRow { key, value, time: times.value(row) })?;
        emitted.push(if world.unencodable_inputs.contains(&value) { UNENCODABLE } else { sum });
        sources.push(row as u32);
    }
    Ok(Invoked { emissions: emission(emitted, sources), rejections })
}

impl Guest for Counter {
    fn invoke(&mut self, batch: &RecordBatch, state: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        let mut world = self.world.borrow_mut();
        // What a failed call has learned goes with the instance.
        let mut known = std::mem::take(&mut self.known);
        let domain = self.domain;
        let invoked = add_up(&mut world, batch, state, &mut known, |world, state, row| {
            let silent_from = match domain {
                TimeDomain::Event => row.time,
                TimeDomain::Processing => world.now_ms(),
            };
            register(state, domain, row.key, silent_from + SILENCE_MS)?;
            world.watermarks.push((row.value, batch.event_watermark));
            Ok(())
        })?;
        self.known = known;
        Ok(invoked)
    }

    fn fire(&mut self, fired: &FiredTimers, state: &mut StateSlot) -> Result<Invoked, InvokeFailure> {
        let mut world = self.world.borrow_mut();
        world.fires += 1;
        let mut known = std::mem::take(&mut self.known);
        let state = state.as_deref_mut().expect("a state is lent");
        let mut sums = Sums::new(state, fired.partition, &mut known);
        let (mut emitted, mut sources, mut rejections) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..fired.len() {
            let timer = fired.get(index).expect("a timer");
            assert_eq!(timer.tag, TAG);
            let key = timer.key.to_vec();
            if world.timer_traps.contains(&key) {
                return Err(trap());
            }
            if let Some(left @ 1..) = world.timer_retries.get_mut(&key) {
                *left -= 1;
                return Err(InvokeFailure::Retry("scripted".to_owned()));
            }
            if world.timer_rejects.contains(&key) {
                rejections.push(Rejection { rows: vec![index as u32], reason: "scripted".to_owned() });
                continue;
            }
            let sum = sums.get(&key)?.expect("a sum is there until its timer fires");
            sums.set(&key, None)?;
            emitted.push(if world.timer_unencodable.contains(&key) { UNENCODABLE } else { -sum });
            sources.push(index as u32);
        }
        if world.forgets_sources {
            sources.clear();
        }
        self.known = known;
        Ok(Invoked { emissions: emission(emitted, sources), rejections })
    }

    fn release(&mut self) {
        self.known.clear();
    }
}

pub(crate) fn emission(values: Vec<i64>, sources: Vec<u32>) -> Vec<Emission> {
    if values.is_empty() {
        return Vec::new();
    }
    let rows =
        Rows { count: values.len(), value: Some(Arc::new(Int64Array::from(values))), ..Rows::default() };
    vec![Emission { port: PortIndex(0), schema: None, rows, sources }]
}

fn numbers(column: Option<&arrow_array::ArrayRef>) -> &[i64] {
    column.expect("a value root").as_any().downcast_ref::<Int64Array>().expect("numbers").values()
}

fn register(
    state: &mut dyn TaskState,
    domain: TimeDomain,
    key: &[u8],
    time: i64,
) -> Result<(), InvokeFailure> {
    let keys: BinariesBuf = [Some(key)].into_iter().collect();
    let tags: BinariesBuf = [Some(TAG)].into_iter().collect();
    let registered = state.register_timers(domain, keys.as_ref(), tags.as_ref(), &[time]);
    registered.map_err(failed)
}

pub(crate) fn failed(failure: StateFailure) -> InvokeFailure {
    match failure {
        StateFailure::Limit { limit_bytes } => InvokeFailure::StateLimit { limit_bytes },
        failure => InvokeFailure::State(failure),
    }
}

pub(crate) fn state_key(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    StateKey { key, suffix: b"" }.append_to(&mut bytes);
    bytes
}

/// An Avro long.
pub(crate) fn avro(number: i64) -> Vec<u8> {
    let mut left = (number << 1 ^ number >> 63).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

pub(crate) fn from_avro(bytes: &[u8]) -> i64 {
    let zigzag = bytes.iter().rev().fold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed()
}
