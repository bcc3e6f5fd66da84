//! Avro in the Confluent wire format, through an implementation that is not the host's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::Context;
use anyhow::Result;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::payments::frame;
use crate::registry::RegistryApi;

/// Frames and encodes a value, which may be looser than the schema: an int for a long, no union around a
/// branch.
///
/// # Errors
/// When the value does not fit the schema.
pub fn encode(schema: &str, id: u32, value: Value) -> Result<Vec<u8>> {
    let schema = Schema::parse_str(schema)?;
    write(&schema, id, value.resolve(&schema)?)
}

/// Frames and encodes a value of exactly the schema.
///
/// # Errors
/// When it is of another.
pub fn write(schema: &Schema, id: u32, value: Value) -> Result<Vec<u8>> {
    let mut out = frame(id);
    let writer = GenericDatumWriter::builder(schema).build()?;
    out.extend(writer.write_value_to_vec(value)?);
    Ok(out)
}

/// The same of a value written as JSON.
///
/// # Errors
/// When the value does not fit the schema.
pub fn encode_json(schema: &str, id: u32, value: &serde_json::Value) -> Result<Vec<u8>> {
    encode(schema, id, Value::try_from(value.clone())?)
}

/// Decodes a framed value by the schema that the registry has for its id.
///
/// # Errors
/// When there is no frame, no such schema, or the bytes do not fit it.
pub fn decode(registry: &RegistryApi, bytes: &[u8]) -> Result<Value> {
    Reader::new(registry).decode(bytes)
}

/// Decodes many values: it asks the registry once for each schema.
#[derive(Debug)]
pub struct Reader<'a> {
    registry: &'a RegistryApi,
    schemas: HashMap<u32, Schema>,
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(registry: &'a RegistryApi) -> Self {
        Self { registry, schemas: HashMap::new() }
    }

    /// # Errors
    /// As of [`decode`].
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Value> {
        let (id, mut body) = split(bytes)?;
        let schema = match self.schemas.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(Schema::parse_str(&self.registry.schema_text(id)?)?),
        };
        let value = GenericDatumReader::builder(schema).build()?.read_value(&mut body)?;
        anyhow::ensure!(body.is_empty(), "{} bytes follow the value", body.len());
        Ok(value)
    }
}

/// The same as JSON.
///
/// # Errors
/// As of [`decode`], and when JSON has no form for the value.
pub fn decode_json(registry: &RegistryApi, bytes: &[u8]) -> Result<serde_json::Value> {
    Ok(decode(registry, bytes)?.try_into()?)
}

/// Schema id and body.
///
/// # Errors
/// When there is no frame.
pub fn split(bytes: &[u8]) -> Result<(u32, &[u8])> {
    let (head, body) = bytes.split_at_checked(5).context("a value shorter than its frame")?;
    let [0, id @ ..] = head else { anyhow::bail!("the magic byte is {:?}", head.first()) };
    Ok((u32::from_be_bytes(id.try_into()?), body))
}
