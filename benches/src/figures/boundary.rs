//! What crossing the boundary costs: Arrow arrays in the host, guest, validated Arrow arrays in the host.

use std::hint::black_box;

use anyhow::Context as _;
use wasmill::model::ids::PortIndex;
use wasmill::model::position::Partition;
use wasmill::model::record_batch::RecordBatch;
use wasmill::pipeline::ports::Decoder as _;
use wasmill::pipeline::ports::Guest as _;

use crate::cpu_clock::median_ns;
use crate::guests;
use crate::native_workload::Payments;
use crate::payment_bytes;
use crate::payment_bytes::INPUT_SCHEMA;
use crate::payment_bytes::PaymentBytes;

const ROUNDS: usize = 31;
/// CPU time that a round should take, in records and calls.
const RECORDS_A_ROUND: usize = 1_000_000;
const CALLS_A_ROUND: usize = 20_000;

/// Nanoseconds of one invocation of the guest `name` with so many payments, which it must give back
/// unchanged.
///
/// # Errors
/// When the guest is not built, or does not give back what it got.
pub fn call_ns(name: &str, rows: usize) -> anyhow::Result<f64> {
    let component = guests::load(name)?;
    let mut guest = guests::instance(&component)?;
    let records = PaymentBytes::next(&mut Payments::new(1, INPUT_SCHEMA), rows);
    let decoded = payment_bytes::decoder(component.manifest())?.decode(&records, 0..rows, &[])?;
    let batch = RecordBatch {
        port: PortIndex(0),
        partition: Partition(0),
        event_watermark: None,
        schema: None,
        rows: decoded.rows,
    };
    let invoked = guest.invoke(&batch, &mut None)?;
    let emitted = invoked.emissions.first().context("nothing was emitted")?;
    anyhow::ensure!(emitted.rows.value == batch.rows.value, "{name} is no identity");
    let calls = (RECORDS_A_ROUND / rows).min(CALLS_A_ROUND);
    median_ns(ROUNDS, || {
        for _ in 0..calls {
            black_box(guest.invoke(black_box(&batch), &mut None)?);
        }
        Ok(calls)
    })
}
