use std::fmt;
use std::time::Duration;

/// What was asked of the registry, and where. Never holds credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In words: `the latest version of subject "payments-value"`.
    pub what: String,
    /// Such as `GET`.
    pub method: &'static str,
    /// Of the server that answered last.
    pub url: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.what, self.method, self.url)
    }
}

/// Who can make a failed call succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// Nobody: waiting and asking again is enough.
    Wait,
    /// The author of the schema changes it.
    ChangeSchema,
    /// The caller asks for something that exists, or has it registered first.
    ChangeRequest,
    /// The operator of this client corrects address or credentials.
    ChangeSettings,
    /// The operator of the registry looks at it.
    RepairRegistry,
}

/// What does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// No schema was ever registered under this name, or all are deleted.
    Subject(String),
    /// The subject exists, and has no such version.
    Version {
        /// Its name.
        subject: String,
        /// The version asked for: a number, or `latest`.
        version: String,
    },
    /// No schema has this id.
    SchemaId(u32),
    /// The schema is not registered under this subject.
    SchemaOf(String),
    /// A setting was never made for this subject (the global one applies).
    Setting(String),
    /// What the registry says in its message.
    Other,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => write!(f, "no subject {subject:?}"),
            Self::Version { subject, version } => write!(f, "no version {version} of subject {subject:?}"),
            Self::SchemaId(id) => write!(f, "no schema with id {id}"),
            Self::SchemaOf(subject) => write!(f, "this schema is not registered under subject {subject:?}"),
            Self::Setting(subject) => write!(f, "no setting of its own for subject {subject:?}"),
            Self::Other => f.write_str("not found"),
        }
    }
}

/// Why no usable answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// No connection: name not resolved, port closed, TLS refused.
    Connect(String),
    /// No complete answer within the request timeout.
    Timeout(Duration),
    /// The connection broke before the answer was complete.
    Broken(String),
    /// A status that asks to try later: 408, 429, 5xx.
    Status {
        /// Of the answer.
        status: u16,
        /// The registry's words; empty if it gives none.
        message: String,
    },
    /// The cache or its runtime was shut down meanwhile.
    ShutDown,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(detail) => write!(f, "cannot connect: {detail}"),
            Self::Timeout(after) => write!(f, "no answer within {} ms", after.as_millis()),
            Self::Broken(detail) => write!(f, "connection broken: {detail}"),
            Self::Status { status, message } => write!(f, "status {status}: {message}"),
            Self::ShutDown => f.write_str("shut down before an answer came"),
        }
    }
}

/// A failed call. The variant says who recovers, see [`RegistryError::recovery`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The registry works and does not hold what was asked for. `code` is the registry's own:
    /// 40401 subject, 40402 version, 40403 schema.
    #[error("{asked}: {what} (registry error {code}: {message}); check the name, or register it first")]
    NotFound {
        /// The call.
        asked: Box<Asked>,
        /// What does not exist.
        what: Missing,
        /// The registry's own code, or the status where it gives none.
        code: u32,
        /// The registry's words.
        message: String,
    },

    /// The schema breaks the subject's compatibility rule. Nothing was registered.
    #[error(
        "{asked}: incompatible with what subject {subject:?} holds: {}; \
         change the schema (say, give new fields a default) or the subject's compatibility level", reasons(.messages)
    )]
    Incompatible {
        /// The call.
        asked: Box<Asked>,
        /// Its name.
        subject: String,
        /// Why, in the registry's words; empty if it gives no reason.
        messages: Vec<String>,
    },

    /// The registry understood the request and refuses its content (400, 422): a schema that does not
    /// parse, a version out of range, an operation its mode forbids.
    #[error(
        "{asked}: refused as invalid (registry error {code}: {message}); correct the schema or the request"
    )]
    Invalid {
        /// The call.
        asked: Box<Asked>,
        /// The registry's own code, or the status where it gives none.
        code: u32,
        /// The registry's words.
        message: String,
    },

    /// Status 401.
    #[error(
        "{asked}: not authenticated: {message}; give the user and password, or the token, of a registry user"
    )]
    Unauthorized {
        /// The call.
        asked: Box<Asked>,
        /// The registry's words.
        message: String,
    },

    /// Status 403.
    #[error("{asked}: not allowed: {message}; grant this registry user the right, or use another user")]
    Forbidden {
        /// The call.
        asked: Box<Asked>,
        /// The registry's words.
        message: String,
    },

    /// No server gave a usable answer within the attempts allowed.
    #[error(
        "{asked}: registry unavailable after {attempts} attempt(s): {cause}; {}",
        if *.retryable { "try again later, check the address and that the registry runs" }
        else { "the request may have been carried out: look before repeating it" }
    )]
    Unavailable {
        /// The call.
        asked: Box<Asked>,
        /// Of the last attempt.
        cause: Outage,
        /// Requests sent.
        attempts: u32,
        /// False when the request may have been carried out and repeating it is not harmless.
        retryable: bool,
        /// What the server asked for with `Retry-After`.
        retry_after: Option<Duration>,
    },

    /// Something answered, but not as a schema registry does.
    #[error(
        "{asked}: unexpected answer, status {status}: {detail}; check that the base URL is the registry's, its path included"
    )]
    Protocol {
        /// The call.
        asked: Box<Asked>,
        /// Of the answer.
        status: u16,
        /// What was found.
        detail: String,
    },

    /// The references of a schema cannot be followed: a cycle, or more of them than the bounds allow.
    #[error(
        "{asked}: cannot resolve its references: {detail}; correct the references of the registered schema"
    )]
    References {
        /// The call.
        asked: Box<Asked>,
        /// What was found.
        detail: String,
    },

    /// A subject name that no URL can carry: empty, `.` or `..`.
    #[error("subject name {subject:?} cannot be put in a URL; use a name other than \"\", \".\" and \"..\"")]
    SubjectName {
        /// Its name.
        subject: String,
    },
}

fn reasons(messages: &[String]) -> String {
    if messages.is_empty() { "the registry gives no reason".to_owned() } else { messages.join("; ") }
}

impl RegistryError {
    /// Who recovers.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Unavailable { .. } => Recovery::Wait,
            Self::Incompatible { .. } | Self::Invalid { .. } => Recovery::ChangeSchema,
            Self::NotFound { .. } | Self::SubjectName { .. } => Recovery::ChangeRequest,
            Self::Unauthorized { .. } | Self::Forbidden { .. } | Self::Protocol { .. } => {
                Recovery::ChangeSettings
            }
            Self::References { .. } => Recovery::RepairRegistry,
        }
    }

    /// Whether the same call may succeed later with nothing changed here, and is safe to repeat.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { retryable: true, .. })
    }

    /// True for an answer about the registry's content (the schema is not there, or cannot be used), as
    /// opposed to a registry that cannot be asked properly. The first concerns a record, the second all.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::Incompatible { .. }
                | Self::Invalid { .. }
                | Self::References { .. }
                | Self::SubjectName { .. }
        )
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
