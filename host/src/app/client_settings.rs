//! The settings' words for a Kafka connection in the client's.

use std::time::Duration;

use anyhow::Result;

use crate::config::settings::KafkaSettings;
use crate::config::settings::SaslSettings;
use crate::kafka::admin::Admin;
use crate::kafka::secret::Secret;
use crate::kafka::security::Sasl;
use crate::kafka::security::Security;
use crate::kafka::security::Tls;
use crate::kafka::settings::ClientSettings;
use crate::model::failure::Code;
use crate::model::failure::Refusal;
use crate::model::ids::HostId;

/// How long the client that is tried is waited for: not at all, it asks nothing.
const NO_WAIT: Duration = Duration::ZERO;

/// # Errors
/// A refusal when the client refuses a value, or cannot be made of it: it reads certificates and keys
/// only when it starts.
pub fn client_settings(kafka: &KafkaSettings, host: &HostId) -> Result<ClientSettings> {
    let secret = |secret: &crate::config::secret::Secret| Secret::new(secret.expose());
    let tls = kafka.tls.as_ref().map(|tls| Tls {
        ca_file: tls.ca_file.clone(),
        certificate_file: tls.certificate_file.clone(),
        key_file: tls.key_file.clone(),
        key_password: tls.key_password.as_ref().map(secret),
        verify_hostname: tls.verify_hostname,
    });
    let sasl = kafka.sasl.as_ref().map(|sasl| match sasl {
        SaslSettings::Plain { username, password } => {
            Sasl::Plain { username: username.clone(), password: secret(password) }
        }
        SaslSettings::ScramSha256 { username, password } => {
            Sasl::ScramSha256 { username: username.clone(), password: secret(password) }
        }
        SaslSettings::ScramSha512 { username, password } => {
            Sasl::ScramSha512 { username: username.clone(), password: secret(password) }
        }
        SaslSettings::OauthBearer { token_file } => Sasl::OauthBearer { token_file: token_file.clone() },
    });
    let client_id = format!("wasmill-{host}");
    let settings = ClientSettings::new(&kafka.brokers.join(","), Security { tls, sasl }, client_id)?;
    Admin::start(&settings, NO_WAIT).map_err(|error| Refusal {
        code: Code("kafka-settings"),
        field: "kafka".to_owned(),
        message: "no Kafka client can be made of the connection settings".to_owned(),
        found: error.message,
        expected: "files and values that the client can use".to_owned(),
        remedy: "Correct the setting that the message names.".to_owned(),
    })?;
    Ok(settings)
}
