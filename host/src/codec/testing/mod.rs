//! What the codec's tests share.

mod cell;
mod generate;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::codec::avro::cells;
use crate::codec::avro::decode::Utf8;
use crate::codec::avro::decode::datum;
use crate::codec::avro::resolve::ResolveError;
use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;
use crate::codec::json;
use crate::codec::writer_schemas::WriterSchema;
use crate::codec::writer_schemas::WriterSchemas;
use crate::codec::writer_schemas::WriterText;
use crate::model::avro_type::AvroType;
use crate::model::position::Offset;
use crate::model::position::Partition;
use crate::model::position::TopicPartition;
use crate::model::record_batch::RawRecords;

pub(crate) use cell::assert_cell;
pub(crate) use generate::Generator;

pub(crate) fn avro(schema: &serde_json::Value) -> AvroType {
    AvroType::parse(&schema.to_string(), &[]).expect("a valid schema")
}

/// Rows in memory.
#[derive(Debug)]
pub(crate) struct MemoryRecords {
    at: TopicPartition,
    pub(crate) rows: Vec<MemoryRecord>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct MemoryRecord {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl MemoryRecords {
    pub(crate) fn new(rows: Vec<MemoryRecord>) -> Self {
        Self { at: TopicPartition { topic: "t".into(), partition: Partition(0) }, rows }
    }

    pub(crate) fn values(values: impl IntoIterator<Item = Option<Vec<u8>>>) -> Self {
        Self::new(values.into_iter().map(|value| MemoryRecord { value, ..MemoryRecord::default() }).collect())
    }
}

impl RawRecords for MemoryRecords {
    fn topic_partition(&self) -> &TopicPartition {
        &self.at
    }
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn offset(&self, index: usize) -> Offset {
        // With gaps, as transactions leave them.
        Offset(index as i64 * 3)
    }
    fn key(&self, index: usize) -> Option<&[u8]> {
        self.rows.get(index)?.key.as_deref()
    }
    fn value(&self, index: usize) -> Option<&[u8]> {
        self.rows.get(index)?.value.as_deref()
    }
    fn timestamp(&self, index: usize) -> Option<i64> {
        self.rows.get(index)?.timestamp
    }
    fn headers(&self, index: usize, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        for (key, value) in self.rows.get(index).map(|row| &row.headers).into_iter().flatten() {
            visit(key, value.as_deref());
        }
    }
    fn has_headers(&self, index: usize) -> bool {
        self.rows.get(index).is_some_and(|row| !row.headers.is_empty())
    }
}

/// Schemas by id; ids that are not there are unknown.
#[derive(Debug, Default)]
pub(crate) struct MemorySchemas(pub(crate) HashMap<u32, WriterSchema>);

impl MemorySchemas {
    pub(crate) fn with(mut self, id: u32, schema: &serde_json::Value) -> Self {
        let text = WriterText { text: schema.to_string(), references: Vec::new() };
        self.0.insert(id, WriterSchema::Ready(Arc::new(text)));
        self
    }

    pub(crate) fn shared(self) -> Arc<dyn WriterSchemas> {
        Arc::new(self)
    }
}

impl WriterSchemas for MemorySchemas {
    fn get(&self, id: u32, _: Option<std::time::Instant>) -> WriterSchema {
        self.0.get(&id).cloned().unwrap_or_else(|| WriterSchema::Unknown("not found".to_owned()))
    }
}

/// Decodes datums into one array; the first fault ends it.
pub(crate) fn decode(writer: &AvroType, reader: &AvroType, datums: &[Vec<u8>]) -> Result<ArrayRef, Fault> {
    let mut columns = Columns::new(reader).expect("carried");
    let plan = compile(writer, reader, &columns.layout, Strictness::ByValue).expect("resolves");
    let mut trail = Trail::default();
    for bytes in datums {
        datum(&plan, bytes, &mut columns, Utf8::EachValue, &mut trail).map_err(|(fault, _)| fault)?;
    }
    let array = columns.finish().expect("valid columns");
    array.to_data().validate_full().expect("valid by Arrow's own rules");
    Ok(array)
}

/// Whether the pair resolves.
pub(crate) fn resolve(
    writer: &serde_json::Value,
    reader: &serde_json::Value,
    strictness: Strictness,
) -> Result<(), ResolveError> {
    let (writer, reader) = (avro(writer), avro(reader));
    let columns = Columns::new(&reader).expect("carried");
    compile(&writer, &reader, &columns.layout, strictness).map(|_| ())
}

/// The Avro datum of each row.
pub(crate) fn encode(ty: &AvroType, array: &ArrayRef) -> Vec<Vec<u8>> {
    let cells = cells::root(ty, array).expect("columns of the type");
    (0..array.len())
        .map(|row| {
            let mut out = Vec::new();
            cells.write(row, &mut out).expect("a value of the type");
            out
        })
        .collect()
}

/// The JSON form of each row.
pub(crate) fn to_json(ty: &AvroType, array: &ArrayRef) -> Vec<serde_json::Value> {
    let cells = cells::bare_root(ty, array).expect("columns of the type");
    let inner = ty.as_nullable().map_or(ty, |(inner, _)| inner);
    (0..array.len())
        .map(|row| {
            if array.is_null(row) {
                return serde_json::Value::Null;
            }
            let mut out = Vec::new();
            json::write(inner, &cells, row, &mut out).expect("a value of the type");
            serde_json::from_slice(&out).expect("JSON")
        })
        .collect()
}
