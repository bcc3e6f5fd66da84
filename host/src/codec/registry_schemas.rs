//! Writer schemas from a schema registry, through its client's cache.

use std::sync::Arc;
use std::time::SystemTime;

use dashmap::DashMap;
use wasmill_registry_client::Lookup;
use wasmill_registry_client::SchemaCache;
use wasmill_registry_client::SchemaType;

use crate::codec::writer_schemas::WriterSchema;
use crate::codec::writer_schemas::WriterSchemas;
use crate::codec::writer_schemas::WriterText;
use crate::model::failure::Outage;

/// Never waits: what the cache lacks, it fetches in the background.
#[derive(Debug)]
pub struct RegistrySchemas {
    cache: Arc<SchemaCache>,
    texts: DashMap<u32, Arc<WriterText>>,
}

impl RegistrySchemas {
    #[must_use]
    pub fn new(cache: Arc<SchemaCache>) -> Self {
        Self { cache, texts: DashMap::new() }
    }
}

impl WriterSchemas for RegistrySchemas {
    fn get(&self, id: u32) -> WriterSchema {
        if let Some(text) = self.texts.get(&id) {
            return WriterSchema::Ready(text.clone());
        }
        match self.cache.get(id) {
            Lookup::Ready(schema) if schema.schema_type == SchemaType::Avro => {
                let references = schema.reference_texts().into_iter().map(str::to_owned).collect();
                let text = Arc::new(WriterText { text: schema.text.clone(), references });
                self.texts.insert(id, text.clone());
                WriterSchema::Ready(text)
            }
            Lookup::Ready(schema) => WriterSchema::Unknown(format!(
                "the registry's schema {id} is {}, and the record is read as AVRO",
                schema.schema_type.as_str()
            )),
            Lookup::Pending => WriterSchema::Pending,
            Lookup::Unknown(error) => WriterSchema::Unknown(error.to_string()),
            Lookup::Unavailable { since, error } => {
                let away = SystemTime::now().duration_since(since).map_or(0, |age| age.as_secs());
                WriterSchema::Unavailable(Outage::new("registry-unavailable", format!("for {away} s: {error}")))
            }
        }
    }
}

/// A host without a registry. Deploy checks refuse registry formats there.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRegistry;

impl WriterSchemas for NoRegistry {
    fn get(&self, _: u32) -> WriterSchema {
        WriterSchema::Unknown("this host has no schema registry".to_owned())
    }
}
