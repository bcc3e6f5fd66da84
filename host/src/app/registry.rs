//! The schema registry as the host uses it, from threads that may block.

use std::sync::Arc;

use tokio::runtime::Handle;
use wasmill_registry_client::RegistryClient;
use wasmill_registry_client::RegistryError;
use wasmill_registry_client::Schema;
use wasmill_registry_client::SchemaCache;

use crate::config::settings::RegistrySettings;
use crate::model::failure::Outage;
use crate::model::ids::RegistryId;
use crate::model::pipeline_spec::Register;

/// A client with its cache of schemas by id, shared by every pipeline.
#[derive(Clone)]
pub struct Registry {
    cache: Arc<SchemaCache>,
    runtime: Handle,
}

/// Why a schema cannot be written with.
#[derive(Debug)]
pub enum RegisterFailure {
    /// The registry is away, or refuses this host: it is asked again.
    Outage(Outage),
    /// Policy `never`, and the subject does not hold the schema.
    NotRegistered,
    /// The subject's rule refuses the schema, or the registry cannot take it.
    Refused(String),
}

impl Registry {
    /// # Errors
    /// When the settings are not usable.
    pub fn new(settings: &RegistrySettings, runtime: Handle) -> anyhow::Result<Self> {
        let mut builder = RegistryClient::builder().request_timeout(settings.timeout);
        for url in &settings.urls {
            builder = builder.url(url.as_str());
        }
        if let Some(credentials) = &settings.credentials {
            builder = builder.basic_auth(&credentials.username, credentials.password.expose());
        }
        Ok(Self::over(builder.build()?, runtime))
    }

    #[must_use]
    pub fn over(client: RegistryClient, runtime: Handle) -> Self {
        Self { cache: Arc::new(SchemaCache::new(client, runtime.clone())), runtime }
    }

    #[must_use]
    pub fn cache(&self) -> &Arc<SchemaCache> {
        &self.cache
    }

    /// The newest schema of a subject with the texts it refers to; none when there is no subject.
    ///
    /// # Errors
    /// When the registry cannot be asked.
    pub fn latest(&self, subject: &str) -> Result<Option<(String, Vec<String>)>, Outage> {
        let client = self.cache.client();
        let found = self.runtime.block_on(async {
            let version = match client.latest(subject).await {
                Ok(version) => version,
                Err(RegistryError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let references = client.resolve_references(&version.schema).await?;
            let texts = references.iter().map(|reference| reference.text.to_string()).collect();
            Ok(Some((version.schema.text, texts)))
        });
        found.map_err(|error| outage(&error))
    }

    /// Whether the subject would take the schema by the policy. Changes nothing.
    ///
    /// # Errors
    /// See [`RegisterFailure`].
    pub fn would_take(&self, subject: &str, text: &str, policy: Register) -> Result<(), RegisterFailure> {
        let client = self.cache.client();
        let schema = Schema::avro(text);
        self.runtime.block_on(async {
            if client.find(subject, &schema).await.map_err(|error| failure(&error))?.is_some() {
                return Ok(());
            }
            match policy {
                Register::Never => Err(RegisterFailure::NotRegistered),
                Register::IfCompatible => {
                    client.require_compatible(subject, &schema).await.map_err(|error| failure(&error))
                }
            }
        })
    }

    /// The id to write with, registered if need be and the policy allows.
    ///
    /// # Errors
    /// See [`RegisterFailure`].
    pub fn id_for(&self, subject: &str, text: &str, policy: Register) -> Result<RegistryId, RegisterFailure> {
        let client = self.cache.client();
        let schema = Schema::avro(text);
        let id = self.runtime.block_on(async {
            match policy {
                Register::Never => match client.find(subject, &schema).await {
                    Ok(Some(version)) => Ok(version.id),
                    Ok(None) => Err(RegisterFailure::NotRegistered),
                    Err(error) => Err(failure(&error)),
                },
                Register::IfCompatible => client
                    .register_if_needed(subject, &schema)
                    .await
                    .map(wasmill_registry_client::Registration::id)
                    .map_err(|error| failure(&error)),
            }
        })?;
        Ok(RegistryId(id))
    }
}

fn failure(error: &RegistryError) -> RegisterFailure {
    if error.is_definite() {
        RegisterFailure::Refused(error.to_string())
    } else {
        RegisterFailure::Outage(outage(error))
    }
}

fn outage(error: &RegistryError) -> Outage {
    Outage::new("registry-unavailable", error.to_string())
}
