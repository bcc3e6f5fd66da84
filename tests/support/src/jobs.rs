//! Jobs: records that tell the guest `trap-on-marker` how to go wrong.

use anyhow::Context;
use anyhow::Result;

use crate::avro;
use crate::payments;
use crate::registry::RegistryApi;
use crate::test_pipeline::TestPipeline;

/// Schema of the input.
pub const JOB_SCHEMA: &str = r#"{"type":"record","name":"Job","namespace":"com.example.faults","fields":[
{"name":"id","type":"long"},{"name":"action","type":"string"}]}"#;

/// A pipeline from `jobs` to `outcomes`, which stand in the partition of their jobs, and to `numbers`, of
/// 16 bits; and the id of the jobs' schema.
///
/// # Errors
/// When a server or the guest is missing.
pub fn pipeline(partitions: i32) -> Result<(TestPipeline, u32)> {
    let pipeline = TestPipeline::new("trap-on-marker", partitions)?
        .input("jobs", "key: text, value: avro")?
        .output("outcomes", "key: text, value: avro, partition_by: source-partition")?
        .output("numbers", "key: int16, value: int16")?;
    let subject = format!("{}-value", pipeline.in_topic("jobs"));
    let id = pipeline.registry.register_avro(&subject, JOB_SCHEMA)?;
    Ok((pipeline, id))
}

/// The value of a job, in the Confluent wire format.
#[must_use]
pub fn encode(schema_id: u32, id: i64, action: &str) -> Vec<u8> {
    let mut value = payments::frame(schema_id);
    payments::long(&mut value, id);
    payments::text(&mut value, action);
    value
}

/// The id of the job that an outcome is of.
///
/// # Errors
/// When the bytes are no outcome.
pub fn outcome_id(registry: &RegistryApi, value: Option<&[u8]>) -> Result<i64> {
    let value = avro::decode_json(registry, value.context("an outcome has a value")?)?;
    value.get("id").and_then(serde_json::Value::as_i64).with_context(|| format!("no id in {value}"))
}
