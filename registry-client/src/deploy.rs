//! What is done once, when something is deployed: never a new version for a change of formatting.

use tracing::info;

use crate::canonical::same_schema;
use crate::client::RegistryClient;
use crate::compatibility::Against;
use crate::error::Asked;
use crate::error::RegistryError;
use crate::schema::Listing;
use crate::schema::Schema;
use crate::schema::SubjectVersion;
use crate::schema::Version;

/// How many versions, newest first, [`RegistryClient::find`] compares.
pub const VERSIONS_COMPARED_MAX: usize = 100;

/// What [`RegistryClient::register_if_needed`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Registration {
    /// The subject held the schema already.
    Found(u32),
    /// A new version was made.
    Created(u32),
}

impl Registration {
    /// The id that stands in the records.
    #[must_use]
    pub fn id(self) -> u32 {
        match self {
            Self::Found(id) | Self::Created(id) => id,
        }
    }
}

impl RegistryClient {
    /// The version of the subject that says the same as `schema` up to formatting
    /// ([`same_schema`]), or `None`: also when the subject does not exist. Nothing is changed.
    ///
    /// The registry is asked first; only if it finds nothing the newest [`VERSIONS_COMPARED_MAX`]
    /// versions are compared here.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] when the schema does not parse, and what any call may fail with.
    pub async fn find(
        &self,
        subject: &str,
        schema: &Schema,
    ) -> Result<Option<SubjectVersion>, RegistryError> {
        match self.lookup(subject, schema).await {
            Ok(found) => return Ok(Some(found)),
            Err(RegistryError::NotFound { code: 40401, .. }) => return Ok(None),
            Err(RegistryError::NotFound { .. }) => {}
            Err(other) => return Err(other),
        }
        let mut versions = match self.versions(subject, Listing::Live).await {
            Err(RegistryError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        versions.sort_unstable_by(|one, other| other.cmp(one));
        for number in versions.into_iter().take(VERSIONS_COMPARED_MAX) {
            match self.version(subject, Version::Number(number)).await {
                Ok(version) if same_schema(&version.schema, schema) => return Ok(Some(version)),
                // Deleted meanwhile.
                Ok(_) | Err(RegistryError::NotFound { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }

    /// The schema's id under this subject, registering it only when the subject does not hold it in any
    /// formatting ([`find`](Self::find)) and it is compatible.
    ///
    /// # Errors
    /// [`RegistryError::Incompatible`] with the registry's reasons; nothing was registered then.
    /// [`RegistryError::Invalid`] when the schema does not parse. What any call may fail with.
    pub async fn register_if_needed(
        &self,
        subject: &str,
        schema: &Schema,
    ) -> Result<Registration, RegistryError> {
        if let Some(found) = self.find(subject, schema).await? {
            return Ok(Registration::Found(found.id));
        }
        self.require_compatible(subject, schema).await?;
        let id = match self.register(subject, schema).await {
            // A rival has come between: some registries then say that the subject exists, and mean a
            // conflict between writers. Asked again, they say how things stand.
            Err(RegistryError::Incompatible { .. }) => match self.find(subject, schema).await? {
                Some(found) => return Ok(Registration::Found(found.id)),
                None => self.register(subject, schema).await?,
            },
            answer => answer?,
        };
        info!(subject, id, "schema registered");
        Ok(Registration::Created(id))
    }

    /// Checks against the latest version, as far as there is one. Nothing is changed.
    ///
    /// # Errors
    /// [`RegistryError::Incompatible`] with the registry's reasons, and what any call may fail with.
    pub async fn require_compatible(&self, subject: &str, schema: &Schema) -> Result<(), RegistryError> {
        match self.check_compatibility(subject, schema, Against::Latest).await {
            Ok(report) if report.compatible => Ok(()),
            Ok(report) => Err(RegistryError::Incompatible {
                asked: Box::new(Asked {
                    what: format!("compatibility check with subject {subject:?}"),
                    method: "POST",
                    url: self.urls().into_iter().next().unwrap_or_default(),
                }),
                subject: subject.to_owned(),
                messages: report.messages,
            }),
            Err(RegistryError::NotFound { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }
}
