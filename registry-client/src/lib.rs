//! A client for Confluent-compatible schema registries.
//!
//! Three parts, each useful alone:
//! - [`RegistryClient`]: the registry's calls, async, with failover over several servers, timeouts,
//!   bounded retries and errors that say who recovers.
//! - [`SchemaCache`]: schemas by id for a data path that must never wait.
//! - [`memory::MemoryRegistry`] (feature `memory`): a registry in the process, for development and tests.
//!
//! # Deploying
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! # let router = wasmill_registry_client::memory::MemoryRegistry::new().router();
//! # let server = tokio::spawn(async move { axum::serve(listener, router).await });
//! # let url = format!("http://{address}");
//! use wasmill_registry_client::RegistryClient;
//! use wasmill_registry_client::Schema;
//!
//! let client = RegistryClient::builder().url(&url).basic_auth("app", "secret").build()?;
//! let schema = Schema::avro(r#"{"type": "record", "name": "Payment", "fields": []}"#);
//! let id = client.register_if_needed("payments-value", &schema).await?.id();
//!
//! // The same in other words: no new version.
//! let same = Schema::avro(r#"{ "name":"Payment","type":"record","fields":[] }"#);
//! assert_eq!(client.register_if_needed("payments-value", &same).await?.id(), id);
//! # server.abort();
//! # Ok(())
//! # }
//! ```
//!
//! # Reading
//!
//! ```no_run
//! # fn example(client: wasmill_registry_client::RegistryClient, runtime: tokio::runtime::Handle) {
//! use wasmill_registry_client::Lookup;
//! use wasmill_registry_client::SchemaCache;
//!
//! let schemas = SchemaCache::new(client, runtime);
//! // On any thread, as often as needed: it never blocks.
//! match schemas.get(42) {
//!     Lookup::Ready(schema) => println!("{} {}", schema.schema_type, schema.text),
//!     Lookup::Pending => println!("ask again"),
//!     Lookup::Unavailable { since, error } => println!("ask again, the registry is away since {since:?}: {error}"),
//!     Lookup::Unknown(error) => println!("a bad record: {error}"),
//! }
//! # }
//! ```
//!
//! # What it never does
//!
//! Show a secret in `Debug`, `Display`, errors or logs; follow a redirection; use a proxy; read the
//! environment; register a version for a change of formatting (through
//! [`register_if_needed`](RegistryClient::register_if_needed)); take an answer that is not the registry's
//! for "this schema does not exist".

#![warn(missing_docs)]
// As the host's data path: an answer or a schema never makes it panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod answer;
mod builder;
mod cache;
mod canonical;
mod client;
mod compatibility;
mod deploy;
mod endpoint;
mod error;
#[cfg(feature = "memory")]
pub mod memory;
mod references;
mod retry;
mod schema;
mod secret;
mod settings_error;
mod transport;

pub use builder::RegistryClientBuilder;
pub use cache::CacheLimits;
pub use cache::Lookup;
pub use cache::SchemaCache;
pub use canonical::canonical_avro;
pub use canonical::same_schema;
pub use client::RegistryClient;
pub use compatibility::Against;
pub use compatibility::CompatibilityLevel;
pub use compatibility::CompatibilityReport;
pub use compatibility::Mode;
pub use compatibility::Scope;
pub use deploy::Registration;
pub use deploy::VERSIONS_COMPARED_MAX;
pub use error::Asked;
pub use error::Missing;
pub use error::Outage;
pub use error::Recovery;
pub use error::RegistryError;
pub use references::REFERENCE_BYTES_MAX;
pub use references::REFERENCE_DEPTH_MAX;
pub use references::REFERENCES_MAX;
pub use retry::RetryPolicy;
pub use schema::Deletion;
pub use schema::Listing;
pub use schema::Reference;
pub use schema::RegisteredSchema;
pub use schema::ResolvedReference;
pub use schema::Schema;
pub use schema::SchemaType;
pub use schema::SubjectVersion;
pub use schema::Version;
pub use secret::Secret;
pub use settings_error::SettingsError;
