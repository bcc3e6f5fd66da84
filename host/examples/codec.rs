//! Prints what decoding and encoding a Confluent-framed Avro record costs.
//!
//! `cargo run -p wasmill --example codec [part of a figure's name]`

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexMap;
use serde_json::json;
use wasmill::codec::decode::InputDecoder;
use wasmill::codec::encode::PartEncoder;
use wasmill::codec::encode::Registration;
use wasmill::codec::writer_schemas::WriterSchema;
use wasmill::codec::writer_schemas::WriterSchemas;
use wasmill::codec::writer_schemas::WriterText;
use wasmill::model::failure::Stage;
use wasmill::model::ids::RegistryId;
use wasmill::model::manifest::InputPort;
use wasmill::model::manifest::PartType;
use wasmill::model::pipeline_spec::Format;
use wasmill::model::pipeline_spec::InputBinding;
use wasmill::model::pipeline_spec::PartBinding;
use wasmill::model::position::Offset;
use wasmill::model::position::Partition;
use wasmill::model::position::TopicPartition;
use wasmill::model::record_batch::RawRecords;
use wasmill::model::schema_table::SchemaTable;
use wasmill::pipeline::ports::Decoder;
use wasmill::pipeline::ports::EncodedPart;
use wasmill::pipeline::ports::Encoder;

const BATCH: usize = 1000;
const ROUNDS: usize = 2000;
const SAMPLES: usize = 7;

fn schema() -> serde_json::Value {
    json!({ "type": "record", "name": "Payment", "fields": [
        { "name": "id", "type": "long" },
        { "name": "account", "type": "string" },
        { "name": "amount", "type": "double" },
        { "name": "country", "type": "string" },
        { "name": "ts", "type": "long" },
        { "name": "card_present", "type": "boolean" },
    ]})
}

fn projected() -> serde_json::Value {
    json!({ "type": "record", "name": "Payment", "fields": [
        { "name": "account", "type": "string" },
        { "name": "amount", "type": "double" },
    ]})
}

#[derive(Debug)]
struct OneSchema(Arc<WriterText>);

impl WriterSchemas for OneSchema {
    fn get(&self, _: u32, _: Option<std::time::Instant>) -> WriterSchema {
        WriterSchema::Ready(self.0.clone())
    }
}

struct Records {
    at: TopicPartition,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RawRecords for Records {
    fn topic_partition(&self) -> &TopicPartition {
        &self.at
    }
    fn len(&self) -> usize {
        self.ends.len()
    }
    fn offset(&self, index: usize) -> Offset {
        Offset(index as i64)
    }
    fn key(&self, _: usize) -> Option<&[u8]> {
        None
    }
    fn value(&self, index: usize) -> Option<&[u8]> {
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? };
        self.bytes.get(start..*self.ends.get(index)?)
    }
    fn timestamp(&self, _: usize) -> Option<i64> {
        None
    }
    fn headers(&self, _: usize, _: &mut dyn FnMut(&str, Option<&[u8]>)) {}
    fn has_headers(&self, _: usize) -> bool {
        false
    }
}

/// Payments as JSON decodes them, encoded by the encoder under measurement.
fn payments() -> Vec<u8> {
    let mut text = String::new();
    let countries = ["DE", "FR", "US", "BR", "JP"];
    let mut state = 42u64;
    let mut next = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for id in 0..BATCH as u64 {
        let record = json!({
            "id": id * 7919 % 5_000_000, "account": format!("acct-{}", next(100_000)), "amount": next(100_000) as f64 / 100.0,
            "country": countries.get(next(5) as usize), "ts": 1_700_000_000_000 + id, "card_present": next(2) == 0,
        });
        text.push_str(&record.to_string());
        text.push('\n');
    }
    text.into_bytes()
}

fn records(lines: &[u8], convert: impl Fn(&[u8]) -> Vec<u8>) -> Records {
    let mut records = Records {
        at: TopicPartition { topic: "payments".into(), partition: Partition(0) },
        bytes: Vec::new(),
        ends: Vec::new(),
    };
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        records.bytes.extend(convert(line));
        records.ends.push(records.bytes.len());
    }
    records
}

fn decoder(schema: serde_json::Value, format: Format) -> Result<InputDecoder, Box<dyn std::error::Error>> {
    let port: InputPort =
        serde_json::from_value(json!({ "name": "in", "value": { "kind": "typed", "schema": schema } }))?;
    let part = |format| PartBinding { format, subject: None };
    let binding = InputBinding::stream("payments", part(Format::Raw), part(format));
    let writer = WriterText { text: self::schema().to_string(), references: Vec::new() };
    let schemas: Arc<dyn WriterSchemas> = Arc::new(OneSchema(Arc::new(writer)));
    Ok(InputDecoder::new(&port, &binding, &schemas, &Arc::new(SchemaTable::default()))?)
}

/// CPU time of this thread where the system tells it, so that a busy machine does not count.
fn cpu_ns() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Median over samples of nanoseconds per record.
fn measure(mut round: impl FnMut() -> usize) -> f64 {
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let (start, cpu_start) = (Instant::now(), cpu_ns());
            let count: usize = (0..ROUNDS).map(|_| round()).sum();
            let wall = start.elapsed().as_nanos() as f64;
            let spent = cpu_ns().zip(cpu_start).map_or(wall, |(end, start)| (end - start) as f64);
            spent / count as f64
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples.get(SAMPLES / 2).copied().unwrap_or(f64::NAN)
}

#[allow(clippy::result_large_err, reason = "a refusal ends the program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lines = payments();
    let json_records = records(&lines, <[u8]>::to_vec);
    let all: Range<usize> = 0..BATCH;
    let columns = decoder(schema(), Format::Json)?.decode(&json_records, all.clone(), &[])?;
    let column = columns.rows.value.ok_or("no value")?;

    let part = PartType::Typed { schema: schema() };
    let new = |format| {
        PartEncoder::new(
            &part,
            format,
            Stage::ValueEncode,
            "outputs.out.value",
            Registration::Id(RegistryId(1)),
        )
    };
    let mut encoder = new(Format::Avro)?;
    let mut out = EncodedPart::default();
    encoder.encode(&column, None, &mut out)?;
    let avro_records = Records {
        at: json_records.at.clone(),
        bytes: out.bytes.clone(),
        ends: out.ends.iter().map(|end| *end as usize).collect(),
    };
    let mut figures = IndexMap::new();
    let only = std::env::args().nth(1).unwrap_or_default();
    for (name, schema, format, records) in [
        ("decode_avro_ns_per_record", schema(), Format::Avro, &avro_records),
        ("decode_avro_projected_ns_per_record", projected(), Format::Avro, &avro_records),
        ("decode_json_ns_per_record", schema(), Format::Json, &json_records),
    ] {
        if !name.contains(&only) {
            continue;
        }
        let mut decoder = decoder(schema, format)?;
        figures
            .insert(name, measure(|| decoder.decode(records, all.clone(), &[]).map_or(0, |d| d.rows.count)));
    }
    for (name, format) in
        [("encode_avro_ns_per_record", Format::Avro), ("encode_json_ns_per_record", Format::Json)]
    {
        if !name.contains(&only) {
            continue;
        }
        let mut encoder = new(format)?;
        let round = || {
            out.clear();
            encoder.encode(&column, None, &mut out).map_or(0, |_| out.ends.len())
        };
        figures.insert(name, measure(round));
    }
    println!("{} bytes an Avro record", avro_records.bytes.len() / BATCH);
    for (name, value) in figures {
        println!("figure {name} {value:.1} ns");
    }
    Ok(())
}
