//! The servers that a whole run of tests or benches shares.

use std::process::Command;

use anyhow::Result;

use crate::servers::KafkaServer;
use crate::servers::RegistryServer;

/// One Kafka and one registry, stopped on drop and when this process dies.
#[derive(Debug)]
pub struct Suite {
    kafka: KafkaServer,
    registry: RegistryServer,
}

impl Suite {
    /// Starts both, at the same time.
    ///
    /// # Errors
    /// One cannot be fetched or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(|| KafkaServer::start(None))
    }

    /// The same, with a broker for measurements.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub fn start_for_benches() -> Result<Self> {
        Self::start_with(KafkaServer::start_at_full_speed)
    }

    fn start_with(kafka: impl FnOnce() -> Result<KafkaServer>) -> Result<Self> {
        std::thread::scope(|scope| {
            let registry = scope.spawn(|| RegistryServer::start(None));
            let kafka = kafka();
            let registry = registry
                .join()
                .map_err(|_| anyhow::anyhow!("the thread that starts the schema registry panicked"))?;
            Ok(Self { kafka: kafka?, registry: registry? })
        })
    }

    /// Tells `command` where the servers and the built guests are.
    pub fn announce(&self, command: &mut Command) {
        command
            .env("WASMILL_TEST_KAFKA", self.kafka.address())
            .env("WASMILL_TEST_REGISTRY", self.registry.url())
            .env("WASMILL_TEST_GUESTS", crate::guests::components_dir());
    }

    /// For people, in one line.
    pub fn describe(&self) -> String {
        format!("Kafka on {}, schema registry on {}", self.kafka.address(), self.registry.url())
    }
}
