//! Schemas of records to be decoded, by the registry's id.

use std::fmt::Debug;
use std::sync::Arc;

use crate::model::failure::Outage;

/// Where decoders find writer schemas. Never waits: what is not there is fetched in the background.
pub trait WriterSchemas: Debug + Send + Sync {
    /// The schema of an id.
    fn get(&self, id: u32) -> WriterSchema;
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
