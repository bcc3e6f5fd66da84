/// A client cannot be built from what it was given. Never holds secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    #[error("no registry URL was given; expected at least one, such as http://127.0.0.1:8081")]
    NoUrl,

    /// The URL stands here without user, password, query and fragment.
    #[error(
        "registry URL {url:?}: {reason}; expected something like http://127.0.0.1:8081 or https://host/apis/ccompat/v7"
    )]
    Url { url: String, reason: String },

    #[error("credentials were given twice ({first} and {second}); give them once")]
    CredentialsTwice { first: &'static str, second: &'static str },

    #[error("{what}: not a legal HTTP header {part}; expected visible ASCII characters")]
    Header { what: String, part: &'static str },

    #[error("root certificates: {reason}; expected one or more PEM blocks `-----BEGIN CERTIFICATE-----`")]
    RootCertificates { reason: String },

    #[error(
        "TLS cannot be set up: {reason}; install the system's CA certificates, or give root certificates"
    )]
    Tls { reason: String },

    #[error("the HTTP client cannot be built: {reason}")]
    HttpClient { reason: String },
}
