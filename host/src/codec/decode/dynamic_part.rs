//! Confluent-framed Avro into columns of each record's own schema.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::NullArray;

use crate::codec::avro::decode::Utf8;
use crate::codec::avro::decode::datum;
use crate::codec::avro::plan::Plan;
use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::codec::columns::FinishError;
use crate::codec::decode::avro_part::describe_frame;
use crate::codec::decode::avro_part::lookup;
use crate::codec::decode::avro_part::unresolvable;
use crate::codec::decode::part::PartArray;
use crate::codec::decode::part::PushFailure;
use crate::codec::decode::part::fail;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;
use crate::codec::wire_format;
use crate::codec::writer_schemas::WriterSchemas;
use crate::model::avro_type::AvroType;
use crate::model::failure::Stage;
use crate::model::ids::SchemaId;
use crate::model::schema_table::SchemaTable;

/// Most registry ids, and most readers, that are kept; beyond it all are dropped and made again as
/// they are needed.
const IDS_MAX: usize = 4096;
const READERS_MAX: usize = 256;

/// A batch has one schema; it is cut where the schema changes. Null values go with either
/// neighbour, so that they do not cut.
#[derive(Debug)]
pub(crate) struct DynamicPart {
    stage: Stage,
    schemas: Arc<dyn WriterSchemas>,
    table: Arc<SchemaTable>,
    /// The schema behind each registry id, or why it has no columns.
    ids: HashMap<u32, Result<SchemaId, String>>,
    readers: HashMap<SchemaId, Reader>,
    /// The schema of this batch, once it has a value.
    current: Option<(u32, SchemaId)>,
    /// Null rows before the batch's first value.
    leading_nulls: usize,
    /// Of the last batch: all-null batches keep it.
    previous: Option<SchemaId>,
    rows: usize,
    /// When the records of this batch came.
    received: Option<Instant>,
    utf8: Utf8,
    trail: Trail,
}

#[derive(Debug)]
struct Reader {
    columns: Columns,
    plan: Plan,
}

impl DynamicPart {
    pub(crate) fn new(stage: Stage, schemas: Arc<dyn WriterSchemas>, table: Arc<SchemaTable>) -> Self {
        Self {
            stage,
            schemas,
            table,
            ids: HashMap::new(),
            readers: HashMap::new(),
            current: None,
            leading_nulls: 0,
            previous: None,
            rows: 0,
            received: None,
            utf8: Utf8::AtEnd,
            trail: Trail::default(),
        }
    }

    pub(super) fn begin(&mut self, rows: usize, utf8: Utf8, received: Option<Instant>) {
        self.rows = rows;
        self.received = received;
        self.utf8 = utf8;
        if let Some((_, schema)) = self.current.take() {
            self.previous = Some(schema);
        }
        self.leading_nulls = 0;
    }

    pub(super) fn push(&mut self, payload: Option<&[u8]>) -> Result<(), PushFailure> {
        let Some(payload) = payload else {
            return self.push_null();
        };
        let (id, body) = match wire_format::split(payload) {
            Ok((id, body)) => (id.0, body),
            Err(fault) => {
                describe_frame(payload, &mut self.trail);
                return Err(fail(&mut self.trail, self.stage, 0, fault, None));
            }
        };
        let schema = match self.current {
            Some((current, schema)) if current == id => schema,
            _ => self.select(id)?,
        };
        let Some(reader) = self.readers.get_mut(&schema) else {
            return Err(unresolvable(id, Fault::Internal.text(), self.stage));
        };
        let rows = reader.columns.len();
        match datum(&reader.plan, body, &mut reader.columns, self.utf8, &mut self.trail) {
            Ok(()) => {
                self.current = Some((id, schema));
                Ok(())
            }
            Err((fault, at)) => {
                reader.columns.truncate(rows);
                let at = at + payload.len() - body.len();
                Err(fail(&mut self.trail, self.stage, rows, fault, Some(at)))
            }
        }
    }

    /// The schema of a registry id, with columns that hold this batch's rows so far.
    fn select(&mut self, id: u32) -> Result<SchemaId, PushFailure> {
        if !self.ids.contains_key(&id) {
            if self.ids.len() >= IDS_MAX {
                self.ids.clear();
            }
            let text = lookup(&*self.schemas, id, self.received, self.stage)?;
            let schema = AvroType::parse_writer(&text.text, &text.references)
                .and_then(|avro| self.table.insert(avro))
                .map_err(|error| error.to_string());
            self.ids.insert(id, schema);
        }
        let schema = match self.ids.get(&id) {
            Some(Ok(schema)) => *schema,
            Some(Err(why)) => return Err(unresolvable(id, why, self.stage)),
            None => return Err(unresolvable(id, Fault::Internal.text(), self.stage)),
        };
        match self.current {
            // Another id of the same schema: they may differ in documentation only.
            Some((_, current)) if current == schema => return Ok(schema),
            Some(_) => return Err(PushFailure::Cut),
            None => {}
        }
        let (rows, leading_nulls, stage) = (self.rows, self.leading_nulls, self.stage);
        let reader = self.reader(schema).map_err(|why| unresolvable(id, &why, stage))?;
        reader.columns.clear();
        reader.columns.reserve(rows);
        for _ in 0..leading_nulls {
            if reader.columns.push_null().is_err() {
                reader.columns.clear();
                return Err(PushFailure::Cut);
            }
        }
        Ok(schema)
    }

    /// The reader of a schema, while no other has rows of this batch.
    fn reader(&mut self, schema: SchemaId) -> Result<&mut Reader, String> {
        if self.readers.len() >= READERS_MAX && !self.readers.contains_key(&schema) {
            self.readers.clear();
        }
        let entry = match self.readers.entry(schema) {
            std::collections::hash_map::Entry::Occupied(entry) => return Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => entry,
        };
        let known = self.table.get(schema).ok_or_else(|| "the schema table lacks it".to_owned())?;
        let columns = Columns::new(&known.avro).map_err(|error| error.to_string())?;
        let plan = compile(&known.avro, &known.avro, &columns.layout, Strictness::Whole);
        let plan = plan.map_err(|error| error.to_string())?;
        Ok(entry.insert(Reader { columns, plan }))
    }

    fn push_null(&mut self) -> Result<(), PushFailure> {
        let Some((_, schema)) = self.current else {
            self.leading_nulls += 1;
            return Ok(());
        };
        let Some(reader) = self.readers.get_mut(&schema) else {
            return Err(PushFailure::Cut);
        };
        let rows = reader.columns.len();
        reader.columns.push_null().map_err(|_| {
            reader.columns.truncate(rows);
            PushFailure::Cut
        })
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.leading_nulls = self.leading_nulls.min(rows);
        let Some((_, schema)) = self.current else { return };
        if let Some(reader) = self.readers.get_mut(&schema) {
            reader.columns.truncate(rows);
        }
        if rows <= self.leading_nulls {
            // Its first value is gone: the next one decides.
            self.current = None;
        }
    }

    pub(super) fn finish(&mut self) -> Result<PartArray, FinishError> {
        let schema = match (self.current, self.previous) {
            (Some((_, schema)), _) => schema,
            (None, Some(schema)) if self.fill_nulls(schema) => schema,
            (None, _) => return self.nulls_of_no_schema(),
        };
        let reader = self
            .readers
            .get_mut(&schema)
            .ok_or_else(|| FinishError::Internal(Fault::Internal.text().to_owned()))?;
        Ok(PartArray { array: reader.columns.finish()?, schema: Some(schema) })
    }

    /// Whether the leading nulls stand in the columns of a schema now.
    fn fill_nulls(&mut self, schema: SchemaId) -> bool {
        let leading_nulls = self.leading_nulls;
        let Ok(reader) = self.reader(schema) else {
            return false;
        };
        reader.columns.clear();
        let filled = (0..leading_nulls).all(|_| reader.columns.push_null().is_ok());
        if !filled {
            reader.columns.clear();
        }
        filled
    }

    /// Null values alone, before any schema was seen: the schema is `null`.
    fn nulls_of_no_schema(&self) -> Result<PartArray, FinishError> {
        let schema =
            self.table.insert(AvroType::Null).map_err(|error| FinishError::Internal(error.to_string()))?;
        Ok(PartArray { array: Arc::new(NullArray::new(self.leading_nulls)), schema: Some(schema) })
    }
}
