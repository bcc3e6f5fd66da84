//! What the host does for a transform during an invocation.

use std::borrow::Cow;

use crate::error::Result;
use crate::wire::Rows;
use crate::wire::SchemaId;

/// The imports of a component, except logging. In Wasm they are the host's; natively they are
/// [`Runner`](crate::native::Runner)'s.
pub trait Host {
    /// Stages records for an output port.
    ///
    /// # Errors
    /// When the port, a column, `sources` or the schema is not as the contract has it.
    fn emit(
        &mut self,
        port: u32,
        schema: Option<SchemaId>,
        rows: Cow<'_, Rows>,
        sources: Cow<'_, [u8]>,
    ) -> Result<()>;

    /// Sets input rows aside, one little-endian u32 each.
    ///
    /// # Errors
    /// When one is not a row of the batch.
    fn reject(&mut self, rows: &[u8], reason: &str) -> Result<()>;

    /// The text of a schema.
    ///
    /// # Errors
    /// When there is no such schema.
    fn schema_text(&mut self, id: SchemaId) -> Result<String>;

    /// Declares an output schema for dynamic ports.
    ///
    /// # Errors
    /// When the text is no Avro schema that can be carried as columns.
    fn declare_schema(&mut self, text: &str) -> Result<SchemaId>;

    /// Wall-clock milliseconds since the Unix epoch.
    fn processing_time(&mut self) -> i64;
}
