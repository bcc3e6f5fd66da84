//! How a client proves who it is, and how it knows the broker.

use std::path::PathBuf;

use crate::kafka::secret::Secret;

/// Protection of the connections to the brokers. Default: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// TLS, or plain text when none.
    pub tls: Option<Tls>,
    /// SASL, or no authentication beyond TLS when none.
    pub sasl: Option<Sasl>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities to trust. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the client's certificate and key, for mutual TLS.
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub key_password: Option<Secret>,
    /// Whether the broker's name must be in its certificate. Default true.
    pub verify_hostname: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            ca_file: None,
            certificate_file: None,
            key_file: None,
            key_password: None,
            verify_hostname: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sasl {
    Plain {
        username: String,
        password: Secret,
    },
    ScramSha256 {
        username: String,
        password: Secret,
    },
    ScramSha512 {
        username: String,
        password: Secret,
    },
    /// A JSON web token in a file, which is read again whenever the client needs a new one.
    OauthBearer {
        token_file: PathBuf,
    },
}

impl Security {
    /// The client properties, in order. The token file is no property: see
    /// [`crate::kafka::events`].
    pub(in crate::kafka) fn properties(&self) -> Vec<(&'static str, String)> {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        let mut properties = vec![("security.protocol", protocol.to_owned())];
        if let Some(tls) = &self.tls {
            let files = [
                ("ssl.ca.location", &tls.ca_file),
                ("ssl.certificate.location", &tls.certificate_file),
                ("ssl.key.location", &tls.key_file),
            ];
            for (name, file) in files {
                if let Some(file) = file {
                    properties.push((name, file.to_string_lossy().into_owned()));
                }
            }
            if let Some(password) = &tls.key_password {
                properties.push(("ssl.key.password", password.reveal().to_owned()));
            }
            let algorithm = if tls.verify_hostname { "https" } else { "none" };
            properties.push(("ssl.endpoint.identification.algorithm", algorithm.to_owned()));
        }
        let (mechanism, credentials) = match &self.sasl {
            None => return properties,
            Some(Sasl::Plain { username, password }) => ("PLAIN", Some((username, password))),
            Some(Sasl::ScramSha256 { username, password }) => ("SCRAM-SHA-256", Some((username, password))),
            Some(Sasl::ScramSha512 { username, password }) => ("SCRAM-SHA-512", Some((username, password))),
            Some(Sasl::OauthBearer { .. }) => ("OAUTHBEARER", None),
        };
        properties.push(("sasl.mechanism", mechanism.to_owned()));
        if let Some((username, password)) = credentials {
            properties.push(("sasl.username", username.clone()));
            properties.push(("sasl.password", password.reveal().to_owned()));
        }
        properties
    }

    pub(in crate::kafka) fn token_file(&self) -> Option<&PathBuf> {
        match &self.sasl {
            Some(Sasl::OauthBearer { token_file }) => Some(token_file),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_in_debug_output() {
        let security = Security {
            tls: Some(Tls { key_password: Some(Secret::new("hidden-key")), ..Tls::default() }),
            sasl: Some(Sasl::Plain { username: "me".to_owned(), password: Secret::new("hidden-pass") }),
        };
        let shown = format!("{security:?}");
        assert!(!shown.contains("hidden"), "{shown}");
        let properties = security.properties();
        assert!(properties.contains(&("security.protocol", "sasl_ssl".to_owned())));
        assert!(properties.contains(&("sasl.password", "hidden-pass".to_owned())));
        assert!(properties.contains(&("ssl.endpoint.identification.algorithm", "https".to_owned())));
    }
}
