//! Schemas of records to be decoded, by the registry's id.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use crate::model::failure::Outage;

/// Where decoders find writer schemas. Never waits: what is not there is fetched in the background.
pub trait WriterSchemas: Debug + Send + Sync {
    /// The schema of an id, which a record names that was received at that time. Unknown is the answer
    /// only if the registry was asked after it: the schema may have been registered just before the record
    /// was written. Without a time, any answer counts.
    fn get(&self, id: u32, received: Option<Instant>) -> WriterSchema;
}

/// What is known of a schema id.
#[derive(Debug, Clone)]
pub enum WriterSchema {
    Ready(Arc<WriterText>),
    /// Being fetched: ask again soon.
    Pending,
    /// The registry says that there is no such schema, or it is of no use here: why.
    Unknown(String),
    /// The registry cannot be asked now.
    Unavailable(Outage),
}

/// An Avro schema as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterText {
    pub text: String,
    /// The texts of the schemas it refers to, theirs included, in any order.
    pub references: Vec<String>,
}
