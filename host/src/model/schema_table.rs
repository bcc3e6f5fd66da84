//! The schemas that a running pipeline and its guest speak of by id (dynamic ports).

use std::sync::Arc;

use arrow_schema::DataType;
use parking_lot::RwLock;

use crate::model::arrow_type::columns;
use crate::model::arrow_type::data_type;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;
use crate::model::ids::SchemaId;
use crate::model::limits::DECLARED_SCHEMA_BYTES_MAX;
use crate::model::limits::DECLARED_SCHEMAS_MAX;

/// Bytes that a column of a schema takes, about: its node in the tree and its Arrow field. A text
/// that refers to one record often has many more columns than it is long.
const COLUMN_BYTES: usize = 256;

/// One schema: its tree, its canonical text, and the type of its columns.
#[derive(Debug)]
pub struct TableEntry {
    pub avro: AvroType,
    /// JSON with every named type defined in place of its first use.
    pub text: String,
    pub data_type: DataType,
}

/// Shared by a worker's decoder, guest and encoder. The same text always has the same id.
///
/// An id stays valid for as long as the table lives, so that nothing is ever forgotten. What guests
/// add is bounded for all of them together, and apart from what the inputs need.
#[derive(Debug, Default)]
pub struct SchemaTable {
    entries: RwLock<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Arc<TableEntry>>,
    declared: Declared,
}

/// What guests have added.
#[derive(Debug, Default, Clone, Copy)]
struct Declared {
    schemas: usize,
    bytes: usize,
}

/// Why a guest's schema was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("the transform has declared {DECLARED_SCHEMAS_MAX} different schemas; expected no more")]
    TooMany,
    #[error(
        "with this schema, those that the transform has declared would take {bytes} bytes; expected at most {DECLARED_SCHEMA_BYTES_MAX}"
    )]
    TooLarge { bytes: usize },
}

impl SchemaTable {
    /// The entry behind an id.
    #[must_use]
    pub fn get(&self, id: SchemaId) -> Option<Arc<TableEntry>> {
        self.entries.read().all.get(id.0 as usize).cloned()
    }

    /// Parses a text of a guest and gives its id, new or known.
    ///
    /// # Errors
    /// When the text is no schema that can be carried as columns, or new, and too much was declared
    /// before.
    pub fn declare(&self, text: &str) -> Result<SchemaId, DeclareError> {
        let entry = TableEntry::new(AvroType::parse(text, &[])?)?;
        let mut entries = self.entries.write();
        if let Some(known) = entries.position(&entry) {
            return Ok(known);
        }
        entries.declared = entries.declared.with(&entry)?;
        Ok(entries.push(entry))
    }

    /// The id of an input's schema, new or known.
    ///
    /// # Errors
    /// When its columns have no type.
    pub fn insert(&self, avro: AvroType) -> Result<SchemaId, SchemaError> {
        let entry = TableEntry::new(avro)?;
        let mut entries = self.entries.write();
        match entries.position(&entry) {
            Some(known) => Ok(known),
            None => Ok(entries.push(entry)),
        }
    }
}

impl Entries {
    fn position(&self, entry: &TableEntry) -> Option<SchemaId> {
        let known = self.all.iter().position(|known| known.text == entry.text)?;
        Some(SchemaId(known as u32))
    }

    fn push(&mut self, entry: TableEntry) -> SchemaId {
        self.all.push(Arc::new(entry));
        SchemaId(self.all.len() as u32 - 1)
    }
}

impl Declared {
    fn with(self, entry: &TableEntry) -> Result<Self, DeclareError> {
        if self.schemas >= DECLARED_SCHEMAS_MAX {
            return Err(DeclareError::TooMany);
        }
        let bytes = self.bytes.saturating_add(entry.bytes());
        if bytes > DECLARED_SCHEMA_BYTES_MAX {
            return Err(DeclareError::TooLarge { bytes });
        }
        Ok(Self { schemas: self.schemas + 1, bytes })
    }
}

impl TableEntry {
    fn new(avro: AvroType) -> Result<Self, SchemaError> {
        let data_type = data_type(&avro)?;
        Ok(Self { text: avro.to_json().to_string(), avro, data_type })
    }

    fn bytes(&self) -> usize {
        self.text.len().saturating_add(columns(&self.data_type).saturating_mul(COLUMN_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_schema_has_one_id_however_it_is_written() {
        let table = SchemaTable::default();
        let a = table.declare(r#"{"type":"record","name":"x.R","fields":[]}"#).expect("valid");
        let b = table.declare(r#"{"fields":[],"name":"R","namespace":"x","type":"record"}"#).expect("valid");
        let c = table.declare(r#""string""#).expect("valid");
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_eq!(table.get(c).expect("declared").data_type, DataType::Utf8);
        assert!(table.get(SchemaId(2)).is_none());
        assert!(table.declare("{").is_err());
    }

    fn record(name: &str, fields: &[String]) -> String {
        format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.join(","))
    }

    #[test]
    fn guests_declare_so_many_schemas_and_leave_room_for_those_of_the_inputs() {
        let table = SchemaTable::default();
        let first = table.declare(&record("R0", &[])).expect("the first");
        for n in 1..DECLARED_SCHEMAS_MAX {
            table.declare(&record(&format!("R{n}"), &[])).expect("one of so many");
        }
        assert_eq!(table.declare(r#""string""#), Err(DeclareError::TooMany));
        assert_eq!(table.declare(&record("R0", &[])), Ok(first), "a known one takes no room");
        let inputs = table.insert(AvroType::String).expect("the input's has room of its own");
        assert_eq!(table.declare(r#""string""#), Ok(inputs), "what the inputs brought takes no room either");
    }

    #[test]
    fn declared_schemas_are_bounded_in_bytes_also_where_a_short_text_has_many_columns() {
        let inner: Vec<_> = (0..60).map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#)).collect();
        let wide = |n: usize| {
            let first = format!(r#"{{"name":"g","type":{}}}"#, record("Inner", &inner));
            let more = (0..60).map(|n| format!(r#"{{"name":"f{n}","type":"Inner"}}"#));
            record(&format!("Wide{n}"), &std::iter::once(first).chain(more).collect::<Vec<_>>())
        };
        let table = SchemaTable::default();
        let taken = (0..DECLARED_SCHEMAS_MAX).take_while(|n| table.declare(&wide(*n)).is_ok()).count();
        assert!((1..16).contains(&taken), "{taken} schemas of {} columns", 61 * 61 + 1);
        let refusal = table.declare(&wide(taken));
        assert!(matches!(refusal, Err(DeclareError::TooLarge { .. })), "{refusal:?}");
        table.declare(r#""string""#).expect("a small one still fits");
    }
}
