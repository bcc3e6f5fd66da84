//! Brokers: one that all tests share, and private ones to break.

use std::sync::OnceLock;

use anyhow::Context;
use anyhow::Result;
use xtask::servers::KafkaServer;

use crate::kafka_client::KafkaClient;

/// Set by the test runner to the address of the broker it started, `127.0.0.1:PORT`.
const SHARED_BROKER: &str = "WASMILL_TEST_KAFKA";

/// The broker that all tests share. Never stop it, and use fresh names on it.
///
/// # Errors
/// The runner named none, and none could be started.
pub fn shared_broker() -> Result<KafkaClient> {
    static OWN: OnceLock<Result<Broker, String>> = OnceLock::new();
    if let Ok(address) = std::env::var(SHARED_BROKER) {
        return Ok(KafkaClient::new(address));
    }
    // It dies when this process ends: nobody holds the pipe to its watcher any more.
    let own = OWN.get_or_init(|| Broker::start().map_err(|error| format!("{error:#}")));
    match own {
        Ok(broker) => Ok(broker.client()),
        Err(error) => anyhow::bail!("{error}"),
    }
}

/// A private broker, for tests that break it. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Broker {
    server: KafkaServer,
}

impl Broker {
    /// Starts a broker with empty data; about 2 s.
    ///
    /// # Errors
    /// Kafka cannot be fetched or does not start.
    pub fn start() -> Result<Self> {
        let server = KafkaServer::start(None).context("start a private Kafka")?;
        Ok(Self { server })
    }

    /// `127.0.0.1:PORT`; the same over kills and restarts.
    pub fn address(&self) -> String {
        self.server.address()
    }

    /// Ways to write, read and look.
    pub fn client(&self) -> KafkaClient {
        KafkaClient::new(self.server.address())
    }

    /// `kill -9`. What was acknowledged survives, as it lies in the system's page cache.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// A shutdown in good order.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.server.stop()
    }

    /// Starts it again on its old address and data, and waits until it takes clients; 2 to 5 s.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.server.restart()
    }
}
