//! A listener of Kafka that asks who is there.

use std::path::Path;

/// The certificate and the users of a secure listener. It speaks SASL over TLS: PLAIN, SCRAM-SHA-512, and
/// OAUTHBEARER with unsigned tokens of any subject.
#[derive(Clone)]
pub struct KafkaSecurity {
    /// PEM of the broker's key (PKCS #8, without a password) and of its certificate.
    pub keystore: String,
    pub user: String,
    /// Letters and digits: it stands between quotes in the broker's properties.
    pub password: String,
}

impl std::fmt::Debug for KafkaSecurity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSecurity").field("user", &self.user).finish_non_exhaustive()
    }
}

const LISTENER: &str = "listener.name.secure";
const LOGIN_MODULES: &str = "org.apache.kafka.common.security";

impl KafkaSecurity {
    /// Lines that follow those of `server.properties`.
    pub(super) fn properties(
        &self,
        port: u16,
        controller_port: u16,
        secure_port: u16,
        keystore: &Path,
    ) -> String {
        let Self { user, password, .. } = self;
        let open = format!("PLAINTEXT://127.0.0.1:{port}");
        let secure = format!("SECURE://127.0.0.1:{secure_port}");
        [
            format!("listeners={open},{secure},CONTROLLER://127.0.0.1:{controller_port}"),
            format!("advertised.listeners={open},{secure}"),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL".to_owned(),
            format!("{LISTENER}.ssl.keystore.type=PEM"),
            format!("{LISTENER}.ssl.keystore.location={}", keystore.display()),
            format!("{LISTENER}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER"),
            format!(
                "{LISTENER}.plain.sasl.jaas.config={LOGIN_MODULES}.plain.PlainLoginModule required user_{user}=\"{password}\";"
            ),
            format!(
                "{LISTENER}.scram-sha-512.sasl.jaas.config={LOGIN_MODULES}.scram.ScramLoginModule required;"
            ),
            // The broker itself logs in nowhere, but the module asks for a name.
            format!(
                "{LISTENER}.oauthbearer.sasl.jaas.config={LOGIN_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";"
            ),
        ]
        .join("\n")
            + "\n"
    }

    /// Arguments of the tool that formats the data: users of SCRAM are records there.
    pub(super) fn format_arguments(&self) -> Vec<String> {
        let Self { user, password, .. } = self;
        vec!["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={user},password={password}]")]
    }
}
