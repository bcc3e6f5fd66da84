//! The one fetch of an id.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use tokio::sync::watch;
use tracing::info;
use tracing::warn;

use crate::cache::CacheLimits;
use crate::cache::Lookup;
use crate::cache::entries::Entries;
use crate::cache::entries::counts;
use crate::client::RegistryClient;
use crate::error::Asked;
use crate::error::Outage;
use crate::error::RegistryError;
use crate::retry::RetryPolicy;
use crate::schema::RegisteredSchema;

type Outcome = Result<Arc<RegisteredSchema>, Arc<RegistryError>>;

#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// No answer yet.
    Started,
    Failing {
        since: SystemTime,
        failures: u32,
        error: Arc<RegistryError>,
    },
    Landed {
        outcome: Outcome,
        /// When the request was sent that was answered so.
        asked: Instant,
    },
}

impl Progress {
    fn failures(&self) -> u32 {
        match self {
            Self::Failing { failures, .. } => *failures,
            Self::Started | Self::Landed { .. } => 0,
        }
    }
}

/// How a wait for a flight ended.
pub(super) enum Flown {
    Landed(Outcome),
    /// It still fails, and goes on.
    Late(Arc<RegistryError>),
    /// The cache or its runtime was shut down.
    Lost,
}

/// What is seen of a fetch by those who wait for it.
pub(super) struct Flight {
    progress: watch::Receiver<Progress>,
    // When it was last asked for, in milliseconds of the cache's age.
    asked_ms: AtomicU64,
}

impl Flight {
    pub(super) fn new(age: Duration) -> (Arc<Self>, watch::Sender<Progress>) {
        let (sender, progress) = watch::channel(Progress::Started);
        let flight = Arc::new(Self { progress, asked_ms: AtomicU64::new(0) });
        flight.asked(age);
        (flight, sender)
    }

    pub(super) fn asked(&self, age: Duration) {
        self.asked_ms.store(millis(age), Ordering::Relaxed);
    }

    /// With the time when a record was received, an older miss does not count.
    pub(super) fn lookup(&self, received: Option<Instant>) -> Lookup {
        match &*self.progress.borrow() {
            Progress::Started => Lookup::Pending,
            Progress::Failing { since, error, .. } => {
                Lookup::Unavailable { since: *since, error: Arc::clone(error) }
            }
            Progress::Landed { outcome: Ok(schema), .. } => Lookup::Ready(Arc::clone(schema)),
            Progress::Landed { asked, .. } if received.is_some_and(|received| !counts(*asked, received)) => {
                Lookup::Pending
            }
            Progress::Landed { outcome: Err(error), .. } => Lookup::Unknown(Arc::clone(error)),
        }
    }

    /// Until it lands, or has failed `failures_max` times more than it had.
    pub(super) async fn wait(&self, failures_max: u32) -> Flown {
        let mut progress = self.progress.clone();
        let failures_before = progress.borrow().failures();
        let over = |progress: &Progress| match progress {
            Progress::Started => false,
            Progress::Failing { failures, .. } => failures.saturating_sub(failures_before) >= failures_max,
            Progress::Landed { .. } => true,
        };
        let Ok(seen) = progress.wait_for(over).await else {
            return Flown::Lost;
        };
        match &*seen {
            Progress::Landed { outcome, .. } => Flown::Landed(outcome.clone()),
            Progress::Failing { error, .. } => Flown::Late(Arc::clone(error)),
            Progress::Started => Flown::Lost,
        }
    }
}

/// Runs a fetch; dropping it, on whichever way, clears the flight from the map.
pub(super) struct Pilot {
    id: u32,
    client: RegistryClient,
    limits: CacheLimits,
    entries: Arc<Entries>,
    flight: Arc<Flight>,
    progress: watch::Sender<Progress>,
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.entries.end(self.id, &self.flight);
    }
}

impl Pilot {
    pub(super) fn new(
        id: u32,
        client: RegistryClient,
        limits: CacheLimits,
        entries: Arc<Entries>,
        flight: Arc<Flight>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self { id, client, limits, entries, flight, progress }
    }

    pub(super) async fn fly(self) {
        // The waits between attempts are made here, so that each failure is seen at once.
        let backoff = RetryPolicy {
            passes_max: 1,
            backoff_min: self.limits.backoff_min,
            backoff_max: self.limits.backoff_max,
            retry_after_max: self.client.retry().retry_after_max,
        };
        let client = self.client.with_retry(backoff);
        let mut failing_since = None;
        for failures in 1.. {
            let (answer, asked) = self.attempt(&client).await;
            let error = match answer {
                Ok(schema) => return self.land(Ok(Arc::new(schema)), asked, failing_since),
                Err(error) if error.is_definite() => {
                    return self.land(Err(Arc::new(error)), asked, failing_since);
                }
                Err(error) => Arc::new(error),
            };
            if failing_since.is_none() {
                warn!(id = self.id, %error, "schema cannot be fetched, trying on");
            }
            let since = *failing_since.get_or_insert_with(SystemTime::now);
            let wait = backoff.wait(failures, error.retry_after());
            self.progress.send_replace(Progress::Failing { since, failures, error });
            tokio::time::sleep(wait).await;
            if self.is_abandoned() {
                info!(id = self.id, failures, "nobody asks for this schema any more, fetch given up");
                return;
            }
        }
    }

    /// The answer, and when it was asked for.
    async fn attempt(&self, client: &RegistryClient) -> (Result<RegisteredSchema, RegistryError>, Instant) {
        let _permit = self.entries.requests.acquire().await;
        let asked = Instant::now();
        let answer = tokio::time::timeout(self.limits.attempt_max, client.registered_schema(self.id)).await;
        let late = |_| Err(unavailable(self.id, Outage::Timeout(self.limits.attempt_max)));
        (answer.unwrap_or_else(late), asked)
    }

    fn land(&self, outcome: Outcome, asked: Instant, failing_since: Option<SystemTime>) {
        if let Some(since) = failing_since {
            let outage_ms = since.elapsed().map_or(0, millis);
            info!(id = self.id, outage_ms, "schema registry answers again");
        }
        if let Err(error) = &outcome {
            warn!(id = self.id, %error, "no usable schema with this id");
        }
        self.entries.settle(self.id, &outcome, asked);
        self.progress.send_replace(Progress::Landed { outcome, asked });
    }

    fn is_abandoned(&self) -> bool {
        let asked = Duration::from_millis(self.flight.asked_ms.load(Ordering::Relaxed));
        self.entries.age().saturating_sub(asked) > self.limits.abandoned_after
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn unavailable(id: u32, cause: Outage) -> RegistryError {
    let asked = Asked { what: format!("schema id {id}"), method: "GET", url: format!("/schemas/ids/{id}") };
    RegistryError::Unavailable {
        asked: Box::new(asked),
        cause,
        attempts: 0,
        retryable: true,
        retry_after: None,
    }
}
