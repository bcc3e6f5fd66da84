use std::fmt;
use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::Topic;
use crate::builder::RegistryClientBuilder;
use crate::compatibility::Against;
use crate::compatibility::CompatibilityLevel;
use crate::compatibility::CompatibilityReport;
use crate::compatibility::Mode;
use crate::compatibility::Scope;
use crate::endpoint::subject_segment;
use crate::error::RegistryError;
use crate::retry::RetryPolicy;
use crate::schema::Deletion;
use crate::schema::Listing;
use crate::schema::Schema;
use crate::schema::SchemaType;
use crate::schema::SubjectVersion;
use crate::schema::Version;
use crate::settings_error::SettingsError;
use crate::transport::Call;
use crate::transport::Replay;
use crate::transport::Transport;

/// A client of a Confluent-compatible schema registry. Cheap to clone; clones share connections.
///
/// Every call asks the servers in turn until one answers, within the bounds of its [`RetryPolicy`].
///
/// # Errors
/// All calls fail with a [`RegistryError`], whose variant says who recovers.
#[derive(Clone)]
pub struct RegistryClient {
    transport: Arc<Transport>,
    retry: RetryPolicy,
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient")
            .field("transport", &self.transport)
            .field("retry", &self.retry)
            .finish()
    }
}

#[derive(Deserialize)]
struct IdBody {
    id: u32,
}

#[derive(Deserialize)]
struct CompatibilityBody {
    is_compatible: bool,
    #[serde(default)]
    messages: Option<Vec<String>>,
}

// Registries answer GET with the one and PUT with the other name.
#[derive(Serialize, Deserialize)]
struct LevelBody {
    #[serde(alias = "compatibilityLevel")]
    compatibility: CompatibilityLevel,
}

#[derive(Serialize, Deserialize)]
struct ModeBody {
    mode: Mode,
}

impl RegistryClient {
    /// Settings of a client; an address is all that it needs.
    pub fn builder() -> RegistryClientBuilder {
        RegistryClientBuilder::default()
    }

    /// A client of one server, all else at its default.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn new_for(url: impl Into<String>) -> Result<Self, SettingsError> {
        Self::builder().url(url).build()
    }

    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { retry: transport.retry, transport }
    }

    /// The same client with another policy.
    #[must_use]
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        Self { transport: Arc::clone(&self.transport), retry }
    }

    /// How often and how fast failed calls are repeated.
    #[must_use]
    pub fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    /// The servers' addresses, without credentials.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.transport.endpoints.all().iter().map(|endpoint| endpoint.join("")).collect()
    }

    /// The names of all subjects.
    pub async fn subjects(&self, listing: Listing) -> Result<Vec<String>, RegistryError> {
        let path = format!("/subjects{}", deleted(listing));
        self.get(path, "the list of subjects".into(), Topic::Registry, "a list of names").await
    }

    /// The version numbers of a subject, ascending.
    pub async fn versions(&self, subject: &str, listing: Listing) -> Result<Vec<u32>, RegistryError> {
        let path = format!("/subjects/{}/versions{}", subject_segment(subject)?, deleted(listing));
        let what = format!("the versions of subject {subject:?}");
        self.get(path, what, Topic::Subject(subject), "a list of numbers").await
    }

    /// The schema with this id, its references not followed.
    pub async fn schema(&self, id: u32) -> Result<Schema, RegistryError> {
        let expected = "an object with `schema`";
        self.get(format!("/schemas/ids/{id}"), format!("schema id {id}"), Topic::SchemaId(id), expected).await
    }

    /// One version of a subject.
    pub async fn version(
        &self,
        subject: &str,
        version: impl Into<Version>,
    ) -> Result<SubjectVersion, RegistryError> {
        self.version_of(subject, version.into(), Listing::Live).await
    }

    pub(crate) async fn version_of(
        &self,
        subject: &str,
        version: Version,
        listing: Listing,
    ) -> Result<SubjectVersion, RegistryError> {
        let path = format!("/subjects/{}/versions/{version}{}", subject_segment(subject)?, deleted(listing));
        let what = format!("version {version} of subject {subject:?}");
        let expected = "an object with `subject`, `version`, `id` and `schema`";
        self.get(path, what, Topic::Version(subject, version), expected).await
    }

    /// The latest version of a subject.
    pub async fn latest(&self, subject: &str) -> Result<SubjectVersion, RegistryError> {
        self.version(subject, Version::Latest).await
    }

    /// Where this schema stands in the subject, by the registry's own idea of equality.
    /// [`find`](Self::find) also finds one that is formatted differently.
    pub async fn lookup(&self, subject: &str, schema: &Schema) -> Result<SubjectVersion, RegistryError> {
        let call = Call {
            method: Method::POST,
            path: format!("/subjects/{}", subject_segment(subject)?),
            body: Some(json(schema)),
            replay: Replay::Harmless,
            what: format!("lookup of a schema in subject {subject:?}"),
        };
        let expected = "an object with `subject`, `version`, `id` and `schema`";
        self.send(call, Topic::SchemaOf(subject), expected).await
    }

    /// Registers a schema and returns its id. The same schema gets the same id again.
    /// [`register_if_needed`](Self::register_if_needed) is gentler.
    pub async fn register(&self, subject: &str, schema: &Schema) -> Result<u32, RegistryError> {
        let call = Call {
            method: Method::POST,
            path: format!("/subjects/{}/versions", subject_segment(subject)?),
            body: Some(json(schema)),
            replay: Replay::Harmless,
            what: format!("registration of a schema under subject {subject:?}"),
        };
        let body: IdBody = self.send(call, Topic::Subject(subject), "an object with `id`").await?;
        Ok(body.id)
    }

    /// Whether the schema could be registered as far as compatibility goes. A subject or version that
    /// does not exist yet is [`RegistryError::NotFound`] or compatible, as the registry has it.
    pub async fn check_compatibility(
        &self,
        subject: &str,
        schema: &Schema,
        against: Against,
    ) -> Result<CompatibilityReport, RegistryError> {
        let segment = subject_segment(subject)?;
        let (version, topic) = match against {
            Against::Latest => ("/latest".to_owned(), Topic::Version(subject, Version::Latest)),
            Against::Version(number) => {
                (format!("/{number}"), Topic::Version(subject, Version::Number(number)))
            }
            Against::Configured => (String::new(), Topic::Subject(subject)),
        };
        let call = Call {
            method: Method::POST,
            path: format!("/compatibility/subjects/{segment}/versions{version}?verbose=true"),
            body: Some(json(schema)),
            replay: Replay::Harmless,
            what: format!("compatibility check with subject {subject:?}"),
        };
        let body: CompatibilityBody = self.send(call, topic, "an object with `is_compatible`").await?;
        let messages = if body.is_compatible { Vec::new() } else { body.messages.unwrap_or_default() };
        Ok(CompatibilityReport { compatible: body.is_compatible, messages })
    }

    /// The compatibility level. A subject without one of its own is [`RegistryError::NotFound`] (40408).
    pub async fn compatibility_level(&self, scope: Scope<'_>) -> Result<CompatibilityLevel, RegistryError> {
        let (path, of, topic) = setting("/config", scope)?;
        let body: LevelBody = self
            .get(path, format!("the compatibility level{of}"), topic, "an object with `compatibilityLevel`")
            .await?;
        Ok(body.compatibility)
    }

    /// Sets the compatibility level of a subject, or of all that have none of their own.
    ///
    /// # Errors
    /// See [`RegistryError`]; [`RegistryError::Invalid`] where the registry does not know the level.
    pub async fn set_compatibility_level(
        &self,
        scope: Scope<'_>,
        level: CompatibilityLevel,
    ) -> Result<(), RegistryError> {
        let (path, of, topic) = setting("/config", scope)?;
        let call = Call {
            method: Method::PUT,
            path,
            body: Some(json(&LevelBody { compatibility: level })),
            replay: Replay::Harmless,
            what: format!("setting the compatibility level{of} to {level}"),
        };
        let _: LevelBody = self.send(call, topic, "an object with `compatibility`").await?;
        Ok(())
    }

    /// The mode. A subject without one of its own is [`RegistryError::NotFound`] (40409); registries
    /// without modes answer [`RegistryError::Protocol`].
    pub async fn mode(&self, scope: Scope<'_>) -> Result<Mode, RegistryError> {
        let (path, of, topic) = setting("/mode", scope)?;
        let body: ModeBody = self.get(path, format!("the mode{of}"), topic, "an object with `mode`").await?;
        Ok(body.mode)
    }

    /// Sets the mode of a subject, or of all that have none of their own.
    ///
    /// # Errors
    /// See [`RegistryError`]; [`RegistryError::Invalid`] where the registry does not know the mode, or
    /// does not allow the change.
    pub async fn set_mode(&self, scope: Scope<'_>, mode: Mode) -> Result<(), RegistryError> {
        let (path, of, topic) = setting("/mode", scope)?;
        let call = Call {
            method: Method::PUT,
            path,
            body: Some(json(&ModeBody { mode })),
            replay: Replay::Harmless,
            what: format!("setting the mode{of} to {mode}"),
        };
        let _: ModeBody = self.send(call, topic, "an object with `mode`").await?;
        Ok(())
    }

    /// Deletes all versions of a subject and returns their numbers.
    pub async fn delete_subject(&self, subject: &str, deletion: Deletion) -> Result<Vec<u32>, RegistryError> {
        let call = Call {
            method: Method::DELETE,
            path: format!("/subjects/{}{}", subject_segment(subject)?, permanent(deletion)),
            body: None,
            replay: Replay::OnlyUnsent,
            what: format!("deletion of subject {subject:?}"),
        };
        self.send(call, Topic::Subject(subject), "a list of numbers").await
    }

    /// Deletes one version and returns its number. One that others refer to is refused
    /// ([`RegistryError::Invalid`], 42206).
    pub async fn delete_version(
        &self,
        subject: &str,
        version: impl Into<Version>,
        deletion: Deletion,
    ) -> Result<u32, RegistryError> {
        let version = version.into();
        let segment = subject_segment(subject)?;
        let call = Call {
            method: Method::DELETE,
            path: format!("/subjects/{segment}/versions/{version}{}", permanent(deletion)),
            body: None,
            replay: Replay::OnlyUnsent,
            what: format!("deletion of version {version} of subject {subject:?}"),
        };
        self.send(call, Topic::Version(subject, version), "a number").await
    }

    /// The ids of the schemas that refer to this version.
    pub async fn referenced_by(
        &self,
        subject: &str,
        version: impl Into<Version>,
    ) -> Result<Vec<u32>, RegistryError> {
        let version = version.into();
        let path = format!("/subjects/{}/versions/{version}/referencedby", subject_segment(subject)?);
        let what = format!("what refers to version {version} of subject {subject:?}");
        self.get(path, what, Topic::Version(subject, version), "a list of numbers").await
    }

    /// The schema languages the registry takes.
    pub async fn schema_types(&self) -> Result<Vec<SchemaType>, RegistryError> {
        let path = "/schemas/types".to_owned();
        self.get(path, "the list of schema types".into(), Topic::Registry, "a list of names").await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: String,
        what: String,
        topic: Topic<'_>,
        expected: &'static str,
    ) -> Result<T, RegistryError> {
        let call = Call { method: Method::GET, path, body: None, replay: Replay::Harmless, what };
        self.send(call, topic, expected).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        call: Call,
        topic: Topic<'_>,
        expected: &'static str,
    ) -> Result<T, RegistryError> {
        self.transport.send(&call, &self.retry).await?.into_value(topic, expected)
    }
}

fn deleted(listing: Listing) -> &'static str {
    match listing {
        Listing::Live => "",
        Listing::WithDeleted => "?deleted=true",
    }
}

fn permanent(deletion: Deletion) -> &'static str {
    match deletion {
        Deletion::Soft => "",
        Deletion::Permanent => "?permanent=true",
    }
}

fn setting<'a>(route: &str, scope: Scope<'a>) -> Result<(String, String, Topic<'a>), RegistryError> {
    Ok(match scope {
        Scope::Global => (route.to_owned(), String::new(), Topic::Registry),
        Scope::Subject(subject) => {
            let path = format!("{route}/{}", subject_segment(subject)?);
            (path, format!(" of subject {subject:?}"), Topic::Subject(subject))
        }
    })
}

#[expect(clippy::expect_used, reason = "strings, numbers and lists of them always serialize")]
fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("plain data serializes")
}
