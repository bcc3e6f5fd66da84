//! A transform in Wasm against the same source compiled natively, between the same codecs.

use std::time::Duration;

use anyhow::Context as _;
use arrow_array::cast::AsArray as _;
use arrow_schema::DataType;
use arrow_schema::Fields;
use payments_filter::PaymentsFilter;
use wasmill::codec::decode::InputDecoder;
use wasmill::codec::encode::PartEncoder;
use wasmill::model::ids::PortIndex;
use wasmill::model::position::Partition;
use wasmill::model::record_batch::RecordBatch;
use wasmill::pipeline::ports::Decoder as _;
use wasmill::pipeline::ports::EncodedPart;
use wasmill::pipeline::ports::Encoder as _;
use wasmill::pipeline::ports::Guest as _;
use wasmill::wasm::guest::WasmGuest;
use wasmill_sdk::native::Runner;

use crate::cpu_clock::thread_cpu;
use crate::figure::median;
use crate::guests;
use crate::native_workload::Payments;
use crate::payment_bytes;
use crate::payment_bytes::INPUT_SCHEMA;
use crate::payment_bytes::PaymentBytes;
use crate::wire_columns;

const BATCH: usize = 1000;
/// Different batches, so that branches are not learnt by heart.
const BATCHES: usize = 16;
const REPEATS: usize = 5;
const ROUNDS: usize = 61;

/// Nanoseconds per record of both, and the median over rounds of the ratio of their throughputs.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    pub wasm_ns: f64,
    pub native_ns: f64,
    pub ratio: f64,
}

/// Runs both in turns.
///
/// # Errors
/// When the guest is not built, or the two give different bytes.
pub fn compare() -> anyhow::Result<Comparison> {
    let component = guests::load("payments-filter")?;
    let codecs = || {
        let manifest = component.manifest();
        anyhow::Ok((payment_bytes::decoder(manifest)?, payment_bytes::encoder(manifest)?))
    };
    let (decoder, encoder) = codecs()?;
    let mut wasm = Wasm { decoder, encoder, guest: guests::instance(&component)? };
    let (decoder, encoder) = codecs()?;
    let runner = Runner::open::<PaymentsFilter>(&[]).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut native = Native { decoder, encoder, runner, output: Fields::empty() };

    let mut payments = Payments::new(1, INPUT_SCHEMA);
    let runs: Vec<_> = (0..BATCHES).map(|_| PaymentBytes::next(&mut payments, BATCH)).collect();
    let (mut one, mut two) = (EncodedPart::default(), EncodedPart::default());
    for run in &runs {
        native.output = wasm.pass(run, &mut one)?.1;
        native.pass(run, &mut two)?;
        anyhow::ensure!(one.bytes == two.bytes && one.ends == two.ends, "Wasm and native differ");
        anyhow::ensure!(one.ends.len() > BATCH / 3, "too few payments are kept: {}", one.ends.len());
    }
    let (mut wasm_ns, mut native_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut in_wasm, mut natively) = (Duration::ZERO, Duration::ZERO);
        for run in (0..REPEATS).flat_map(|_| &runs) {
            in_wasm += wasm.pass(run, &mut one)?.0;
        }
        for run in (0..REPEATS).flat_map(|_| &runs) {
            natively += native.pass(run, &mut two)?;
        }
        let records = (REPEATS * BATCHES * BATCH) as f64;
        wasm_ns.push(in_wasm.as_nanos() as f64 / records);
        native_ns.push(natively.as_nanos() as f64 / records);
        ratios.push(natively.as_secs_f64() / in_wasm.as_secs_f64());
    }
    Ok(Comparison { wasm_ns: median(wasm_ns), native_ns: median(native_ns), ratio: median(ratios) })
}

struct Wasm {
    decoder: InputDecoder,
    encoder: PartEncoder,
    guest: WasmGuest,
}

impl Wasm {
    /// CPU time, and the fields of what the guest emitted.
    fn pass(&mut self, run: &PaymentBytes, out: &mut EncodedPart) -> anyhow::Result<(Duration, Fields)> {
        let begin = thread_cpu();
        let decoded = self.decoder.decode(run, 0..BATCH, &[])?;
        let batch = RecordBatch {
            port: PortIndex(0),
            partition: Partition(0),
            event_watermark: None,
            schema: None,
            rows: decoded.rows,
        };
        let invoked = self.guest.invoke(&batch, &mut None)?;
        let emission = invoked.emissions.first().context("nothing was emitted")?;
        let values = emission.rows.value.as_ref().context("no values were emitted")?;
        out.clear();
        let bad = self.encoder.encode(values, None, out)?;
        let data_type = values.data_type().clone();
        drop((invoked, batch));
        let spent = thread_cpu().saturating_sub(begin);
        anyhow::ensure!(bad.is_empty() && decoded.bad.is_empty(), "a payment is bad");
        let DataType::Struct(fields) = data_type else { anyhow::bail!("no record was emitted") };
        Ok((spent, fields))
    }
}

struct Native {
    decoder: InputDecoder,
    encoder: PartEncoder,
    runner: Runner,
    /// Fields of the transform's output.
    output: Fields,
}

impl Native {
    /// CPU time. The clock stops while arrays become the runner's buffers and back: a native host
    /// would hand them over as they are.
    fn pass(&mut self, run: &PaymentBytes, out: &mut EncodedPart) -> anyhow::Result<Duration> {
        let mut spent = Duration::ZERO;
        let begin = thread_cpu();
        let decoded = self.decoder.decode(run, 0..BATCH, &[])?;
        spent += thread_cpu().saturating_sub(begin);
        let values = decoded.rows.value.as_ref().context("the guest reads no value")?;
        let batch = wire_columns::batch(values.as_struct())?;
        let begin = thread_cpu();
        let processed = self.runner.process(batch)?;
        spent += thread_cpu().saturating_sub(begin);
        let emission = processed.emissions.into_iter().next().context("nothing was emitted")?;
        let values = wire_columns::values(emission.rows, &self.output)?;
        let begin = thread_cpu();
        out.clear();
        let bad = self.encoder.encode(&values, None, out)?;
        drop((values, decoded));
        spent += thread_cpu().saturating_sub(begin);
        anyhow::ensure!(bad.is_empty(), "a payment is bad");
        Ok(spent)
    }
}
