//! A broker whose clients must say who they are, over TLS.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use tempfile::TempDir;
use xtask::servers::KafkaSecurity;
use xtask::servers::KafkaServer;

use crate::certificates::Authority;
use crate::kafka_client::KafkaClient;
use crate::names::unique_name;

/// A private broker with two listeners: an open one for the test's own use, and one over TLS that takes
/// PLAIN, SCRAM-SHA-512 and OAUTHBEARER. Dropping it kills it and removes its data and its certificates.
#[derive(Debug)]
pub struct SecureBroker {
    server: KafkaServer,
    keystore: String,
    password: String,
    address: String,
    files: TempDir,
}

/// The one user that it knows.
const USER: &str = "wasmill";

impl SecureBroker {
    /// Starts a broker with empty data, whose certificate holds for `127.0.0.1` alone; about 4 s.
    ///
    /// # Errors
    /// Kafka cannot be fetched or does not start.
    pub fn start() -> Result<Self> {
        let files = tempfile::tempdir().context("make a folder for certificates")?;
        let (trusted, stranger) = (Authority::new("Trusted")?, Authority::new("Stranger")?);
        std::fs::write(files.path().join("trusted.pem"), trusted.certificate_pem())?;
        std::fs::write(files.path().join("stranger.pem"), stranger.certificate_pem())?;
        let keystore = trusted.issue_pem(&["127.0.0.1"])?;
        // Nobody writes it anywhere by chance, so that a test can look for it everywhere.
        let password = unique_name("s3cret").replace('-', "x");
        let server = KafkaServer::start_secure(security(&keystore, &password))
            .context("start a private Kafka with a secure listener")?;
        let address = server.secure_address().context("the broker has no secure listener")?;
        Ok(Self { server, keystore, password, address, files })
    }

    /// Address of the secure listener, `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ways to write, read and look, without TLS or a password.
    #[must_use]
    pub fn client(&self) -> KafkaClient {
        KafkaClient::new(self.server.address())
    }

    #[must_use]
    pub fn user(&self) -> &'static str {
        USER
    }

    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// PEM file of the authority that signed the broker's certificate.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.files.path().join("trusted.pem")
    }

    /// PEM file of an authority that has nothing to do with the broker.
    #[must_use]
    pub fn stranger_file(&self) -> PathBuf {
        self.files.path().join("stranger.pem")
    }

    /// Writes a file that goes with the broker, such as one with a password.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.files.path().join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Restarts it with another password for PLAIN, or with its first one again. Clients that are connected
    /// must log in anew.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart_with_password(&mut self, password: &str) -> Result<()> {
        self.server.set_security(security(&self.keystore, password));
        self.server.restart()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.server.data()
    }
}

fn security(keystore: &str, password: &str) -> KafkaSecurity {
    KafkaSecurity { keystore: keystore.to_owned(), user: USER.to_owned(), password: password.to_owned() }
}
