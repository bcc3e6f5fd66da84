//! A schema registry in memory, for development and tests. Avro only.
//!
//! It serves the routes of a Confluent registry with their statuses, error codes and bodies: subjects,
//! versions, ids, lookup, registration, references, compatibility in all seven levels, config, mode,
//! soft and permanent deletion. Protobuf and JSON Schema are refused with 422. Nothing is kept beyond
//! the life of the [`MemoryRegistry`]; nobody is authenticated.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use wasmill_registry_client::memory::MemoryRegistry;
//!
//! let registry = MemoryRegistry::new();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! axum::serve(listener, registry.router()).await
//! # }
//! ```

mod compatible;
mod parsed;
mod problem;
mod routes;
mod state;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use axum::Router;

use crate::memory::state::State;

/// The registry. Clones share what is registered.
#[derive(Clone, Default)]
pub struct MemoryRegistry {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRegistry").finish_non_exhaustive()
    }
}

impl MemoryRegistry {
    /// An empty registry; compatibility `BACKWARD`, mode `READWRITE`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The HTTP routes, to be served by the caller, at the root or nested under a path.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    // A panic in a request leaves the state as whole as it was: it changes in single steps.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
