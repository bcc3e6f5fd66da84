//! Schemas by id for a data path that must never wait.

mod entries;
mod flight;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::cache::entries::Entries;
use crate::cache::entries::Found;
use crate::cache::flight::Flight;
use crate::cache::flight::Flown;
use crate::cache::flight::Pilot;
use crate::client::RegistryClient;
use crate::error::Outage;
use crate::error::RegistryError;
use crate::schema::RegisteredSchema;

/// Bounds of a [`SchemaCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Schemas and remembered misses held. The least recently used tenth goes when there are more.
    /// Default 10,000.
    pub entries_max: usize,
    /// Bytes of schema text held, references included. The last schema is kept however long it is.
    /// Default 64 MiB.
    pub text_bytes_max: usize,
    /// Ids that are being fetched. A further one stays [`Lookup::Pending`] and is fetched when asked for
    /// again. Default 1,024.
    pub flights_max: usize,
    /// Schemas asked for at the same time. Default 8.
    pub requests_max: usize,
    /// How long one attempt may take, with all that the schema refers to: others wait for its place. Default
    /// 60 s.
    pub attempt_max: Duration,
    /// How long an id that the registry does not know is not asked for again, unless someone needs a
    /// newer answer ([`SchemaCache::get_for`]): it may be registered meanwhile. Default 30 s.
    pub unknown_ttl: Duration,
    /// Least time between two requests for an id that the registry does not know, however new an answer is
    /// needed. Default 250 ms.
    pub unknown_pause: Duration,
    /// A fetch that fails is given up when nobody asked for its id this long. Default 5 min.
    pub abandoned_after: Duration,
    /// Ceiling of the wait after a first failure; it doubles with each further one, full jitter.
    /// Default 200 ms.
    pub backoff_min: Duration,
    /// The ceiling never grows beyond this. Default 10 s.
    pub backoff_max: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            entries_max: 10_000,
            text_bytes_max: 64 << 20,
            flights_max: 1024,
            requests_max: 8,
            attempt_max: Duration::from_secs(60),
            unknown_ttl: Duration::from_secs(30),
            unknown_pause: Duration::from_millis(250),
            abandoned_after: Duration::from_secs(300),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// What is known about an id right now.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// Ids are never reused: it will not change.
    Ready(Arc<RegisteredSchema>),
    /// It is being fetched for the first time: ask again.
    Pending,
    /// The registry works and had no usable schema with this id when it was asked, at most
    /// [`CacheLimits::unknown_ttl`] ago. Whether a record is bad for it, only [`SchemaCache::get_for`] says.
    Unknown(Arc<RegistryError>),
    /// The registry cannot be asked, since that time. It is tried again without limit: ask again.
    Unavailable {
        /// Of the first failure in a row.
        since: SystemTime,
        /// Of the last one.
        error: Arc<RegistryError>,
    },
}

/// Schemas by id, each fetched once however many ask, in the background.
///
/// [`get`](Self::get) never blocks and never waits: it may be called from any thread, on a runtime or
/// not. Dropping the cache ends its background tasks.
pub struct SchemaCache {
    client: RegistryClient,
    limits: CacheLimits,
    entries: Arc<Entries>,
    runtime: Handle,
    // Owns the fetches: they end with the cache.
    tasks: Mutex<JoinSet<()>>,
}

impl fmt::Debug for SchemaCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaCache")
            .field("client", &self.client)
            .field("limits", &self.limits)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl SchemaCache {
    /// A cache with default limits whose fetches run on `runtime`.
    #[must_use]
    pub fn new(client: RegistryClient, runtime: Handle) -> Self {
        Self::with_limits(client, runtime, CacheLimits::default())
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(client: RegistryClient, runtime: Handle, limits: CacheLimits) -> Self {
        Self {
            client,
            limits,
            entries: Arc::new(Entries::new(limits)),
            runtime,
            tasks: Mutex::new(JoinSet::new()),
        }
    }

    /// What it asks.
    #[must_use]
    pub fn client(&self) -> &RegistryClient {
        &self.client
    }

    /// What is known now. The first miss starts one fetch in the background, which goes on until the
    /// registry answers; it must run on a multi-threaded runtime, or one that is driven meanwhile.
    pub fn get(&self, id: u32) -> Lookup {
        self.look_up(id, None)
    }

    /// As [`get`](Self::get), for a record that was received at that time. Its schema was registered before
    /// the record was written, so only a request sent after the record came shows that there is none:
    /// an older answer is [`Lookup::Pending`], and the registry is asked once more.
    pub fn get_for(&self, id: u32, received: Instant) -> Lookup {
        self.look_up(id, Some(received))
    }

    fn look_up(&self, id: u32, received: Option<Instant>) -> Lookup {
        match self.entries.find(id, received) {
            Found::Settled(lookup) => lookup,
            Found::Flying(flight) => flight.lookup(received),
            Found::TooOld => Lookup::Pending,
            Found::Absent => {
                self.start(id, received).map_or(Lookup::Pending, |flight| flight.lookup(received))
            }
        }
    }

    /// The schema with this id, from the cache or by the same single fetch that [`get`](Self::get)
    /// starts or has started.
    ///
    /// # Errors
    /// What [`Lookup::Unknown`] holds. While the registry is unavailable: the last failure, after as many
    /// failed attempts as the client's [`RetryPolicy`](crate::RetryPolicy) allows; the fetch goes on.
    pub async fn fetch(&self, id: u32) -> Result<Arc<RegisteredSchema>, Arc<RegistryError>> {
        loop {
            let flight = match self.entries.find(id, None) {
                Found::Settled(Lookup::Ready(schema)) => return Ok(schema),
                Found::Settled(Lookup::Unknown(error)) => return Err(error),
                Found::Settled(_) | Found::TooOld | Found::Absent => self.start(id, None),
                Found::Flying(flight) => Some(flight),
            };
            let Some(flight) = flight else {
                // Settled just now, or too many at once: both pass.
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            return match flight.wait(self.client.retry().passes_max.max(1)).await {
                Flown::Landed(outcome) => outcome,
                Flown::Late(error) => Err(error),
                Flown::Lost => Err(Arc::new(flight::unavailable(id, Outage::ShutDown))),
            };
        }
    }

    /// Schemas and misses held, and fetches under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held or under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `None` when there is nothing to wait for: settled meanwhile, or too many flights.
    fn start(&self, id: u32, received: Option<Instant>) -> Option<Arc<Flight>> {
        let (flight, progress) = match self.entries.take_off(id, received) {
            entries::TakeOff::Started { flight, progress } => (flight, progress),
            entries::TakeOff::Joined(flight) => return Some(flight),
            entries::TakeOff::Refused => return None,
        };
        let pilot = Pilot::new(
            id,
            self.client.clone(),
            self.limits,
            Arc::clone(&self.entries),
            Arc::clone(&flight),
            progress,
        );
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(pilot.fly(), &self.runtime);
        Some(flight)
    }
}
