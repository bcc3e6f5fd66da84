//! Bodies of fuzz targets: any bytes give a result, never a panic, and valid columns.

use std::sync::Arc;

use serde_json::json;

use crate::codec::decode::InputDecoder;
use crate::codec::encode::PartEncoder;
use crate::codec::encode::Registration;
use crate::codec::writer_schemas::WriterSchema;
use crate::codec::writer_schemas::WriterSchemas;
use crate::codec::writer_schemas::WriterText;
use crate::model::avro_type::AvroType;
use crate::model::failure::Stage;
use crate::model::ids::RegistryId;
use crate::model::manifest::InputPort;
use crate::model::manifest::PartType;
use crate::model::pipeline_spec::Format;
use crate::model::pipeline_spec::InputBinding;
use crate::model::pipeline_spec::PartBinding;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;
use crate::model::schema_table::SchemaTable;
use crate::pipeline::ports::Decoder;
use crate::pipeline::ports::EncodedPart;
use crate::pipeline::ports::Encoder;

/// A schema with something of everything. Every id is of this schema or one that resolves to it.
fn schema() -> serde_json::Value {
    json!({ "type": "record", "name": "R", "fields": [
        { "name": "long", "type": "long" },
        { "name": "text", "type": "string" },
        { "name": "bytes", "type": ["null", "bytes"] },
        { "name": "enum", "type": { "type": "enum", "name": "E", "symbols": ["A", "B"] } },
        { "name": "union", "type": ["null", "boolean", { "type": "fixed", "name": "F", "size": 3 }, "float"] },
        { "name": "list", "type": { "type": "array", "items": { "type": "array", "items": "null" } } },
        { "name": "map", "type": { "type": "map", "values": { "type": "record", "name": "I", "fields": [
            { "name": "decimal", "type": { "type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 2 } },
            { "name": "uuid", "type": { "type": "string", "logicalType": "uuid" } },
            { "name": "at", "type": { "type": "long", "logicalType": "timestamp-millis" } },
        ] } } },
        { "name": "duration", "type": { "type": "fixed", "name": "D", "size": 12, "logicalType": "duration" },
          "default": "\0\0\0\0\0\0\0\0\0\0\0\0" },
    ]})
}

/// JSON must tell the branches of a union apart.
fn json_schema() -> serde_json::Value {
    let mut schema = schema();
    if let Some(union) = schema.pointer_mut("/fields/4/type") {
        *union = json!(["null", "boolean", "string", "float", { "type": "array", "items": "int" }]);
    }
    schema
}

#[derive(Debug)]
struct Schemas;

impl WriterSchemas for Schemas {
    fn get(&self, id: u32, _: Option<std::time::Instant>) -> WriterSchema {
        let mut schema = schema();
        if id % 2 == 1
            && let Some(fields) = schema.pointer_mut("/fields").and_then(|f| f.as_array_mut())
        {
            fields.pop();
            fields.push(json!({ "name": "more", "type": { "type": "map", "values": ["string", "null"] } }));
        }
        match id {
            0..16 => {
                WriterSchema::Ready(Arc::new(WriterText { text: schema.to_string(), references: Vec::new() }))
            }
            16 => WriterSchema::Pending,
            _ => WriterSchema::Unknown("not there".to_owned()),
        }
    }
}

/// Payloads of one byte of length each, and a byte `0xff` for null.
struct Payloads {
    at: TopicPartition,
    payloads: Vec<Option<Vec<u8>>>,
}

impl Payloads {
    fn new(mut data: &[u8]) -> Self {
        let mut payloads = Vec::new();
        while let Some((len, rest)) = data.split_first() {
            let (payload, rest) = rest.split_at_checked(usize::from(*len)).unwrap_or((rest, &[]));
            payloads.push((*len != 0xff).then(|| payload.to_vec()));
            data = rest;
        }
        Self { at: TopicPartition { topic: "t".into(), partition: Partition(0) }, payloads }
    }
}

impl RawRecords for Payloads {
    fn topic_partition(&self) -> &TopicPartition {
        &self.at
    }
    fn len(&self) -> usize {
        self.payloads.len()
    }
    fn offset(&self, index: usize) -> Offset {
        Offset(index as i64)
    }
    fn key(&self, _: usize) -> Option<&[u8]> {
        None
    }
    fn value(&self, index: usize) -> Option<&[u8]> {
        self.payloads.get(index)?.as_deref()
    }
    fn timestamp(&self, _: usize) -> Option<i64> {
        None
    }
    fn headers(&self, _: usize, _: &mut dyn FnMut(&str, Option<&[u8]>)) {}
    fn has_headers(&self, _: usize) -> bool {
        false
    }
}

/// Payloads through the Avro decoder and the encoder. `data` is a run of length-prefixed payloads.
///
/// # Panics
/// When the codec breaks a promise: that is what a fuzz target looks for.
pub fn avro(data: &[u8]) {
    round(data, schema(), Format::Avro);
}

/// The same for JSON.
///
/// # Panics
/// As [`avro`].
pub fn json(data: &[u8]) {
    round(data, json_schema(), Format::Json);
}

/// Any text as a schema.
///
/// # Panics
/// As [`avro`].
pub fn schema_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(parsed) = AvroType::parse(text, &[]) {
        let again = AvroType::parse(&parsed.to_json().to_string(), &[]);
        assert_eq!(again, Ok(parsed), "a schema changes on its way through JSON");
    }
}

#[expect(clippy::expect_used, reason = "a fuzz target reports by panicking")]
fn round(data: &[u8], schema: serde_json::Value, format: Format) {
    let records = Payloads::new(data);
    let part = PartType::Typed { schema };
    let port = InputPort {
        name: "in".to_owned(),
        description: String::new(),
        key: None,
        value: Some(part.clone()),
        timestamp: false,
        headers: false,
        offset: false,
        event_time: None,
    };
    let bound = |format| PartBinding { format, subject: None };
    let binding = InputBinding::stream("t", bound(Format::Raw), bound(format));
    let schemas: Arc<dyn WriterSchemas> = Arc::new(Schemas);
    let table = Arc::new(SchemaTable::default());
    let mut decoder = InputDecoder::new(&port, &binding, &schemas, &table).expect("a decoder");
    let mut encoder = PartEncoder::new(
        &part,
        format,
        Stage::ValueEncode,
        "outputs.out.value",
        Registration::Id(RegistryId(0)),
    )
    .expect("an encoder");
    let Ok(decoded) = decoder.decode(&records, 0..records.len(), &[]) else {
        return;
    };
    assert!(decoded.records.is_sorted(), "rows out of order");
    assert_eq!(decoded.records.len() + decoded.bad.len(), decoded.end, "a row is lost");
    let column = decoded.rows.value.expect("a value");
    assert_eq!(column.len(), decoded.rows.count, "the count is wrong");
    column.to_data().validate_full().expect("columns valid by Arrow's own rules");
    let mut out = EncodedPart::default();
    encoder.encode(&column, None, &mut out).expect("encoded");
    assert_eq!(out.ends.len(), column.len(), "a row is lost");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Payloads that are nearly right: a frame or a record, then noise.
    fn nearly(prefix: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
        let noise = proptest::collection::vec(prop_oneof![3 => 0u8..12, 1 => any::<u8>()], 0..60);
        let payload = (0u8..18, noise).prop_map(move |(id, noise)| {
            let mut payload = prefix.to_vec();
            if let Some(last) = payload.last_mut().filter(|last| **last == 0) {
                *last = id;
            }
            payload.extend(noise);
            payload.insert(0, payload.len() as u8);
            payload
        });
        proptest::collection::vec(payload, 0..8).prop_map(|payloads| payloads.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_decoded_or_bad(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            avro(&data);
            json(&data);
            schema_text(&data);
        }

        #[test]
        fn nearly_right_avro_is_decoded_or_bad(data in nearly(&[0, 0, 0, 0, 0])) {
            avro(&data);
        }

        #[test]
        fn nearly_right_json_is_decoded_or_bad(data in nearly(br#"{"long":1,"text":"x","bytes":null,"enum":"A","union":"#)) {
            json(&data);
        }
    }
}
