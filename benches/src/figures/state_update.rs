//! What an update of keyed state costs: a transform with state against the same without.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use wasmill::model::ids::PortIndex;
use wasmill::model::position::Partition;
use wasmill::model::record_batch::Invoked;
use wasmill::model::record_batch::RecordBatch;
use wasmill::model::state::StateTimes;
use wasmill::pipeline::ports::Decoder as _;
use wasmill::pipeline::ports::Guest as _;
use wasmill::wasm::guest::WasmGuest;

use crate::bench_state::BenchState;
use crate::bench_state::Ends;
use crate::cpu_clock::thread_cpu;
use crate::figure::median;
use crate::guests;
use crate::native_workload::Payments;
use crate::payment_bytes;
use crate::payment_bytes::INPUT_SCHEMA;
use crate::payment_bytes::PaymentBytes;

const BATCH: usize = 1000;
/// With 1000 records each, they meet nearly every one of the 100,000 accounts.
const BATCHES: usize = 1000;
/// Batches of a cycle: what a worker does in 100 ms, about.
const CYCLE: usize = 100;
const ROUNDS: usize = 15;

/// Nanoseconds per record of both.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    pub stateful_ns: f64,
    pub stateless_ns: f64,
    /// The median over rounds of their difference.
    pub update_ns: f64,
}

/// Runs both in turns.
///
/// # Errors
/// When a guest is not built, or the state fails.
pub fn compare() -> anyhow::Result<Comparison> {
    let folder = tempfile::tempdir()?;
    let mut stateful = Side::open("running-totals", Some(folder.path()))?;
    let mut stateless = Side::open("single-totals", None)?;
    // Every key is there, and every batch has been through once.
    stateful.pass()?;
    stateless.pass()?;
    let (mut with, mut without, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let records = (BATCH * BATCHES) as f64;
        with.push(stateful.pass()?.as_nanos() as f64 / records);
        without.push(stateless.pass()?.as_nanos() as f64 / records);
        updates.push(with[with.len() - 1] - without[without.len() - 1]);
    }
    Ok(Comparison { stateful_ns: median(with), stateless_ns: median(without), update_ns: median(updates) })
}

struct Side {
    guest: WasmGuest,
    batches: Vec<RecordBatch>,
    state: Option<BenchState>,
}

impl Side {
    fn open(name: &str, folder: Option<&std::path::Path>) -> anyhow::Result<Self> {
        let component = guests::load(name)?;
        let mut decoder = payment_bytes::decoder(component.manifest())?;
        let mut payments = Payments::new(1, INPUT_SCHEMA);
        let mut batches = Vec::with_capacity(BATCHES);
        for _ in 0..BATCHES {
            let run = PaymentBytes::next_with_keys(&mut payments, BATCH);
            let decoded = decoder.decode(&run, 0..BATCH, &[])?;
            anyhow::ensure!(decoded.bad.is_empty(), "a payment cannot be decoded");
            batches.push(RecordBatch {
                port: PortIndex(0),
                partition: Partition(0),
                event_watermark: None,
                schema: None,
                rows: decoded.rows,
            });
        }
        let manifest = Arc::new(component.manifest().clone());
        let open = |folder| BenchState::open(&manifest, folder, Ends::new(&manifest), None);
        let state = folder.map(open).transpose()?.map(|(state, _)| state);
        Ok(Self { guest: guests::instance(&component)?, batches, state })
    }

    /// CPU time of this thread for all batches, cycle by cycle. What flushes in the background has a
    /// thread of its own.
    fn pass(&mut self) -> anyhow::Result<Duration> {
        let begin = thread_cpu();
        for cycle in self.batches.chunks(CYCLE) {
            for batch in cycle {
                let invoked = match &mut self.state {
                    None => self.guest.invoke(batch, &mut None)?,
                    Some(state) => {
                        state.begin(StateTimes { event_watermark: None, processing_time: 1 })?;
                        let invoked = self.guest.invoke(batch, &mut state.slot)?;
                        state.keep()?;
                        invoked
                    }
                };
                check(&invoked)?;
            }
            if let Some(state) = &mut self.state {
                let changed = state.commit(cycle.len() * BATCH)?;
                anyhow::ensure!(changed > cycle.len() * BATCH / 3, "only {changed} keys have changed");
            }
        }
        Ok(thread_cpu().saturating_sub(begin))
    }
}

fn check(invoked: &Invoked) -> anyhow::Result<()> {
    let emission = invoked.emissions.first().context("nothing was emitted")?;
    anyhow::ensure!(emission.rows.count == BATCH, "{} rows were emitted", emission.rows.count);
    Ok(())
}
