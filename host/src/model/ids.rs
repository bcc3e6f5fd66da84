//! Names and identities. Each is a type of its own, so that one cannot stand for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a valid name: found {reason}; expected 1 to 63 characters of a-z, 0-9 and `-`, not starting with `-`"
)]
pub struct InvalidName {
    found: String,
    reason: &'static str,
}

fn check_name(text: &str) -> Result<(), InvalidName> {
    let reason = if text.is_empty() {
        "nothing"
    } else if text.len() > 63 {
        "more than 63 characters"
    } else if text.starts_with('-') {
        "a leading `-`"
    } else if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        "another character"
    } else {
        return Ok(());
    };
    Err(InvalidName { found: text.chars().take(80).collect(), reason })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        ///
        /// `[a-z0-9-]{1,63}`, not starting with `-`.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// # Errors
            /// When the text is not a valid name.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidName> {
                let text = text.into();
                check_name(&text)?;
                Ok(Self(text))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    };
}

name! {
    /// Owner of transforms, pipelines and quotas.
    TenantName
}
name! {
    /// An uploaded component's name.
    TransformName
}
name! {
    /// A pipeline's name, unique within its tenant.
    PipelineName
}
name! {
    /// A host's identity in consumer groups and transactions. Two live hosts never share one.
    HostId
}

impl TenantName {
    /// The tenant of a host without tenancy.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }
}

/// What the names of changelog topics end with.
pub const CHANGELOG_SUFFIX: &str = ".changelog";

/// Whether a topic has the name of some pipeline's changelog, which nobody else may write to.
#[must_use]
pub fn is_changelog(topic: &str) -> bool {
    topic.starts_with("wasmill.") && topic.ends_with(CHANGELOG_SUFFIX)
}

/// A pipeline with its owner: the identity that logs, metrics and Kafka names carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId {
    pub tenant: TenantName,
    pub pipeline: PipelineName,
}

impl PipelineId {
    /// The consumer group: `wasmill.<tenant>.<pipeline>`.
    #[must_use]
    pub fn group(&self) -> String {
        format!("wasmill.{}.{}", self.tenant, self.pipeline)
    }

    /// The changelog topic of a store: `<group>.<store>.changelog`. At most 209 bytes of the 249 that a
    /// topic's name may have.
    #[must_use]
    pub fn changelog(&self, store: &str) -> String {
        format!("{}.{store}{CHANGELOG_SUFFIX}", self.group())
    }

    /// The store that a changelog topic of this pipeline belongs to; none for any other topic.
    #[must_use]
    pub fn store_of_changelog<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let store = topic.strip_prefix(&self.group())?.strip_prefix('.')?.strip_suffix(CHANGELOG_SUFFIX)?;
        // Names of stores have no dots: what has one belongs to nobody here.
        (!store.is_empty() && !store.contains('.')).then_some(store)
    }

    /// The transactional id and static group instance id of one worker:
    /// `<group>.<host-id>.<worker>`.
    #[must_use]
    pub fn member(&self, host: &HostId, worker: WorkerIndex) -> String {
        format!("{}.{host}.{}", self.group(), worker.0)
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.pipeline)
    }
}

/// Index of a worker among those of one pipeline on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerIndex(pub u32);

/// Version number of a transform, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransformVersion(pub u32);

impl fmt::Display for TransformVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of a port among the manifest's inputs, or among its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortIndex(pub u32);

impl PortIndex {
    #[must_use]
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// Id of a schema in the schema registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryId(pub u32);

/// Id by which a guest and the host speak of a schema (dynamic ports). Valid for one pipeline start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(PipelineName::new("big-spenders-2").is_ok());
        for bad in ["", "-a", "A", "a_b", "ä", &"x".repeat(64)] {
            let error = PipelineName::new(bad).expect_err(bad);
            assert!(error.to_string().contains("expected 1 to 63 characters"), "{error}");
        }
    }

    #[test]
    fn kafka_names_carry_tenant_pipeline_host_and_worker() {
        let id = PipelineId {
            tenant: TenantName::default_tenant(),
            pipeline: PipelineName::new("p").expect("name"),
        };
        let host = HostId::new("h1").expect("name");
        assert_eq!(id.group(), "wasmill.default.p");
        assert_eq!(id.member(&host, WorkerIndex(2)), "wasmill.default.p.h1.2");
        assert_eq!(id.changelog("total"), "wasmill.default.p.total.changelog");
        assert!(is_changelog(&id.changelog("total")));
    }

    #[test]
    fn a_changelog_names_its_store_and_its_pipeline() {
        let name = PipelineName::new("p").expect("name");
        let id = PipelineId { tenant: TenantName::default_tenant(), pipeline: name };
        assert_eq!(id.store_of_changelog("wasmill.default.p.total.changelog"), Some("total"));
        for other in [
            "wasmill.default.p2.total.changelog",
            "wasmill.default.p.total",
            "wasmill.default.p.changelog",
            "wasmill.default.p..changelog",
            "wasmill.default.p.a.b.changelog",
            "total.changelog",
        ] {
            assert_eq!(id.store_of_changelog(other), None, "{other}");
        }
    }
}
