//! What the Avro codec costs: Confluent-framed bytes to Arrow arrays, and back.

use std::hint::black_box;

use anyhow::Context as _;
use wasmill::pipeline::ports::Decoder as _;
use wasmill::pipeline::ports::EncodedPart;
use wasmill::pipeline::ports::Encoder as _;

use crate::cpu_clock::median_ns;
use crate::guests;
use crate::native_workload::Payments;
use crate::payment_bytes;
use crate::payment_bytes::INPUT_SCHEMA;
use crate::payment_bytes::PaymentBytes;

const ROUNDS: usize = 31;
const BATCH: usize = 1000;
/// Different batches, so that branches are not learnt by heart.
const BATCHES: usize = 16;
const REPEATS: usize = 20;

/// Nanoseconds to decode and to encode a payment of six fields.
///
/// # Errors
/// When the guest that declares the schema is not built.
pub fn decode_and_encode_ns() -> anyhow::Result<(f64, f64)> {
    // Its input and its output are whole payments.
    let component = guests::load("identity")?;
    let mut decoder = payment_bytes::decoder(component.manifest())?;
    let mut encoder = payment_bytes::encoder(component.manifest())?;
    let mut payments = Payments::new(1, INPUT_SCHEMA);
    let runs: Vec<_> = (0..BATCHES).map(|_| PaymentBytes::next(&mut payments, BATCH)).collect();
    let mut columns = Vec::new();
    for run in &runs {
        let decoded = decoder.decode(run, 0..BATCH, &[])?;
        anyhow::ensure!(decoded.bad.is_empty(), "a payment cannot be decoded");
        columns.push(decoded.rows.value.context("the guest reads no value")?);
    }
    let decode = median_ns(ROUNDS, || {
        for run in (0..REPEATS).flat_map(|_| &runs) {
            black_box(decoder.decode(run, 0..BATCH, &[])?);
        }
        Ok(REPEATS * BATCHES * BATCH)
    })?;
    let mut out = EncodedPart::default();
    let encode = median_ns(ROUNDS, || {
        for column in (0..REPEATS).flat_map(|_| &columns) {
            out.clear();
            black_box(encoder.encode(column, None, &mut out)?);
        }
        Ok(REPEATS * BATCHES * BATCH)
    })?;
    Ok((decode, encode))
}
