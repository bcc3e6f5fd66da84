//! The schemas that a running pipeline and its guest speak of by id (dynamic ports).

use std::sync::Arc;

use arrow_schema::DataType;
use parking_lot::RwLock;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::SchemaError;
use crate::model::ids::SchemaId;

/// One schema: its tree, its canonical text, and the type of its columns.
#[derive(Debug)]
pub struct TableEntry {
    pub avro: AvroType,
    /// JSON with every named type resolved in place of its first use.
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
        let entry = TableEntry::parse(text)?;
        let mut entries = self.entries.write();
        if let Some(known) = entries.iter().position(|e| e.text == entry.text) {
            return Ok(SchemaId(known as u32));
        }
        entries.push(Arc::new(entry));
        Ok(SchemaId(entries.len() as u32 - 1))
    }
}

impl TableEntry {
    fn parse(text: &str) -> Result<Self, SchemaError> {
        let avro = AvroType::parse(text, &[])?;
        let data_type = crate::model::arrow_type::data_type(&avro)?;
        Ok(Self {
            text: avro.to_json().to_string(),
            avro,
            data_type,
        })
    }
}
