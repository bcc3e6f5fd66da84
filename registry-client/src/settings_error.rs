/// A client cannot be built from what it was given. Never holds secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// There is no address.
    #[error("no registry URL was given; expected at least one, such as http://127.0.0.1:8081")]
    NoUrl,

    /// The URL stands here without user, password, query and fragment.
    #[error(
        "registry URL {url:?}: {reason}; expected something like http://127.0.0.1:8081 or https://host/apis/ccompat/v7"
    )]
    Url {
        /// As it was given, without what may be secret.
        url: String,
        /// What is wrong with it.
        reason: String,
    },

    /// Two kinds of credentials, of which one request carries one.
    #[error("credentials were given twice ({first} and {second}); give them once")]
    CredentialsTwice {
        /// The kind that was given first.
        first: &'static str,
        /// The kind that was given besides.
        second: &'static str,
    },

    /// Text that no HTTP header can carry.
    #[error("{what}: not a legal HTTP header {part}; expected visible ASCII characters")]
    Header {
        /// The setting; never its value.
        what: String,
        /// `name` or `value`.
        part: &'static str,
    },

    /// Root certificates that cannot be read.
    #[error("root certificates: {reason}; expected one or more PEM blocks `-----BEGIN CERTIFICATE-----`")]
    RootCertificates {
        /// What is wrong with them.
        reason: String,
    },

    /// No certificate authority to check servers with, or none that can be used.
    #[error(
        "TLS cannot be set up: {reason}; install the system's CA certificates, or give root certificates"
    )]
    Tls {
        /// What the TLS library says.
        reason: String,
    },

    /// The HTTP library refuses its settings.
    #[error("the HTTP client cannot be built: {reason}")]
    HttpClient {
        /// What it says.
        reason: String,
    },
}
