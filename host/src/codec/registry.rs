//! Writer schemas from the schema registry.

use std::sync::Arc;
use std::time::Instant;

use wasmill_registry_client::Lookup;
use wasmill_registry_client::SchemaCache;
use wasmill_registry_client::SchemaType;

use crate::codec::writer_schemas::WriterSchema;
use crate::codec::writer_schemas::WriterSchemas;
use crate::codec::writer_schemas::WriterText;
use crate::model::failure::Outage;

impl WriterSchemas for SchemaCache {
    fn get(&self, id: u32, received: Option<Instant>) -> WriterSchema {
        let found = match received {
            Some(received) => self.get_for(id, received),
            None => Self::get(self, id),
        };
        match found {
            Lookup::Ready(schema) if schema.schema_type == SchemaType::Avro => {
                let references = schema.reference_texts().into_iter().map(str::to_owned).collect();
                WriterSchema::Ready(Arc::new(WriterText { text: schema.text.clone(), references }))
            }
            Lookup::Ready(schema) => {
                WriterSchema::Unknown(format!("its schema is {}, expected AVRO", schema.schema_type.as_str()))
            }
            Lookup::Pending => WriterSchema::Pending,
            Lookup::Unknown(error) => WriterSchema::Unknown(error.to_string()),
            Lookup::Unavailable { error, .. } => {
                WriterSchema::Unavailable(Outage::new("registry-unavailable", error.to_string()))
            }
        }
    }
}

/// A host without a schema registry: every id is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRegistry;

impl WriterSchemas for NoRegistry {
    fn get(&self, _: u32, _: Option<Instant>) -> WriterSchema {
        WriterSchema::Unknown("no schema registry is configured".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmill_registry_client::RegistryClient;
    use wasmill_registry_client::Schema;
    use wasmill_registry_client::memory::MemoryRegistry;

    use super::*;

    /// Asks until there is an answer.
    fn settled(schemas: &dyn WriterSchemas, id: u32, received: Instant) -> WriterSchema {
        let start = Instant::now();
        loop {
            match schemas.get(id, Some(received)) {
                WriterSchema::Pending => {
                    assert!(start.elapsed() < Duration::from_secs(20), "still pending");
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    #[test]
    fn schemas_come_from_the_registry_and_no_old_answer_makes_a_record_bad() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let server =
            runtime.spawn(async move { axum::serve(listener, MemoryRegistry::new().router()).await });
        let client = RegistryClient::builder().url(format!("http://{address}")).build().expect("a client");
        let schema = Schema::avro("\"int\"");
        let id = runtime.block_on(client.register_if_needed("s-value", &schema)).expect("registered").id();
        let schemas = SchemaCache::new(client.clone(), runtime.handle().clone());
        let WriterSchema::Ready(text) = settled(&schemas, id, Instant::now()) else { panic!("not ready") };
        assert_eq!((text.text.as_str(), text.references.len()), ("\"int\"", 0));
        let WriterSchema::Unknown(why) = settled(&schemas, id + 1, Instant::now()) else {
            panic!("not unknown")
        };
        assert!(why.contains(&(id + 1).to_string()), "{why}");
        let next = Schema::avro("\"long\"");
        let registered = runtime.block_on(client.register_if_needed("s-value", &next)).expect("registered");
        assert_eq!(registered.id(), id + 1);
        assert!(matches!(settled(&schemas, id + 1, Instant::now()), WriterSchema::Ready(_)));
        server.abort();
    }
}
