//! The schemas that a running pipeline and its guest speak of by id (dynamic ports).

use std::sync::Arc;

use arrow_schema::DataType;
use parking_lot::RwLock;

use crate::model::arrow_type::data_type;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;
use crate::model::ids::SchemaId;

/// One schema: its tree, its canonical text, and the type of its columns.
#[derive(Debug)]
pub struct TableEntry {
    pub avro: AvroType,
    /// JSON with every named type defined in place of its first use.
    pub text: String,
    pub data_type: DataType,
}

/// Shared by a pipeline's decoder, guest and encoder. The same text always has the same id.
#[derive(Debug, Default)]
pub struct SchemaTable {
    entries: RwLock<Vec<Arc<TableEntry>>>,
}

impl SchemaTable {
    /// The entry behind an id.
    #[must_use]
    pub fn get(&self, id: SchemaId) -> Option<Arc<TableEntry>> {
        self.entries.read().get(id.0 as usize).cloned()
    }

    /// Parses a text and gives its id, new or known.
    ///
    /// # Errors
    /// When the text is no schema that can be carried as columns.
    pub fn declare(&self, text: &str) -> Result<SchemaId, SchemaError> {
        self.insert(AvroType::parse(text, &[])?)
    }

    /// The id of a schema that is parsed already, new or known.
    ///
    /// # Errors
    /// When its columns have no type.
    pub fn insert(&self, avro: AvroType) -> Result<SchemaId, SchemaError> {
        let entry = TableEntry::new(avro)?;
        let mut entries = self.entries.write();
        if let Some(known) = entries.iter().position(|e| e.text == entry.text) {
            return Ok(SchemaId(known as u32));
        }
        entries.push(Arc::new(entry));
        Ok(SchemaId(entries.len() as u32 - 1))
    }
}

impl TableEntry {
    fn new(avro: AvroType) -> Result<Self, SchemaError> {
        let data_type = data_type(&avro)?;
        Ok(Self { text: avro.to_json().to_string(), avro, data_type })
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
}
