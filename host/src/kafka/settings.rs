//! Which cluster, and how to reach it.

use std::fmt;

use crate::kafka::client::Client;
use crate::kafka::client::Kind;
use crate::kafka::config::ClientConfig;
use crate::kafka::error::KafkaError;
use crate::kafka::security::Security;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// How to reach a Kafka cluster: one value for the whole host, validated.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSettings {
    brokers: String,
    security: Security,
    client_id: String,
}

impl ClientSettings {
    /// `brokers` is a comma-separated list of `host:port`.
    ///
    /// # Errors
    /// When the list is empty or an entry is not a host with a port, or when librdkafka refuses a
    /// security setting (a file that is not there or holds no certificate, a key that it cannot read).
    pub fn new(
        brokers: &str,
        security: Security,
        client_id: impl Into<String>,
    ) -> Result<Self, Box<Refusal>> {
        let mut list = Vec::new();
        for broker in brokers.split(',').map(str::trim) {
            check_broker(broker)?;
            list.push(broker);
        }
        let settings = Self { brokers: list.join(","), security, client_id: client_id.into() };
        settings.try_out().map_err(|error| {
            Box::new(Refusal {
                code: Code("kafka-settings"),
                field: "kafka".to_owned(),
                message: "the Kafka client refuses the connection settings".to_owned(),
                found: error.message,
                expected: "settings that the client takes".to_owned(),
                remedy: "Correct the setting that the message names.".to_owned(),
            })
        })?;
        if let Some(file) = settings.security.token_file()
            && let Err(error) = std::fs::metadata(file)
        {
            return Err(Box::new(Refusal {
                code: Code("kafka-token-file"),
                field: "kafka.sasl.token_file".to_owned(),
                message: "the token file cannot be read".to_owned(),
                found: format!("{}: {error}", file.display()),
                expected: "a readable file with one JSON web token".to_owned(),
                remedy: "Create the file or correct its path.".to_owned(),
            }));
        }
        Ok(settings)
    }

    /// Finds what librdkafka refuses. It reads certificates and keys only when a client starts.
    fn try_out(&self) -> Result<(), KafkaError> {
        let config = self.base_config()?;
        if self.security.tls.is_some() {
            Client::start(Kind::Producer, "settings".to_owned(), config)?;
        }
        Ok(())
    }

    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// The properties that every client has.
    pub(in crate::kafka) fn base_config(&self) -> Result<ClientConfig, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers)?;
        config.set("client.id", &self.client_id)?;
        config.set("socket.keepalive.enable", "true")?;
        config.set("reconnect.backoff.ms", "50")?;
        config.set("reconnect.backoff.max.ms", "2000")?;
        config.set("allow.auto.create.topics", "false")?;
        for (name, value) in self.security.properties() {
            config.set(name, &value)?;
        }
        if let Some(file) = self.security.token_file() {
            config.set_token_file(file.clone());
        }
        Ok(config)
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("brokers", &self.brokers)
            .field("security", &self.security)
            .field("client_id", &self.client_id)
            .finish()
    }
}

fn check_broker(broker: &str) -> Result<(), Box<Refusal>> {
    let valid = broker.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && !host.contains("://")
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if valid {
        return Ok(());
    }
    Err(Box::new(Refusal {
        code: Code("kafka-brokers"),
        field: "kafka.brokers".to_owned(),
        message: "this is not the address of a broker".to_owned(),
        found: format!("`{broker}`"),
        expected: "a comma-separated list of host:port".to_owned(),
        remedy: "Write the brokers as `host:9092,other:9092`.".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::kafka::security::Tls;

    #[test]
    fn brokers_are_hosts_with_ports() {
        for good in ["a:1", "a:9092, b:9093", "[::1]:9092", "127.0.0.1:65535"] {
            ClientSettings::new(good, Security::default(), "test").expect(good);
        }
        for bad in ["", "a", "a:", ":9092", "a:0", "a:99999", "a:9092,,b:9092", "kafka://a:9092"] {
            let refusal = ClientSettings::new(bad, Security::default(), "test").expect_err(bad);
            assert_eq!(refusal.code.0, "kafka-brokers", "{bad}");
        }
    }

    #[test]
    fn an_authority_file_that_is_not_there_or_no_certificate_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "no certificate").expect("written");
        for ca_file in [Path::new("/nonexistent/ca.pem"), file.path()] {
            let tls = Tls { ca_file: Some(ca_file.to_owned()), ..Tls::default() };
            let settings = ClientSettings::new("a:1", Security { tls: Some(tls), sasl: None }, "test");
            let refusal = settings.expect_err("no authority");
            assert_eq!(refusal.code.0, "kafka-settings");
            assert!(refusal.found.contains("ssl.ca.location"), "{refusal}");
        }
    }
}
